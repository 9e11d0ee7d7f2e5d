import { cutReason, isClean, type Closing } from '../base/close-codes'
import { ConnectionEnd } from '../base/connection-end'
import type { ChannelWebSocket } from '../protocol/websocket'
import type { RawWebSocket } from '../../types/raw'

/** Whether this side has dropped the connection: only the sockets of this package tell. */
type Terminable = Partial<Pick<ChannelWebSocket, 'isTerminated'>>

/**
 * How one connection closes (RFC 6455, section 7). `ws` exchanges the close frames, and ends a closing handshake that
 * takes longer than `closeTimeout`.
 *
 *      ┌──────┐  close(), a limit   ┌────────────────────┐  the close frame of the peer, closeTimeout
 *      │ open │ ──────────────────> │ begun by this side │ ────────────────────────────────────────┐
 *      └──────┘                     └────────────────────┘                                         v
 *        │  │   a close frame       ┌────────────────────┐  the answer has been written        ┌────────┐
 *        │  └─────────────────────> │ begun by the peer  │ ──────────────────────────────────> │ closed │
 *        │                          └────────────────────┘                                     └────────┘
 *        │      terminate(), an error, the connection is lost                                      ^
 *        └─────────────────────────────────────────────────────────────────────────────────────────┘
 */
export class CloseHandshake {
  /** How the connection ended; null until then. */
  end: ConnectionEnd | null = null
  readonly #raw: RawWebSocket & Terminable
  #isBegunHere = false
  #error: Error | undefined

  constructor (raw: RawWebSocket) {
    this.#raw = raw
  }

  /** Whether this side has begun the end: with a close frame, or by dropping the connection. */
  get isBegunHere (): boolean {
    return this.#isBegunHere || this.#raw.isTerminated === true
  }

  /** Begins the closing handshake, after all that has been sent. `reason` is cut to the 123 bytes that a close frame takes. */
  begin ({ code, reason }: Closing): void {
    this.#isBegunHere = true
    this.#raw.close(code ?? undefined, cutReason(reason))
  }

  /** The connection has broken, and ends because of `error`. */
  fail (error: Error): void {
    this.#error = error
  }

  /** The connection has ended: `code` and `reason` are what `ws` tells of its end. Returns the end. */
  finish (code: number, reason: Buffer): ConnectionEnd {
    this.end = new ConnectionEnd(code, reason.toString(), isClean(this.#raw, code), this.#error)
    return this.end
  }
}
