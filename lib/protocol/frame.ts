import { Buffer } from 'node:buffer'
import type { Payload } from '../codec/encode'

/**
 * Frames as a server sends them: a whole message each, and not masked (RFC 6455, section 5.2).
 *
 *     byte 0          byte 1       bytes 2–3 or 2–9
 *     FIN, opcode     length       the length, where it is more than 125 bytes
 */

/** FIN, and the opcode of a message of text or of bytes. */
const TEXT = 0x81
const BINARY = 0x82

/** The lengths that stand for the one in the next two, or eight, bytes. */
const LENGTH_16 = 126
const LENGTH_64 = 127

/** What a header takes at the most, in bytes. */
export const MAX_HEADER = 10

/** The bytes of `payload`. */
export function payloadLength (payload: Payload): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
}

/** Writes `payload`, of `length` bytes, as a frame into `target` from `start` on. Returns where the frame ends. */
export function writeFrame (target: Buffer, start: number, payload: Payload, length: number): number {
  const offset = writeHeader(target, start, payload, length)
  // A text of as many bytes as characters is ASCII, which latin1 writes without looking at it.
  if (typeof payload === 'string') target.write(payload, offset, length === payload.length ? 'latin1' : 'utf8')
  else target.set(payload, offset)
  return offset + length
}

/** `payload`, of `length` bytes, as a frame in a buffer of its own. */
export function frameOf (payload: Payload, length: number): Buffer {
  const target = Buffer.allocUnsafe(headerLength(length) + length)
  writeFrame(target, 0, payload, length)
  return target
}

/** A frame of the text whose UTF-8 is `text`, in a buffer of its own. */
export function textFrameOf (text: Uint8Array): Buffer {
  const frame = frameOf(text, text.byteLength)
  frame[0] = TEXT
  return frame
}

/** The header of a frame of `payload`, which has `length` bytes. */
export function headerOf (payload: Payload, length: number): Buffer {
  const target = Buffer.allocUnsafe(headerLength(length))
  writeHeader(target, 0, payload, length)
  return target
}

function headerLength (length: number): number {
  if (length < LENGTH_16) return 2
  return length <= 0xffff ? 4 : MAX_HEADER
}

function writeHeader (target: Buffer, start: number, payload: Payload, length: number): number {
  target[start] = typeof payload === 'string' ? TEXT : BINARY
  return writeLength(target, start + 1, length)
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
