import { Buffer } from 'node:buffer'
import { TEXT } from './frame'
import { unmask } from './mask'

const EMPTY: Buffer = Buffer.alloc(0)

/** How many times as much memory as bytes have arrived a message may have, and the bytes of memory that it may have at least. */
const AHEAD = 4
const MIN_MEMORY = 512

/** Bytes. From this length on, the rest of a payload is read straight into its place. */
const LONG = 64 * 1024

/** The sizes in bytes of the memories of texts that are used again, each twice the one before, and how many of each size are kept. */
const MIN_SPARE = 4 * 1024
const MAX_SPARE = 64 * 1024
const MAX_SPARES = 4

/** Memories of texts by size, which are free as soon as the text is a string. Their allocation costs as much as a text of 16 KiB. */
const spares = new Map<number, Buffer[]>()
for (let size = MIN_SPARE; size <= MAX_SPARE; size *= 2) spares.set(size, [])

/** Returns memory for `length` bytes of a text: at least so many, and fewer than twice as many. */
function memoryOfText (length: number): Buffer {
  if (length < MIN_SPARE || length > MAX_SPARE) return Buffer.allocUnsafe(length)
  const size = 2 ** (32 - Math.clz32(length - 1))
  return spares.get(size)!.pop() ?? Buffer.allocUnsafeSlow(size)
}

/**
 * The payload of a message that does not lie whole in one read. Its memory grows with what has arrived, so that a header that
 * announces much takes no memory. The time is linear in the length of the message, in however many parts the message arrives.
 */
export class Assembly {
  /** The bytes that have arrived. */
  length = 0
  /** The bytes of the current frame that have not arrived. */
  missing = 0
  /** The number of frames that have begun. */
  fragments = 0
  /** Whether the bytes that have arrived are known to be ASCII. */
  isAscii: boolean
  /** The first byte of the message. */
  readonly first: number
  /** Whether the current frame is the last one of the message. */
  isLast = false
  readonly #maxPayload: number
  #memory: Buffer = EMPTY
  /** The most bytes that the message can have. */
  #expected = 0
  /** Twice the mask of the current frame, so that the four bytes from `#phase` on are the mask of what comes next. */
  readonly #mask: Uint8Array | null
  #phase = 0

  /** `isServer`: the frames are masked. */
  constructor (first: number, { maxPayload, isServer }: { maxPayload: number, isServer: boolean }) {
    this.first = first
    this.#maxPayload = maxPayload
    this.#mask = isServer ? new Uint8Array(8) : null
    this.isAscii = isServer
  }

  /** Whether the message is a text that is neither compressed nor fragmented: nothing needs its bytes once it is a string. */
  get #isText (): boolean {
    return this.first === TEXT
  }

  /** The payload as far as it has arrived, without its mask. */
  get bytes (): Buffer {
    return this.#memory.length === this.length ? this.#memory : this.#memory.subarray(0, this.length)
  }

  /** The payload of the whole message, in memory that is at most twice as long. */
  get message (): Buffer {
    return this.#memory.length > 2 * this.length ? Buffer.from(this.bytes) : this.bytes
  }

  /** Begins a frame with `length` bytes of payload. The header of the frame is in `bytes`, in which the payload would begin at `start`. */
  begin (length: number, isLast: boolean, bytes: Uint8Array, start: number): void {
    this.missing = length
    this.isLast = isLast
    this.fragments++
    this.#expected = isLast ? this.length + length : this.#maxPayload
    this.#phase = 0
    if (this.#mask === null) return
    for (let i = 0; i < 4; i++) this.#mask[i] = this.#mask[i + 4] = bytes[start - 4 + i]
  }

  /** Adds the part of the payload that is in `chunk` from `start` on. Returns the end of that part. */
  add (chunk: Uint8Array, start: number): number {
    const end = Math.min(start + this.missing, chunk.length)
    this.#reserve(this.length + end - start)
    this.#memory.set(new Uint8Array(chunk.buffer, chunk.byteOffset + start, end - start), this.length)
    this.placed(end - start)
    return end
  }

  /** Where the next bytes of the connection can be read to, if they are the rest of a long payload; else undefined. See `placed`. */
  get place (): Buffer | undefined {
    const end = Math.min(this.length + this.missing, this.#memory.length)
    return end - this.length < LONG ? undefined : this.#memory.subarray(this.length, end)
  }

  /** `count` more bytes of the payload are in their place. */
  placed (count: number): void {
    const { length } = this
    this.length += count
    this.missing -= count
    if (this.#mask === null) return
    if (!unmask(this.#memory, length, this.length, this.#mask, this.#phase)) this.isAscii = false
    this.#phase = this.#phase + count & 3
  }

  #reserve (needed: number): void {
    if (needed <= this.#memory.length) return
    const ahead = Math.min(this.#expected, Math.max(AHEAD * needed, MIN_MEMORY))
    const length = Math.max(needed, ahead)
    const memory = this.#isText ? memoryOfText(length) : Buffer.allocUnsafe(length)
    memory.set(this.bytes)
    this.#memory = memory
  }

  /** The message has been delivered: the memory of a text is used again. */
  free (): void {
    if (!this.#isText) return
    const kept = spares.get(this.#memory.length)
    if (kept !== undefined && kept.length < MAX_SPARES) kept.push(this.#memory)
    this.#memory = EMPTY
  }
}
