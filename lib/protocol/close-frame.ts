import { Buffer, isUtf8 } from 'node:buffer'
import { closeCodes } from '../base/close-codes'
import { isSendable } from '../base/closing'
import { invalidCloseCode, invalidText, type Violation } from './violation'

/** The content of a close frame that has arrived. */
export interface CloseFrame {
  /** 1005 for a frame without a code (RFC 6455, section 7.1.5). */
  code: number
  reason: Buffer
}

const EMPTY: Buffer = Buffer.alloc(0)

/** Reads the payload of a close frame (RFC 6455, section 5.5.1), which is not one byte long. The reason is a copy. */
export function readClose (payload: Buffer): CloseFrame | Violation {
  if (payload.length === 0) return { code: closeCodes.NO_STATUS_RECEIVED, reason: EMPTY }
  const code = payload.readUInt16BE(0)
  if (!isSendable(code)) return invalidCloseCode(code)
  const reason = payload.subarray(2)
  return isUtf8(reason) ? { code, reason: Buffer.from(reason) } : invalidText()
}

/** Returns the payload of a close frame. Without a code it is empty. `reason` has at most 123 bytes. */
export function closePayload (code: number | undefined, reason: string | Uint8Array): Buffer {
  if (code === undefined) return EMPTY
  const payload = Buffer.concat([Buffer.alloc(2), typeof reason === 'string' ? Buffer.from(reason) : reason])
  payload.writeUInt16BE(code)
  return payload
}
