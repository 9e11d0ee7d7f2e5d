import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { flushAfterTurn } from '../base/end-of-turn'
import { messageSent } from '../observe/channels'
import { firstByteOf, frameOf, headerOf, MAX_HEADER, OPCODE, opcodes, payloadLength, writeFrame } from './frame'
import { destroyLater, isHttp2Stream } from './http2-stream'
import { MAX_BATCH, type Batch } from './prepared-message'
import type { Duplex } from 'node:stream'
import type { Payload } from '../codec/encode'

export type OnWritten = (error?: Error | null) => void

/** Bytes. The frames of messages up to this length are written into the pool; a longer frame has a buffer of its own. */
const SMALL = 16 * 1024

/** Bytes. A stream of HTTP/2 gets a longer frame in pieces of this length: Node tells only of a whole write that it has left. */
const PIECE = 64 * 1024

/** The size of the pool in bytes. It holds the answers to the messages of one read, 64 KiB, with room to spare. */
const POOL = 256 * 1024

/**
 * The pool holds frames one after the other. One connection at a time owns the pool, since in most turns only one connection
 * sends. The frames of the owner begin at `first`; the frames from `start` to `end` are held back.
 */
let pool = Buffer.allocUnsafeSlow(POOL)
let first = 0
let start = 0
let end = 0
let owner: FrameWriter | null = null

/** Is told of each message that a writer takes. */
export interface SentObserver {
  /** `size`: the bytes of its content. */
  sent (size: number, isText: boolean): void
}

/** Writes messages and frames to a stream in order. The writer holds those of a turn back, and writes them at once when the turn ends. */
export abstract class Writer {
  /** The messages that the writer has taken, and the bytes of their contents, before compression. */
  messages = 0
  bytes = 0
  /** Null on the side of a client. */
  observer: SentObserver | null = null

  /** The bytes that have not yet been handed to the kernel, including those that are held back. */
  abstract readonly bufferedAmount: number
  /**
   * Adds a message. `onWritten` is called when the kernel has the whole message. The bytes of `payload` may change as soon as
   * `add` has returned. `firstByte`: the first byte of its frame. Returns the bytes that the message takes.
   */
  abstract add (payload: Payload, onWritten?: OnWritten, firstByte?: number): number
  /** Adds published messages. Returns the bytes that they take. */
  abstract share (batch: Batch, onWritten?: OnWritten): number
  /**
   * Adds a frame. `firstByte` is its first byte. `isMasked`: by default, the frames of a client are masked. Returns the bytes that the
   * frame takes.
   */
  abstract addFrame (firstByte: number, payload: Payload, onWritten?: OnWritten, isMasked?: boolean): number
  /** Writes what is held back, at the end of the turn or before. */
  abstract flush (): void
  /** Writes everything now: nothing is added any more. What waits to be compressed is written as it is. */
  abstract finish (): void

  /**
   * Counts a message with a content of `size` bytes. `firstByte`: that of its first frame. `add` and `share` do it; who adds the frames of
   * a message by itself has to.
   */
  count (size: number, firstByte: number): void {
    this.messages++
    this.bytes += size
    if (messageSent.hasSubscribers) this.observer?.sent(size, (firstByte & OPCODE) === opcodes.TEXT)
  }

  protected countAll (batch: Batch): void {
    this.messages += batch.count
    this.bytes += batch.size
    if (messageSent.hasSubscribers) batch.messages.forEach(({ size, isText }) => this.observer?.sent(size, isText))
  }
}

/** Writes frames as they are. */
export class FrameWriter extends Writer {
  /** The pieces of long frames that have left. Grows on streams of HTTP/2 only. */
  piecesWritten = 0
  readonly #stream: Duplex
  readonly #isInPieces: boolean
  /** Whether the frames are those of a client. */
  readonly #isMasked: boolean
  /** Whether the frames of this turn wait for its end. */
  #isHolding = false
  #isCorked = false
  #heldBytes = 0
  #batch: Batch | null = null

  constructor (stream: Duplex, isMasked: boolean) {
    super()
    this.#stream = stream
    this.#isInPieces = isHttp2Stream(stream)
    if (this.#isInPieces) Object.assign(stream, { _writev: null }) // a write of each chunk, in place of one of all that wait
    this.#isMasked = isMasked
  }

  override get bufferedAmount (): number {
    return this.#stream.writableLength + this.#heldBytes
  }

  add (payload: Payload, onWritten?: OnWritten, firstByte = firstByteOf(payload)): number {
    const length = payloadLength(payload)
    this.count(length, firstByte)
    return this.#add(firstByte, payload, length, onWritten, this.#isMasked)
  }

  addFrame (firstByte: number, payload: Payload, onWritten?: OnWritten, isMasked = this.#isMasked): number {
    return this.#add(firstByte, payload, payloadLength(payload), onWritten, isMasked)
  }

  share (batch: Batch, onWritten?: OnWritten): number {
    this.countAll(batch)
    return this.shareFrames(batch, onWritten)
  }

  /** Like `share`, but the messages have been counted. */
  shareFrames (batch: Batch, onWritten?: OnWritten): number {
    const isBatch = this.#heldBytes === 0 || this.#batch !== null
    if (onWritten !== undefined || !isBatch || this.#heldBytes + batch.byteLength > MAX_BATCH) {
      return this.#handFrame(batch.bytes, onWritten)
    }
    this.#hold()
    this.#batch = this.#batch === null ? batch : this.#batch.and(batch)
    this.#heldBytes = this.#batch.byteLength
    return batch.byteLength
  }

  flush (): void {
    this.#isHolding = false
    if (this.#heldBytes > 0) this.#stream.write(this.#takeHeld())
    this.#uncork()
    if (owner === this) this.#leavePool()
  }

  finish (): void {
    if (this.#isInPieces) delete (this.#stream as Partial<Duplex>)._writev // what waits is written at once: there may be no later
    this.flush()
  }

  /** Destroys the stream, when it has passed on what was written. */
  drop (): void {
    if (this.#isInPieces) destroyLater(this.#stream)
    else this.#stream.destroy()
  }

  #add (firstByte: number, payload: Payload, length: number, onWritten: OnWritten | undefined, isMasked: boolean): number {
    if (length > SMALL) return this.#addLarge(firstByte, payload, length, onWritten, isMasked)
    if (this.#batch !== null) this.#release()
    if (owner !== this) this.#takePool()
    if (end + MAX_HEADER + length > POOL) this.#renewPool()
    this.#hold()
    const before = end
    end = writeFrame(pool, end, firstByte, payload, length, isMasked)
    this.#heldBytes = end - start
    if (onWritten !== undefined) this.#write(this.#takeHeld(), onWritten)
    return end - before
  }

  /**
   * Adds a long message. Its bytes are not copied if the kernel gets them now. A copy is needed where other bytes wait before
   * them: the user may change, transfer or resize the memory meanwhile. Frames of a client are copied to be masked.
   */
  #addLarge (firstByte: number, payload: Payload, length: number, onWritten: OnWritten | undefined, isMasked: boolean): number {
    const isKept = onWritten !== undefined && !isMasked && isFixed(payload) && this.#stream instanceof Socket && this.#stream.writableLength === 0
    if (!isKept) return this.#handFrame(frameOf(firstByte, payload, length, isMasked), onWritten)
    this.#release()
    const header = headerOf(firstByte, length)
    this.#write(header)
    this.#write(payload, onWritten)
    this.#uncork()
    return header.length + length
  }

  #handFrame (frame: Buffer, onWritten: OnWritten | undefined): number {
    this.#release()
    this.#write(frame, onWritten)
    return frame.length
  }

  /** Writes the held frames to the stream, which is corked: the kernel does not get them yet. */
  #release (): void {
    if (this.#heldBytes > 0) this.#write(this.#takeHeld())
  }

  #takePool (): void {
    if (owner !== null) owner.#release()
    owner = this
    first = start
  }

  #renewPool (): void {
    this.#release()
    pool = Buffer.allocUnsafeSlow(POOL)
    first = start = end = 0
  }

  // When a network socket has written its bytes, the kernel has a copy, so that the place in the pool is free again. Another
  // stream may have passed the same bytes on.
  #leavePool (): void {
    owner = null
    if (this.#stream.writableLength === 0 && this.#stream instanceof Socket) start = end = first
  }

  #takeHeld (): Buffer {
    const batch = this.#batch
    this.#batch = null
    this.#heldBytes = 0
    if (batch !== null) return batch.bytes
    const frames = pool.subarray(start, end)
    // Other bytes wait before these frames. They would keep the whole pool for as long as the client does not read.
    if (this.#stream.writableLength > 0) {
      end = start
      return Buffer.from(frames)
    }
    start = end
    return frames
  }

  #hold (): void {
    if (this.#isHolding) return
    this.#isHolding = true
    flushAfterTurn(this)
  }

  #write (frames: Uint8Array, onWritten?: OnWritten): void {
    this.#hold()
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#stream.cork()
    }
    if (this.#isInPieces && frames.length > PIECE) frames = this.#writePieces(frames)
    this.#stream.write(frames, onWritten)
  }

  /** Writes all pieces of `frames` but the last, which it returns. */
  #writePieces (frames: Uint8Array): Uint8Array {
    const onPiece: OnWritten = (error) => { if (!error) this.piecesWritten++ }
    let at = 0
    for (; at + PIECE < frames.length; at += PIECE) this.#stream.write(frames.subarray(at, at + PIECE), onPiece)
    return frames.subarray(at)
  }

  #uncork (): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#stream.uncork()
  }
}

/** Whether `payload` is bytes in a memory that cannot shrink. */
function isFixed (payload: Payload): payload is Uint8Array {
  return typeof payload !== 'string' && (payload.buffer as { resizable?: boolean }).resizable !== true
}
