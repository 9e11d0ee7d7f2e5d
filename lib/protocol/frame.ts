import { Buffer } from 'node:buffer'
import type { Payload } from '../codec/encode'

/*
 * The frames that a server sends. Each carries a whole message and is not masked (RFC 6455, section 5.2).
 *
 *     byte 0          byte 1       bytes 2–3 or 2–9
 *     FIN, opcode     length       the length, if it is more than 125 bytes
 */

/** The first byte of a text frame and of a binary frame: FIN and the opcode. */
const TEXT = 0x81
const BINARY = 0x82

/** These lengths say that the real length is in the next two bytes, or in the next eight. */
const LENGTH_16 = 126
const LENGTH_64 = 127

/** The longest header, in bytes. */
export const MAX_HEADER = 10

/** The length of `payload` in bytes. */
export function payloadLength (payload: Payload): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
}

/** Writes a frame of `payload`, which has `length` bytes, into `target` from `start` on. Returns the end of the frame. */
export function writeFrame (target: Buffer, start: number, payload: Payload, length: number): number {
  const offset = writeHeader(target, start, payload, length)
  // A string with as many bytes as characters is ASCII. Node writes latin1 faster than UTF-8.
  if (typeof payload === 'string') target.write(payload, offset, length === payload.length ? 'latin1' : 'utf8')
  else target.set(payload, offset)
  return offset + length
}

/** Returns a frame of `payload`, which has `length` bytes, in a new buffer. */
export function frameOf (payload: Payload, length: number): Buffer {
  const target = Buffer.allocUnsafe(headerLength(length) + length)
  writeFrame(target, 0, payload, length)
  return target
}

/** Returns a text frame in a new buffer. `text` is the UTF-8 of the text. */
export function textFrameOf (text: Uint8Array): Buffer {
  const frame = frameOf(text, text.byteLength)
  frame[0] = TEXT
  return frame
}

/** Returns the header of a frame of `payload`, which has `length` bytes. */
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
