import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import zlib, { constants, type ZlibOptions } from 'node:zlib'
import { defined } from '../base/checks'
import { closeCodes } from '../base/close-codes'
import { tooLong, tooManyFragments, Violation } from './violation'

/*
 * Compression of messages (RFC 7692, section 7.2). Each message has a zlib object of its own, which the synchronous functions of
 * node:zlib make and free. What the LZ77 window would hold of earlier messages is given as a dictionary.
 */

/** What `info: true` makes of the result of node:zlib. `bytesWritten` counts the bytes that were read of the payload. */
interface Inflated { buffer: Buffer, engine: { bytesWritten: number } }

const deflateLater = promisify<Uint8Array, ZlibOptions, Buffer>(zlib.deflateRaw)
const inflateLater = promisify(zlib.inflateRaw) as unknown as (payload: Uint8Array, options: ZlibOptions) => Promise<Inflated>
const inflateNow = zlib.inflateRawSync as unknown as (payload: Uint8Array, options: ZlibOptions) => Inflated

/** The length of `00 00 ff ff`, the end of a flush. A sender removes it (RFC 7692, section 7.2.1). */
const TAIL = 4

/** The sizes of the window of DEFLATE, as powers of two: the smallest that zlib has, and the largest. */
const MIN_WINDOW_BITS = 9
const MAX_WINDOW_BITS = 15

/**
 * A window of 13 bits reaches back over this many bytes. A content that is not longer, its dictionary included, becomes no
 * smaller with a larger window. The smaller one saves 2 µs: 23.9 in place of 25.6 for 1 KiB of JSON, 13.4 of 15.9 for 128 bytes.
 */
const SMALL_WINDOW_BITS = 13
const SMALL_WINDOW_REACH = 2 ** 13 - 262

/**
 * The largest chunk of output, in bytes. One chunk that holds the whole output saves time: 4 µs of 30 for 1 KiB deflated,
 * 1.6 of 11 for 1 KiB inflated, both in comparison with the 16 KiB of zlib.
 */
const MAX_CHUNK = 65_536
const MAX_INFLATED_CHUNK = 1_048_576

/** Node's pool of small buffers is this large, in bytes. A small buffer holds no more than that in memory. */
const POOL = Buffer.poolSize

/**
 * The final blocks that a message may have. Each costs as much as a message, but takes only two bytes: 1 MiB of them would
 * block the process for seconds. Known senders write one at most.
 */
const MAX_PARTS = 8

/**
 * Bytes. Without and with messages before them to refer to, shorter messages hardly become smaller, unless the user has set a
 * `threshold`.
 */
const THRESHOLD = 200
const THRESHOLD_WITH_HISTORY = 32

/** Bytes. Longer messages are compressed and decompressed in another thread: in this one they would block the process for long. */
export const MAX_SYNC = 64 * 1024

/** Bytes. A longer history of what this side has sent makes messages hardly smaller, and takes more time and memory. */
export const MAX_HISTORY = 2 * 1024

const EMPTY = Buffer.alloc(0)

export interface DeflaterOptions {
  /** Options of node:zlib. The level is 1 unless they say otherwise. */
  zlibDeflateOptions?: object
  /** Bytes. */
  threshold?: number
}

/**
 * Compresses messages (RFC 7692, section 7.2.1). It keeps nothing between two messages, so one serves all connections that have
 * agreed on the same window.
 */
export class Deflater {
  /** The length in bytes from which on a message is compressed: by itself, and with messages before it to refer to. */
  readonly threshold: number
  readonly thresholdWithHistory: number
  readonly #options: ZlibOptions
  readonly #windowBits: number

  /**
   * `zlibDeflateOptions` are options of node:zlib; the level is 1 unless they say otherwise. Those about the window, flushes,
   * chunks, limits and the dictionary have no effect. `windowBits` is the agreed size of the window, 8 to 15. With 8 the
   * smallest window of zlib is used, which has 9 bits; zlib reaches back over no more than 250 bytes of it.
   */
  constructor ({ zlibDeflateOptions = {}, threshold }: DeflaterOptions, windowBits: number) {
    this.threshold = threshold ?? THRESHOLD
    this.thresholdWithHistory = threshold ?? THRESHOLD_WITH_HISTORY
    this.#windowBits = Math.max(windowBits, MIN_WINDOW_BITS)
    this.#options = { level: 1, memLevel: 8, ...defined(zlibDeflateOptions), ...fixedOptions() }
  }

  /**
   * Returns `content` as the payload of a compressed message, without the bytes `00 00 ff ff`. `dictionary` is the content that
   * the receiver's window holds from earlier messages, or its end.
   */
  deflate (content: Uint8Array, dictionary: Buffer): Buffer {
    return withoutTail(zlib.deflateRawSync(content, this.#for(content, dictionary)))
  }

  /** The same as `deflate`, in another thread. `content` must not change until then; `dictionary` may. */
  async deflateLater (content: Uint8Array, dictionary: Buffer): Promise<Buffer> {
    return withoutTail(await deflateLater(content, this.#for(content, Buffer.from(dictionary))))
  }

  /** The options for `content`. node:zlib reads them before its function returns. */
  #for (content: Uint8Array, dictionary: Buffer): ZlibOptions {
    const options = this.#options
    const { length } = content
    const small = length + dictionary.length <= SMALL_WINDOW_REACH && this.#windowBits > SMALL_WINDOW_BITS
    options.windowBits = small ? SMALL_WINDOW_BITS : this.#windowBits
    // What cannot be compressed becomes longer by a few bytes for each block.
    options.chunkSize = Math.min(length + (length >>> 10) + 64, MAX_CHUNK)
    options.dictionary = dictionary
    return options
  }
}

const deflaters = new Map<string, Deflater>()

/**
 * Returns the deflater for these options and this window: the same one for the same options, so that a published message is
 * compressed once for all connections that have them.
 */
export function deflaterFor ({ zlibDeflateOptions, threshold }: DeflaterOptions, windowBits: number): Deflater {
  const key = JSON.stringify([windowBits, threshold, zlibDeflateOptions])
  const deflater = deflaters.get(key) ?? new Deflater({ zlibDeflateOptions, threshold }, windowBits)
  deflaters.set(key, deflater)
  return deflater
}

/** Decompresses the messages of one side of a connection (RFC 7692, section 7.2.2). */
export class Inflater {
  readonly #options: ZlibOptions
  readonly #maxPayload: number
  readonly #history: History | null

  /**
   * `zlibInflateOptions` are options of node:zlib. Those about the window, flushes, chunks, limits and the dictionary have no
   * effect. `maxPayload` is the longest content, in bytes; there is no limit if it is 0 or Infinity. `history` is as large as the
   * agreed window of the sender, or null if the sender takes over no context.
   */
  constructor ({ zlibInflateOptions = {}, maxPayload }: { zlibInflateOptions?: object, maxPayload: number }, history: History | null) {
    this.#options = { ...defined(zlibInflateOptions), ...fixedOptions(), windowBits: MAX_WINDOW_BITS, info: true }
    this.#maxPayload = maxPayload || Infinity
    this.#history = history
  }

  /**
   * Returns the content of a compressed message. Throws a `Violation`: of `maxPayload` with 1009, of invalid data with 1007, of
   * too many final blocks with 1008.
   */
  inflate (payload: Uint8Array): Buffer {
    const reading = this.#read(payload)
    while (!reading.done) reading.take(inflateOrThrow(reading))
    return this.#end(reading)
  }

  /** The same as `inflate`, in another thread. The next message may be given, and `payload` may change, only after that. */
  async inflateLater (payload: Uint8Array): Promise<Buffer> {
    const reading = this.#read(payload)
    while (!reading.done) reading.take(await inflateLater(reading.rest, reading.options).catch((error) => refuse(error, this.#maxPayload)))
    return this.#end(reading)
  }

  #read (payload: Uint8Array): Reading {
    return new Reading(payload, this.#options, this.#maxPayload, this.#history?.dictionary)
  }

  #end (reading: Reading): Buffer {
    const content = reading.content()
    this.#history?.append(content)
    return content
  }
}

/**
 * What is read of one message. A block with BFINAL ends zlib's reading, but not the message: other blocks may follow (RFC 7692,
 * section 7.2.3.4).
 */
class Reading {
  /** What remains of the payload. */
  rest: Uint8Array
  readonly options: ZlibOptions
  done = false
  readonly #parts: Buffer[] = []
  readonly #maxPayload: number
  #length = 0
  /** What a block after a final one may refer to; null before such a block. */
  #window: History | null = null

  constructor (payload: Uint8Array, options: ZlibOptions, maxPayload: number, dictionary: Buffer | undefined) {
    this.rest = payload
    this.options = options
    this.#maxPayload = maxPayload
    // Four times the payload is the content of most messages.
    options.chunkSize = Math.min(payload.length * 4 + 256, MAX_INFLATED_CHUNK)
    options.maxOutputLength = maxPayload === Infinity ? undefined : maxPayload
    options.dictionary = dictionary
  }

  /** Takes the content up to a final block, or up to the end. Throws a `Violation` if that is too much. */
  take ({ buffer, engine }: Inflated): void {
    this.#parts.push(buffer)
    this.#length += buffer.length
    if (this.#length > this.#maxPayload) throw tooLong(this.#maxPayload)
    this.rest = this.rest.subarray(engine.bytesWritten)
    this.done = this.rest.length === 0
    if (!this.done) this.#continue(buffer)
  }

  content (): Buffer {
    return this.#parts.length === 1 ? compact(this.#parts[0]) : Buffer.concat(this.#parts)
  }

  /** A block after a final one may refer to what came before it. One window serves all blocks: a new one takes longer than a block. */
  #continue (buffer: Buffer): void {
    if (this.#parts.length > MAX_PARTS) throw tooManyFragments()
    this.#window ??= this.#createWindow()
    this.#window.append(buffer)
    this.options.dictionary = this.#window.dictionary
  }

  #createWindow (): History {
    const window = new History(2 ** MAX_WINDOW_BITS)
    window.append(this.options.dictionary as Buffer ?? EMPTY)
    return window
  }
}

/** The end of what one side has sent in compressed messages: the LZ77 window that the next message may refer to. */
export class History {
  readonly #size: number
  #buffer = EMPTY
  #dictionary = EMPTY

  /** `size` is in bytes. That much memory is taken as soon as so much has been sent, not before. */
  constructor (size: number) {
    this.#size = size
  }

  /** The last bytes, at most as many as the history's size. They change with the next call of `append`. */
  get dictionary (): Buffer {
    return this.#dictionary
  }

  /** Copies the end of `content`. To move the bytes in their place takes 0.1 µs; a new buffer for each message would take 3. */
  append (content: Uint8Array): void {
    const added = Math.min(content.length, this.#size)
    const kept = Math.min(this.#dictionary.length, this.#size - added)
    const dropped = this.#dictionary.length - kept
    if (kept + added > this.#buffer.length) this.#grow(kept + added)
    if (dropped > 0) this.#buffer.copyWithin(0, dropped, dropped + kept)
    this.#buffer.set(added < content.length ? content.subarray(-added) : content, kept)
    if (this.#dictionary.length !== kept + added) this.#dictionary = this.#buffer.subarray(0, kept + added)
  }

  #grow (length: number): void {
    const buffer = Buffer.allocUnsafeSlow(Math.min(Math.max(length, 2 * this.#buffer.length), this.#size))
    buffer.set(this.#dictionary)
    this.#buffer = buffer
  }
}

/** The options of each zlib object. With Z_FINISH a payload would need a final block. */
function fixedOptions (): ZlibOptions {
  return { flush: constants.Z_NO_FLUSH, finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: undefined, windowBits: undefined, chunkSize: undefined, dictionary: undefined, info: false }
}

function withoutTail (flushed: Buffer): Buffer {
  return compact(flushed.subarray(0, -TAIL))
}

/** Returns `buffer`, or its copy if `buffer` holds much more memory than it needs. */
function compact (buffer: Buffer): Buffer {
  const held = buffer.buffer.byteLength
  if (held <= POOL || held <= 2 * buffer.length) return buffer
  const copy = Buffer.allocUnsafeSlow(buffer.length)
  copy.set(buffer)
  return copy
}

function inflateOrThrow ({ rest, options }: Reading): Inflated {
  try {
    return inflateNow(rest, options)
  } catch (error) {
    return refuse(error, options.maxOutputLength!)
  }
}

/** Throws the violation that an error of node:zlib stands for. */
function refuse (error: unknown, maxPayload: number): never {
  const { code } = error as { code?: string }
  throw code === 'ERR_BUFFER_TOO_LARGE' ? tooLong(maxPayload) : new Violation(error as Error, closeCodes.INVALID_FRAME_PAYLOAD_DATA)
}
