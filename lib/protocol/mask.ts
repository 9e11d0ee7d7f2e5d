import { isAscii } from 'node:buffer'
import { randomFillSync } from 'node:crypto'
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
 * Unmasks the payload of a frame, or a part of the payload, in place (RFC 6455, section 5.3). The payload is in `chunk` from
 * `start` to `end`. Its mask is the four bytes of `mask` from `at` on; by default, the four bytes before the payload. A second
 * call masks the payload again. Returns whether the unmasked payload is ASCII.
 */
export type Unmask = (chunk: Uint8Array, start: number, end: number, mask?: Uint8Array, at?: number) => boolean

/** `native` unmasks very long payloads, if given. */
export function createUnmask (native?: NativeUnmask): Unmask {
  return function unmask (chunk, start, end, mask = chunk, at = start - 4) {
    const length = end - start
    if (length < LONG) return (byBytes(chunk, start, end, mask, at) & HIGH_BITS) === 0
    if (length < VERY_LONG || native === undefined) return (byWords(chunk, start, end, mask, at) & HIGH_BITS) === 0
    const payload = chunk.subarray(start, end) as Buffer
    native(payload, mask.subarray(at, at + 4) as Buffer)
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

/** Random bytes for the masks of frames that a client sends. One call of the generator serves many frames. */
const random = Buffer.allocUnsafeSlow(8 * 1024)
let used = random.length

/** Writes a new mask into `target` at `offset`: four random bytes that a peer cannot foresee (RFC 6455, section 5.3). */
export function writeMask (target: Buffer, offset: number): void {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  random.copy(target, offset, used, used += 4)
}

// Both functions return the OR of all unmasked bytes or words. Four steps a round take half the time of one.

function byBytes (chunk: Uint8Array, start: number, end: number, mask: Uint8Array, at: number): number {
  const mask0 = mask[at]
  const mask1 = mask[at + 1]
  const mask2 = mask[at + 2]
  const mask3 = mask[at + 3]
  let seen = 0
  let i = start
  for (; i + 3 < end; i += 4) seen |= (chunk[i] ^= mask0) | (chunk[i + 1] ^= mask1) | (chunk[i + 2] ^= mask2) | (chunk[i + 3] ^= mask3)
  for (; i < end; i++) seen |= chunk[i] ^= mask[at + (i - start & 3)]
  return seen
}

function byWords (chunk: Uint8Array, start: number, end: number, mask: Uint8Array, at: number): number {
  const { buffer, byteOffset } = chunk
  const first = start + (-(byteOffset + start) & 3)
  let seen = 0
  for (let i = start; i < first; i++) seen |= chunk[i] ^= mask[at + i - start]
  for (let i = 0; i < 4; i++) maskBytes[i] = mask[at + (first - start + i & 3)]
  const word = maskWord[0]
  const words = new Int32Array(buffer, byteOffset + first, (end - first) >>> 2)
  const length = words.length
  let i = 0
  for (; i + 3 < length; i += 4) seen |= (words[i] ^= word) | (words[i + 1] ^= word) | (words[i + 2] ^= word) | (words[i + 3] ^= word)
  for (; i < length; i++) seen |= words[i] ^= word
  for (i = first + length * 4; i < end; i++) seen |= chunk[i] ^= mask[at + (i - start & 3)]
  return seen
}
