import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { frameOf, headerOf, MAX_HEADER, payloadLength, writeFrame } from './frame'
import { MAX_BATCH } from './prepared-message'
import { SessionWebSocket, type HeldFrames } from './websocket'
import type { Duplex } from 'node:stream'
import type { Payload } from '../codec/encode'
import type { Batch } from './prepared-message'
import type { RawWebSocket } from '../../types/raw'

export type OnWritten = (error?: Error | null) => void

/** Writes messages to a connection in order. The writer holds the messages of a turn back until `flush` writes them at once. */
export interface Writer {
  /** The bytes that have not yet been handed to the kernel, including those that are held back. */
  readonly bufferedAmount: number
  /**
   * Adds a message. `onWritten` is called when the kernel has the whole message. With `onWritten`, the writer may keep the
   * caller's bytes until then; without it, the writer copies them. Returns the bytes that the message takes.
   */
  add (payload: Payload, onWritten?: OnWritten): number
  /** Adds published messages. Returns the bytes that they take. */
  share (batch: Batch, onWritten?: OnWritten): number
  flush (): void
}

/** Bytes. The frames of messages up to this length are written into the pool; a longer frame has a buffer of its own. */
const SMALL = 16 * 1024

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

/** Creates the writer for `raw`, which reads and writes `stream`. */
export function createWriter (raw: RawWebSocket, stream: Duplex): Writer {
  return raw instanceof SessionWebSocket && raw.extensions === '' ? new FrameWriter(raw, stream) : new SendWriter(raw, stream)
}

/** A stream that holds back what is written to it while it is corked. */
class CorkedStream {
  protected readonly stream: Duplex
  #isCorked = false

  constructor (stream: Duplex) {
    this.stream = stream
  }

  protected cork (): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.stream.cork()
  }

  protected uncork (): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.stream.uncork()
  }
}

/** Makes the frames itself. `ws` makes several writes for each frame, which cost more than all the rest. */
class FrameWriter extends CorkedStream implements Writer, HeldFrames {
  #heldBytes = 0
  #batch: Batch | null = null

  constructor (raw: SessionWebSocket, stream: Duplex) {
    super(stream)
    raw.held = this
  }

  get bufferedAmount (): number {
    return this.stream.writableLength + this.#heldBytes
  }

  add (payload: Payload, onWritten?: OnWritten): number {
    const length = payloadLength(payload)
    if (length > SMALL) return this.#addLarge(payload, length, onWritten)
    if (this.#batch !== null) this.release()
    if (owner !== this) this.#takePool()
    if (end + MAX_HEADER + length > POOL) this.#renewPool()
    const before = end
    end = writeFrame(pool, end, payload, length)
    this.#heldBytes = end - start
    if (onWritten !== undefined) this.#write(this.#takeHeld(), onWritten)
    return end - before
  }

  share (batch: Batch, onWritten?: OnWritten): number {
    const isBatch = this.#heldBytes === 0 || this.#batch !== null
    if (onWritten !== undefined || !isBatch || this.#heldBytes + batch.byteLength > MAX_BATCH) {
      return this.#handFrame(batch.bytes, onWritten)
    }
    this.#batch = this.#batch === null ? batch : this.#batch.and(batch)
    this.#heldBytes = this.#batch.byteLength
    return batch.byteLength
  }

  /** Writes the held frames to the stream, which is corked: the kernel does not get them yet. */
  release (): void {
    if (this.#heldBytes > 0) this.#write(this.#takeHeld())
  }

  flush (): void {
    if (this.#heldBytes > 0) this.stream.write(this.#takeHeld())
    this.uncork()
    if (owner === this) this.#leavePool()
  }

  #takePool (): void {
    owner?.release()
    owner = this
    first = start
  }

  #renewPool (): void {
    this.release()
    pool = Buffer.allocUnsafeSlow(POOL)
    first = start = end = 0
  }

  // When a network socket has written its bytes, the kernel has a copy, so that the place in the pool is free again. Another
  // stream may have passed the same bytes on.
  #leavePool (): void {
    owner = null
    if (this.stream.writableLength === 0 && this.stream instanceof Socket) start = end = first
  }

  #takeHeld (): Buffer {
    const batch = this.#batch
    this.#batch = null
    this.#heldBytes = 0
    if (batch !== null) return batch.bytes
    const frames = pool.subarray(start, end)
    start = end
    return frames
  }

  #addLarge (payload: Payload, length: number, onWritten: OnWritten | undefined): number {
    if (typeof payload === 'string' || onWritten === undefined) return this.#handFrame(frameOf(payload, length), onWritten)
    this.release()
    const header = headerOf(payload, length)
    this.#write(header)
    this.#write(payload, onWritten)
    return header.length + length
  }

  #handFrame (frame: Buffer, onWritten: OnWritten | undefined): number {
    this.release()
    this.#write(frame, onWritten)
    return frame.length
  }

  #write (frames: Uint8Array, onWritten?: OnWritten): void {
    this.cork()
    this.stream.write(frames, onWritten)
  }
}

/** Leaves the frames to `ws`, because the frames of a client are masked and `ws` has the compression. */
class SendWriter extends CorkedStream implements Writer {
  readonly #raw: RawWebSocket

  constructor (raw: RawWebSocket, stream: Duplex) {
    super(stream)
    this.#raw = raw
  }

  get bufferedAmount (): number {
    return this.#raw.bufferedAmount
  }

  add (payload: Payload, onWritten?: OnWritten): number {
    return this.#send(typeof payload === 'string' || onWritten !== undefined ? payload : Buffer.from(payload), onWritten)
  }

  share (batch: Batch, onWritten?: OnWritten): number {
    let bytes = 0
    for (const { payload } of batch.messages) bytes += this.#send(payload, onWritten)
    return bytes
  }

  flush (): void {
    this.uncork()
  }

  #send (payload: Payload, onWritten?: OnWritten): number {
    this.cork()
    this.#raw.send(payload, onWritten)
    return payloadLength(payload)
  }
}
