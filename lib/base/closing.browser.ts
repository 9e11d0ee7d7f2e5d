import { NORMAL_CLOSURE } from './close-codes'
import { show } from './show'

export { isNormal } from './close-codes'
export { cutReason } from './close-reason'

/** Throws a `RangeError` unless the `close` of a platform's socket takes `code` (WebSockets Standard, "close(code, reason)"). */
export function checkCloseCode (code: unknown): asserts code is number {
  if (code === NORMAL_CLOSURE || (Number.isInteger(code) && code as number >= 3000 && code as number <= 4999)) return
  throw new RangeError(`close code ${show(code)} may not be sent by a page: use 1000, or 3000 to 4999`)
}
