import { closeCodes } from './close-codes'
import { show } from './show'

export { isNormal } from './close-codes'
export { cutReason } from './close-reason'

/** The content of a close frame. */
export interface Closing {
  /** Null for a close frame without a code. Such a frame has no reason either (RFC 6455, section 5.5.1). */
  code: number | null
  reason: string
}

const registered = new Set<number>(Object.values(closeCodes))
// RFC 6455, section 7.4.1: a close frame never carries these codes. They stand for an end without a code or a close frame.
const reserved = new Set<number>([closeCodes.NO_STATUS_RECEIVED, closeCodes.ABNORMAL_CLOSURE, closeCodes.TLS_HANDSHAKE])

/** Whether a close frame may carry `code`: registered below 3000, or 3000–4999 (RFC 6455, section 7.4.2). */
export function isSendable (code: unknown): code is number {
  if (typeof code !== 'number' || !Number.isInteger(code)) return false
  if (code >= 3000) return code <= 4999
  return registered.has(code) && !reserved.has(code)
}

/** Throws a `RangeError` unless a close frame may carry `code`. */
export function checkCloseCode (code: unknown): asserts code is number {
  if (!isSendable(code)) {
    throw new RangeError(`close code ${show(code)} may not be sent: use a registered code from 1000 to 1014 ` +
      'other than 1004, 1005 and 1006, or one of your own from 3000 to 4999')
  }
}
