import { Buffer } from 'node:buffer'
import { unmask, writeMask } from './mask'
import type { Payload } from '../codec/encode'

/*
 * A frame (RFC 6455, section 5.2):
 *
 *     byte 0                  byte 1               bytes 2–3 or 2–9          four bytes       the rest
 *     FIN, RSV1–3, opcode     MASK, length         the length, if it is      the mask, if     the payload
 *                                                  more than 125 bytes       MASK is set
 *
 * Clients mask their frames, servers do not.
 */

/** RFC 6455, section 5.2: the bits of the first byte, those of the opcode and those beside it. */
export const OPCODE = 0x0f
export const FIN = 0x80
export const RSV1 = 0x40
export const RSV2_3 = 0x30

/** RFC 6455, section 11.8. */
export const opcodes = Object.freeze({ CONTINUATION: 0x0, TEXT: 0x1, BINARY: 0x2, CLOSE: 0x8, PING: 0x9, PONG: 0xa } as const)

/** The bit of the second byte that says that the frame is masked. */
export const MASKED = 0x80

/** These lengths say that the real length is in the next two bytes, or in the next eight. */
export const LENGTH_16 = 126
export const LENGTH_64 = 127

/** RFC 6455, section 5.5: the longest payload of a control frame, in bytes. */
export const MAX_CONTROL_PAYLOAD = 125

/** The longest header, in bytes. */
export const MAX_HEADER = 14

/** The first bytes of the frames that carry a whole message or a control message. */
export const TEXT = FIN | opcodes.TEXT
export const BINARY = FIN | opcodes.BINARY
export const CLOSE = FIN | opcodes.CLOSE
export const PING = FIN | opcodes.PING
export const PONG = FIN | opcodes.PONG

/** The first byte of the frame of a message. */
export function firstByteOf (payload: Payload): number {
  return typeof payload === 'string' ? TEXT : BINARY
}

/** The length of `payload` in bytes. */
export function payloadLength (payload: Payload): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
}

/**
 * Writes a frame into `target` from `start` on. `first` is the first byte, and `length` the length of `payload` in bytes.
 * Returns the end of the frame.
 */
export function writeFrame (target: Buffer, start: number, first: number, payload: Payload, length: number, isMasked: boolean): number {
  const offset = writeHeader(target, start, first, length, isMasked)
  // A string with as many bytes as characters is ASCII. Node writes latin1 faster than UTF-8.
  if (typeof payload === 'string') target.write(payload, offset, length === payload.length ? 'latin1' : 'utf8')
  else target.set(payload, offset)
  const end = offset + length
  if (isMasked) unmask(target, offset, end)
  return end
}

/** Returns a frame in a new buffer. The parameters are those of `writeFrame`. */
export function frameOf (first: number, payload: Payload, length: number, isMasked: boolean): Buffer {
  const target = Buffer.allocUnsafe(headerLength(length, isMasked) + length)
  writeFrame(target, 0, first, payload, length, isMasked)
  return target
}

/** Returns the header of a frame that is not masked. */
export function headerOf (first: number, length: number): Buffer {
  const target = Buffer.allocUnsafe(headerLength(length, false))
  writeHeader(target, 0, first, length, false)
  return target
}

function headerLength (length: number, isMasked: boolean): number {
  const mask = isMasked ? 4 : 0
  if (length < LENGTH_16) return 2 + mask
  return (length <= 0xffff ? 4 : 10) + mask
}

/** Writes a header with a new mask if the frame `isMasked`. Returns the start of the payload. */
function writeHeader (target: Buffer, start: number, first: number, length: number, isMasked: boolean): number {
  target[start] = first
  const offset = writeLength(target, start + 1, length)
  if (!isMasked) return offset
  target[start + 1] |= MASKED
  writeMask(target, offset)
  return offset + 4
}

function writeLength (target: Buffer, offset: number, length: number): number {
  if (length < LENGTH_16) {
    target[offset] = length
    return offset + 1
  }
  if (length <= 0xffff) {
    target[offset] = LENGTH_16
    target[offset + 1] = length >>> 8
    target[offset + 2] = length
    return offset + 3
  }
  target[offset] = LENGTH_64
  target.writeUInt32BE(Math.floor(length / 2 ** 32), offset + 1)
  target.writeUInt32BE(length >>> 0, offset + 5)
  return offset + 9
}
