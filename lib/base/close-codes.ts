import { show } from './show'
import type { RawWebSocket } from '../../types/raw'

/**
 * Close codes, by the names that the IANA registry and MDN give them.
 * Source: RFC 6455, section 7.4.1, and the IANA "WebSocket Close Code Number Registry".
 */
export const closeCodes = Object.freeze({
  NORMAL_CLOSURE: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  NO_STATUS_RECEIVED: 1005,
  ABNORMAL_CLOSURE: 1006,
  INVALID_FRAME_PAYLOAD_DATA: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  MISSING_EXTENSION: 1010,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
  TLS_HANDSHAKE: 1015,
  UNAUTHORIZED: 3000,
  FORBIDDEN: 3003,
  TIMEOUT: 3008
} as const)

/** The content of a close frame. */
export interface Closing {
  /** Null for a close frame without a code. Such a frame has no reason either (RFC 6455, section 5.5.1). */
  code: number | null
  reason: string
}

/** RFC 6455, section 5.5: a control frame carries at most 125 bytes, two of which are the code. */
const MAX_REASON_BYTES = 123

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

/** Cuts `reason` between two characters so that it fits a close frame: at most 123 bytes of UTF-8. */
export function cutReason (reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  while ((bytes[end] & 0b1100_0000) === 0b1000_0000) end-- // inside a character: a continuation byte of UTF-8
  return bytes.toString('utf8', 0, end)
}

/** Whether iteration ends without an error after a close with `code`. */
export function isNormal (code: number): boolean {
  return code === closeCodes.NORMAL_CLOSURE || code === closeCodes.GOING_AWAY || code === closeCodes.NO_STATUS_RECEIVED
}

/**
 * Whether each side has sent its close frame (RFC 6455, section 7.1.4). `code` is the code that `raw` has ended with; it is 1006
 * if the peer has sent no close frame (section 7.1.5). Only a private property of `ws` tells whether this side has sent its own.
 * Where a socket lacks that property (as on Bun), this side is taken to have sent one.
 */
export function isClean (raw: RawWebSocket, code: number): boolean {
  const { _closeFrameSent: hasSent = true } = raw as { _closeFrameSent?: boolean }
  return hasSent && code !== closeCodes.ABNORMAL_CLOSURE
}
