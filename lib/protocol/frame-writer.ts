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

/** Writes messages to a connection, in their order. Those of a turn are held back until `flush`, and leave in one write. */
export interface Writer {
  /** The bytes that have not yet been handed to the kernel, held back or not. */
  readonly bufferedAmount: number
  /**
   * Takes a message. With `onWritten`, which is called when the kernel has all of it, bytes may be left where they are
   * until then; without, they are copied. Returns the bytes that it takes.
   */
  add (payload: Payload, onWritten?: OnWritten): number
  /** Takes what was published. */
  share (batch: Batch, onWritten?: OnWritten): number
  flush (): void
}

/** Frames of messages up to this length, in bytes, are put together; a larger one has a buffer of its own. */
const SMALL = 16 * 1024

/** What comes from one read of a socket, 64 KiB, can be answered from it with room to spare. */
const POOL = 256 * 1024

/**
 * Where frames are put together, each behind the one before. One connection at a time owns the pool, since in most
 * turns there is one that sends: its frames begin at `first`, and those from `start` to `end` are held back.
 */
let pool = Buffer.allocUnsafeSlow(POOL)
let first = 0
let start = 0
let end = 0
let owner: FrameWriter | null = null

/** The writer for `raw`, which reads and writes `stream`. */
export function createWriter (raw: RawWebSocket, stream: Duplex): Writer {
  return raw instanceof SessionWebSocket && raw.extensions === '' ? new FrameWriter(raw, stream) : new SendWriter(raw, stream)
}

/** What the stream is given is held back there, as long as it is corked. */
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

/** Makes the frames itself: `ws` makes some writes of each, which cost more than all the rest. */
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

  /** Into the stream goes what is held back, but not yet to the kernel. */
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

  // What a network socket has written, the kernel has a copy of, so that the place is free again. Another stream may
  // have passed the very bytes on.
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

/** Leaves the frames to `ws`: those of a client are masked, and where compression was negotiated it is that of `ws`. */
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
