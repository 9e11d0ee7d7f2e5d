import { isAscii } from 'node:buffer'
import http from 'node:http'

/** A mask as bytes, and as the word of these bytes, in the order that the machine has. */
const maskBytes = new Uint8Array(4)
const maskWord = new Int32Array(maskBytes.buffer)

/** Set in a word with a byte that is not ASCII. */
const HIGH_BITS = 0x80808080

/** From this length on, in bytes, it pays to make a view by words, and to call a native function. */
const LONG = 96
const VERY_LONG = 1536

/** Unmasks `payload` in place. */
type NativeUnmask = (payload: Buffer, mask: Buffer) => void

/**
 * Unmasks, in place, the payload of a frame, from `start` to `end` in `chunk`, with the mask that is before it (RFC 6455,
 * section 5.3). Done twice, it is as it was. Returns whether the payload is ASCII, which is known then.
 */
export type Unmask = (chunk: Buffer, start: number, end: number) => boolean

/** `native` is for long payloads, where there is one. */
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

/** What `ws` uses as well: a function of newer versions of Node, or the package bufferutil, an optional one. */
function findNative (): NativeUnmask | undefined {
  return (http as { websocketUnmask?: NativeUnmask }).websocketUnmask ?? findBufferutil()
}

function findBufferutil (): NativeUnmask | undefined {
  try {
    if (!process.env.WS_NO_BUFFER_UTIL) return require('bufferutil').unmask
  } catch {} // it is not installed
}

export const unmask = createUnmask(findNative())

// Both return the bits that were set anywhere. Four at a time: half the time of one by one.

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
