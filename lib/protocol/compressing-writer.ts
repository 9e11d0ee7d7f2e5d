import { Buffer } from 'node:buffer'
import { Queue } from '../base/queue'
import { MAX_SYNC, type Deflater, type History } from './deflate'
import { firstByteOf, payloadLength, RSV1 } from './frame'
import { Writer, type FrameWriter, type OnWritten } from './frame-writer'
import type { Payload } from '../codec/encode'
import type { Batch } from './prepared-message'

const EMPTY = Buffer.alloc(0)

/** A message that is being compressed in another thread. */
interface Long {
  content: Buffer
  firstByte: number
  onWritten: OnWritten | undefined
}

/** A message or a frame that waits for a message before it to be compressed. */
interface Waiting {
  length: number
  write (): void
}

/**
 * Writes messages compressed where that makes them smaller. Others are written as they are (RFC 7692, section 6.1).
 *
 * A message refers to those before it, so what has been published before must have been shared. The endpoint sees to it where it
 * hands out its writer.
 */
export class CompressingWriter extends Writer {
  readonly #frames: FrameWriter
  readonly #deflater: Deflater
  /** What the peer has received compressed; null if no message may refer to it. */
  readonly #history: History | null
  #long: Long | null = null
  /** What waits for the long message. */
  #waiting: Queue<Waiting> | null = null
  #waitingBytes = 0
  #isFinishing = false

  constructor (frames: FrameWriter, deflater: Deflater, history: History | null) {
    super()
    this.#frames = frames
    this.#deflater = deflater
    this.#history = history
  }

  get bufferedAmount (): number {
    return this.#frames.bufferedAmount + this.#waitingBytes
  }

  add (payload: Payload, onWritten?: OnWritten, firstByte = firstByteOf(payload)): number {
    const length = payloadLength(payload)
    this.count(length, firstByte)
    return this.#add(payload, length, firstByte, onWritten)
  }

  #add (payload: Payload, length: number, firstByte: number, onWritten: OnWritten | undefined): number {
    if (this.#long !== null) return this.#wait(length, payload, (payload) => this.#add(payload, length, firstByte, onWritten))
    const dictionary = this.#history?.dictionary ?? EMPTY
    const threshold = dictionary.length > 0 ? this.#deflater.thresholdWithHistory : this.#deflater.threshold
    if (length < threshold || this.#isFinishing) return this.#frames.addFrame(firstByte, payload, onWritten)
    const content = typeof payload === 'string' ? Buffer.from(payload) : payload
    if (length > MAX_SYNC) return this.#deflateLater(content, dictionary, firstByte, onWritten)
    return this.#write(content, this.#deflater.deflate(content, dictionary), firstByte, onWritten)
  }

  share (batch: Batch, onWritten?: OnWritten): number {
    this.countAll(batch)
    return this.#share(batch, onWritten)
  }

  #share (batch: Batch, onWritten: OnWritten | undefined): number {
    if (this.#long !== null) return this.#wait(batch.byteLength, EMPTY, () => this.#share(batch, onWritten))
    const compressed = batch.compressed(this.#deflater)
    this.#history?.append(compressed.tail)
    return this.#frames.shareFrames(compressed, onWritten)
  }

  addFrame (firstByte: number, payload: Payload, onWritten?: OnWritten, isMasked?: boolean): number {
    if (this.#long === null) return this.#frames.addFrame(firstByte, payload, onWritten, isMasked)
    return this.#wait(payloadLength(payload), payload, (payload) => this.addFrame(firstByte, payload, onWritten, isMasked))
  }

  flush (): void {
    this.#frames.flush()
  }

  finish (): void {
    this.#isFinishing = true
    if (this.#long !== null) this.#endLong(this.#long, this.#long.content)
    this.#frames.flush()
  }

  /** Adds a message as what it has been `deflated` to, if that is smaller. */
  #write (content: Uint8Array, deflated: Buffer, firstByte: number, onWritten: OnWritten | undefined): number {
    if (deflated.length >= content.length) return this.#frames.addFrame(firstByte, content, onWritten)
    this.#history?.append(content)
    return this.#frames.addFrame(firstByte | RSV1, deflated, onWritten)
  }

  /** Compresses a long message in another thread. What is added until then waits behind it. */
  #deflateLater (payload: Uint8Array, dictionary: Buffer, firstByte: number, onWritten: OnWritten | undefined): number {
    const content = Buffer.from(payload) // the caller may change its bytes
    const long = this.#long = { content, firstByte, onWritten }
    this.#waitingBytes += content.length
    this.#deflater.deflateLater(content, dictionary).catch(() => content).then((deflated) => { if (this.#long === long) this.#endLong(long, deflated) })
    return content.length
  }

  /** Writes a long message, and then what waits for it, up to the next long message. */
  #endLong ({ content, firstByte, onWritten }: Long, deflated: Buffer): void {
    this.#long = null
    this.#waitingBytes -= content.length
    this.#write(content, deflated, firstByte, onWritten)
    while (this.#long === null) {
      const next = this.#waiting?.shift()
      if (next === undefined) break
      this.#waitingBytes -= next.length
      next.write()
    }
  }

  #wait (length: number, payload: Payload, write: (payload: Payload) => void): number {
    const kept = typeof payload === 'string' ? payload : Buffer.from(payload) // the caller may change its bytes
    this.#waitingBytes += length
    this.#waiting ??= new Queue()
    this.#waiting.push({ length, write: () => write(kept) })
    return length
  }
}
