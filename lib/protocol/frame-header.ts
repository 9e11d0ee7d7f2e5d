import { LENGTH_16, LENGTH_64, MASKED } from './frame'
import { checkFirstBytes, tooLong, unsafeLength, type Violation } from './violation'

/** The first byte of the header that was read last, and the length of its payload. */
export const header = { first: 0, length: 0 }

/** The length of a header that is not complete. */
export const CUT = 0

/** What the side that receives frames takes. */
export interface HeaderLimits {
  readonly isServer: boolean
  /** Bytes. */
  readonly maxPayload: number
  readonly isCompressed: boolean
}

/**
 * Reads the header at `offset` into `header`. `unfinished`: the length of the message of which only the first frames have come, or
 * -1. Returns the length of the header, `CUT`, or what the header violates.
 */
export function readHeader (bytes: Buffer, offset: number, { isServer, maxPayload, isCompressed }: HeaderLimits, unfinished: number): number | Violation {
  const available = bytes.length - offset
  if (available < 2) return CUT
  const violation = checkFirstBytes(bytes[offset], bytes[offset + 1], isServer, unfinished !== -1, isCompressed)
  if (violation !== null) return violation
  header.first = bytes[offset]
  header.length = bytes[offset + 1] & ~MASKED
  let headerLength = 2
  if (header.length === LENGTH_16) {
    if (available < 4) return CUT
    header.length = bytes.readUInt16BE(offset + 2)
    headerLength = 4
  } else if (header.length === LENGTH_64) {
    if (available < 10) return CUT
    const high = bytes.readUInt32BE(offset + 2)
    if (high > 0x1fffff) return unsafeLength(maxPayload)
    header.length = high * 2 ** 32 + bytes.readUInt32BE(offset + 6)
    headerLength = 10
  }
  if (!isControl(header.first) && header.length > maxPayload - Math.max(unfinished, 0)) return tooLong(maxPayload)
  if (isServer) headerLength += 4
  return headerLength > available ? CUT : headerLength
}

/** Whether the frame with this first byte is a control frame (RFC 6455, section 5.5). */
export function isControl (first: number): boolean {
  return (first & 0x8) !== 0
}
