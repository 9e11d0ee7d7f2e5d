import { closeCodes } from '../base/close-codes'
import { FIN, MASKED, MAX_CONTROL_PAYLOAD, opcodes, RSV1, RSV2_3 } from './frame'

/**
 * A frame or a message that the peer must not send. `error` is the error that `ws` has for it, with the same message and `code`,
 * because listeners on `ws.raw` look at them. The connection is closed with `closeCode` and `reason`.
 */
export class Violation {
  readonly error: Error
  readonly closeCode: number
  readonly reason: string

  constructor (error: Error, closeCode: number, reason = '') {
    this.error = error
    this.closeCode = closeCode
    this.reason = reason
  }
}

/**
 * What the two first bytes of a frame violate (RFC 6455, sections 5.2 to 5.5); null if they violate nothing. The order of the
 * checks is the order of `ws`. `isContinued`: the first frames of a message have come. `isCompressed`: RSV1 has a meaning.
 */
export function checkFirstBytes (first: number, second: number, isServer: boolean, isContinued: boolean, isCompressed: boolean): Violation | null {
  const opcode = first & 0x0f
  const isControl = opcode >= opcodes.CLOSE && opcode <= opcodes.PONG
  const isMessageStart = opcode === opcodes.TEXT || opcode === opcodes.BINARY
  const hasRsv1 = (first & RSV1) !== 0
  if ((first & RSV2_3) !== 0) return invalidFrame('RSV2 and RSV3 must be clear', 'UNEXPECTED_RSV_2_3')
  if (hasRsv1 && (!isCompressed || opcode === opcodes.CONTINUATION)) return unexpectedRsv1()
  if (isControl) {
    const violation = checkControl(first, second & ~MASKED)
    if (violation !== null) return violation
  } else if (isContinued ? opcode !== opcodes.CONTINUATION : !isMessageStart) return invalidFrame(`invalid opcode ${opcode}`, 'INVALID_OPCODE')
  const isMasked = (second & MASKED) !== 0
  if (isMasked === isServer) return null
  return isServer ? invalidFrame('MASK must be set', 'EXPECTED_MASK') : invalidFrame('MASK must be clear', 'UNEXPECTED_MASK')
}

function checkControl (first: number, length: number): Violation | null {
  if ((first & FIN) === 0) return invalidFrame('FIN must be set', 'EXPECTED_FIN')
  if ((first & RSV1) !== 0) return unexpectedRsv1()
  const isValid = length <= MAX_CONTROL_PAYLOAD && !((first & 0x0f) === opcodes.CLOSE && length === 1)
  return isValid ? null : invalidFrame(`invalid payload length ${length}`, 'INVALID_CONTROL_PAYLOAD_LENGTH')
}

/** A frame that does not follow RFC 6455, section 5. `code` is without `WS_ERR_`. */
function invalidFrame (message: string, code: string): Violation {
  return new Violation(errorOf(RangeError, `Invalid WebSocket frame: ${message}`, code), closeCodes.PROTOCOL_ERROR)
}

function unexpectedRsv1 (): Violation {
  return invalidFrame('RSV1 must be clear', 'UNEXPECTED_RSV_1')
}

/** A close frame with a code that no close frame may carry (RFC 6455, section 7.4). */
export function invalidCloseCode (code: number): Violation {
  return invalidFrame(`invalid status code ${code}`, 'INVALID_CLOSE_CODE')
}

/** A text, or the reason of a close, that is not UTF-8 (RFC 6455, section 8.1). */
export function invalidText (): Violation {
  return new Violation(errorOf(Error, 'Invalid WebSocket frame: invalid UTF-8 sequence', 'INVALID_UTF8'), closeCodes.INVALID_FRAME_PAYLOAD_DATA)
}

/** A message of more than `maxPayload` bytes. */
export function tooLong (maxPayload: number): Violation {
  return tooBig('Max payload size exceeded', 'UNSUPPORTED_MESSAGE_LENGTH', maxPayload)
}

/** A frame whose length is no safe integer. */
export function unsafeLength (maxPayload: number): Violation {
  return tooBig('Unsupported WebSocket frame: payload length > 2^53 - 1', 'UNSUPPORTED_DATA_PAYLOAD_LENGTH', maxPayload)
}

function tooBig (message: string, code: string, maxPayload: number): Violation {
  return new Violation(errorOf(RangeError, message, code), closeCodes.MESSAGE_TOO_BIG, `message larger than ${maxPayload} bytes`)
}

/** A message of more fragments than a connection takes. */
export function tooManyFragments (): Violation {
  return new Violation(errorOf(RangeError, 'Too many message fragments', 'TOO_MANY_BUFFERED_PARTS'), closeCodes.POLICY_VIOLATION)
}

function errorOf (Type: ErrorConstructor, message: string, code: string): Error {
  return Object.assign(new Type(message), { code: `WS_ERR_${code}` })
}
