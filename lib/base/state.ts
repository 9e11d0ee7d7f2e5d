/**
 * The states of a session.
 *
 *                     accept()                close(), peer closes
 *      ┌────────────┐ ────────> ┌──────┐ ───────────────────────> ┌─────────┐
 *      │ connecting │           │ open │                          │ closing │
 *      └────────────┘           └──────┘                          └─────────┘
 *        │        │                 │                                ^   │
 *        │        │ deny(), close(), throw: an HTTP response         │   │ closing handshake done,
 *        │        └─────────────────┼────────────────────────────────┘   │ response sent, timeout
 *        │                          │                                    v
 *        │ client leaves            │ terminate(), connection lost   ┌────────┐
 *        └──────────────────────────┴──────────────────────────────> │ closed │
 *                                                                    └────────┘
 */
export type State = 'connecting' | 'open' | 'closing' | 'closed'
