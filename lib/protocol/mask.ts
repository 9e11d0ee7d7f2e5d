import { isAscii } from 'node:buffer'
import http from 'node:http'

/** A mask as four bytes, and the same memory as one word in the byte order of the machine. */
const maskBytes = new Uint8Array(4)
const maskWord = new Int32Array(maskBytes.buffer)

/** The highest bit of each byte. A word of ASCII has none of them. */
const HIGH_BITS = 0x80808080

/** Bytes. From LONG on, a view by words pays. From VERY_LONG on, a call of the native function pays. */
const LONG = 96
const VERY_LONG = 1536

/** Unmasks `payload` in place. */
type NativeUnmask = (payload: Buffer, mask: Buffer) => void

/**
 * Unmasks the payload of a frame in place. The payload is in `chunk` from `start` to `end`; its mask is the four bytes before
 * `start` (RFC 6455, section 5.3). A second call masks the payload again. Returns whether the unmasked payload is ASCII.
 */
export type Unmask = (chunk: Buffer, start: number, end: number) => boolean

/** `native` unmasks very long payloads, if given. */
export function createUnmask (native?: NativeUnmask): Unmask {
  return function unmask (chunk, start, end) {
    const length = end - start
    if (length < LONG) return (byBytes(chunk, start, end) & HIGH_BITS) === 0
    if (length < VERY_LONG || native === undefined) return (byWords(chunk, start, end) & HIGH_BITS) === 0
    const payload = chunk.subarray(start, end)
    native(payload, chunk.subarray(start - 4, start))
    return isAscii(payload)
  }
}

/** The native function that `ws` uses as well: of newer versions of Node, or of the optional package bufferutil. */
function findNative (): NativeUnmask | undefined {
  return (http as { websocketUnmask?: NativeUnmask }).websocketUnmask ?? findBufferutil()
}

function findBufferutil (): NativeUnmask | undefined {
  try {
    if (!process.env.WS_NO_BUFFER_UTIL) return require('bufferutil').unmask
  } catch {} // bufferutil is not installed
}

export const unmask = createUnmask(findNative())

// Both functions return the OR of all unmasked bytes or words. Four steps a round take half the time of one.

function byBytes (chunk: Buffer, start: number, end: number): number {
  const mask0 = chunk[start - 4]
  const mask1 = chunk[start - 3]
  const mask2 = chunk[start - 2]
  const mask3 = chunk[start - 1]
  let seen = 0
  let i = start
  for (; i + 3 < end; i += 4) seen |= (chunk[i] ^= mask0) | (chunk[i + 1] ^= mask1) | (chunk[i + 2] ^= mask2) | (chunk[i + 3] ^= mask3)
  for (; i < end; i++) seen |= chunk[i] ^= chunk[start - 4 + (i - start & 3)]
  return seen
}

function byWords (chunk: Buffer, start: number, end: number): number {
  const { buffer, byteOffset } = chunk
  const first = start + (-(byteOffset + start) & 3)
  let seen = 0
  for (let i = start; i < first; i++) seen |= chunk[i] ^= chunk[i - 4]
  for (let i = 0; i < 4; i++) maskBytes[i] = chunk[start - 4 + (first - start + i & 3)]
  const mask = maskWord[0]
  const words = new Int32Array(buffer, byteOffset + first, (end - first) >>> 2)
  const length = words.length
  let i = 0
  for (; i + 3 < length; i += 4) seen |= (words[i] ^= mask) | (words[i + 1] ^= mask) | (words[i + 2] ^= mask) | (words[i + 3] ^= mask)
  for (; i < length; i++) seen |= words[i] ^= mask
  for (i = first + length * 4; i < end; i++) seen |= chunk[i] ^= chunk[start - 4 + (i - start & 3)]
  return seen
}
