import {
  INVALID_FRAME_PAYLOAD_DATA, MESSAGE_TOO_BIG, MISSING_EXTENSION, POLICY_VIOLATION, PROTOCOL_ERROR, TRY_AGAIN_LATER, UNSUPPORTED_DATA
} from '../base/close-codes'
import { WebSocketDisconnect } from '../base/errors'

/** The close codes of a fault that another attempt does not mend. */
const FINAL = [PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_FRAME_PAYLOAD_DATA, POLICY_VIOLATION, MESSAGE_TOO_BIG, MISSING_EXTENSION]

// With `refusal: 'close'`, the server closes with 4000 + the HTTP status. Of the errors of a client, three may pass: 408 Request
// Timeout, 425 Too Early and 429 Too Many Requests.
const PASSING = [4408, 4425, 4429]

/** The codes by which a server asks for time. An attempt after them comes no earlier than planned. */
const BUSY = [TRY_AGAIN_LATER, 4429, 4503]

/** Whether another attempt may succeed after a close with `code`: the `retry` of `reconnect` by default. */
export function mayPass (code: number): boolean {
  return !FINAL.includes(code) && (code < 4400 || code > 4499 || PASSING.includes(code))
}

/** Whether the server has asked for time. */
export function isBusy (why: unknown): boolean {
  return why instanceof WebSocketDisconnect && BUSY.includes(why.closeCode)
}

/**
 * Milliseconds to wait before the next attempt: a random time from 0 to `baseDelay` × 2ⁿ, at most `maxDelay`, after n waits. The
 * attempts of many clients that have lost their server spread over that time ("full jitter").
 */
export function delayAfter (waits: number, { baseDelay, maxDelay }: { baseDelay: number, maxDelay: number }): number {
  return Math.random() * Math.min(maxDelay, baseDelay * 2 ** waits)
}
