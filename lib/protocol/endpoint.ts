import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { closeCodes } from '../base/close-codes'
import { flushAfterPromises } from '../base/end-of-turn'
import { closePayload, readClose, type CloseFrame } from './close-frame'
import { CLOSE, opcodes, PING, PONG } from './frame'
import { FrameWriter, type OnWritten, type Writer } from './frame-writer'
import { isHttp2Stream } from './http2-stream'
import { settle } from './multicast'
import { Parser, type FrameHandler } from './parser'
import { Violation } from './violation'
import type { Duplex } from 'node:stream'
import type { Payload } from '../codec/encode'
import type { Compression } from './compression'
import type { Reader } from './read-buffer'

/** The states of an endpoint, by the values that `readyState` has in `ws` and in browsers. */
export const OPEN = 1
export const CLOSING = 2
export const CLOSED = 3

export interface EndpointOptions {
  isServer: boolean
  /** Bytes. */
  maxPayload: number
  /** Milliseconds after which a closing handshake is forced to its end. */
  closeTimeout: number
  /** Null unless both sides have agreed on it. */
  compression: Compression | null
}

/** The owner of an endpoint. */
export interface EndpointOwner {
  /** A ping or a pong has arrived. `data` is valid during the call. */
  onControl (opcode: typeof opcodes.PING | typeof opcodes.PONG, data: Buffer): void
  /** The peer has violated the protocol. `isCause`: this begins the closing handshake, which had not begun. */
  onViolation (violation: Violation, isCause: boolean): void
  /** The connection has ended. `code` and `reason` are those of the peer's close frame, or 1006 and empty. */
  onClose (code: number, reason: Buffer): void
}

/** The most pongs that may wait to be written. */
const MAX_PONGS = 60

const EMPTY: Buffer = Buffer.alloc(0)

/**
 * One endpoint of a WebSocket connection (RFC 6455): the frames that arrive and leave, and the closing handshake. It does no I/O
 * except that it writes to `stream`, ends it, and destroys it. Its owner passes on what happens to the stream (see `attach`).
 *
 *      ┌──────┐  close(), a violation     ┌────────────────────┐  the close frame of the peer, closeTimeout
 *      │ open │ ────────────────────────> │ begun by this side │ ────────────────────────────────────────┐
 *      └──────┘                           └────────────────────┘                                         v
 *        │  │   a close frame             ┌────────────────────┐  the answer has been written        ┌────────┐
 *        │  └───────────────────────────> │ begun by the peer  │ ──────────────────────────────────> │ closed │
 *        │                                └────────────────────┘                                     └────────┘
 *        │      terminate(), the stream ends without a close frame                                       ^
 *        └───────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * A close frame or a violation takes effect at the end of the turn in which it arrives, so that the answers of handlers to the
 * messages before it go out first.
 */
export class Endpoint implements FrameHandler, Reader {
  readonly stream: Duplex
  readonly parser: Parser
  readonly frames: FrameWriter
  readyState: typeof OPEN | typeof CLOSING | typeof CLOSED = OPEN
  /** The number of reads that have brought bytes. */
  reads = 0
  /** Whether this side's close frame has been written (RFC 6455, section 7.1.4). */
  isCloseSent = false
  /** The code with which this side has begun the closing handshake; null if it has not, or without a code. */
  sentCode: number | null = null
  /** Whether this side has dropped the connection. */
  isTerminated = false
  isPaused = false
  readonly #writer: Writer
  readonly #owner: EndpointOwner
  readonly #closeTimeout: number
  /** Whether the end of this side ends the connection after the closing handshake: some clients never end a stream of HTTP/2. */
  readonly #endsAlone: boolean
  #closeTimer?: NodeJS.Timeout
  /** Whether the peer's close frame or a violation has taken effect: the stream is ended when this side's close frame is written. */
  #isPeerDone = false
  #closeCode: number = closeCodes.ABNORMAL_CLOSURE
  #closeReason = EMPTY
  /** What has arrived last, and takes effect at the end of the turn. */
  #pending: Violation | CloseFrame | null = null
  /** Whether the peer has ended its side of the stream. */
  #hasPeerEnded = false
  #isStreamClosed = false
  #pongs = 0
  /** The payload of the last ping, while `MAX_PONGS` pongs wait to be written. */
  #lastPing: Buffer | null = null

  constructor (stream: Duplex, { isServer, maxPayload, closeTimeout, compression }: EndpointOptions, owner: EndpointOwner) {
    this.stream = stream
    this.frames = new FrameWriter(stream, !isServer)
    this.#writer = compression === null ? this.frames : compression.createWriter(this.frames)
    this.parser = new Parser({ isServer, maxPayload, decompressor: compression }, this)
    this.#owner = owner
    this.#closeTimeout = closeTimeout
    this.#endsAlone = isServer && isHttp2Stream(stream)
  }

  /** Writes what is sent, after what has been published before. */
  get writer (): Writer {
    settle()
    return this.#writer
  }

  /** The bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    return this.writer.bufferedAmount
  }

  /** Takes bytes that have arrived. */
  read (chunk: Buffer): void {
    this.reads++
    this.parser.read(chunk)
  }

  get place (): Buffer | undefined {
    return this.parser.place
  }

  placed (count: number): void {
    this.reads++
    this.parser.placed(count)
  }

  /** The peer has ended its side of the stream. A stream that has been paused may report this in the turn of its last messages. */
  readEnd (): void {
    this.#hasPeerEnded = true
    flushAfterPromises(this)
  }

  /**
   * The stream has closed. `rest`: what it has read and not passed on. The connection ends when the last message is decompressed.
   * Compressed messages that wait because of a pause are lost, like those that wait in the kernel: a paused stream closes only if
   * it has broken.
   */
  streamClosed (rest: Buffer | null): void {
    if (this.readyState === CLOSED) return
    this.#isStreamClosed = true
    if (rest !== null) this.read(rest)
    this.flush()
    this.readyState = CLOSING
    if (!this.parser.isInflating) this.#finish()
  }

  /** Sends a ping with a payload of at most 125 bytes. */
  ping (data: Payload, onWritten?: OnWritten, isMasked?: boolean): void {
    this.writer.addFrame(PING, data, onWritten, isMasked)
  }

  /** Sends a pong with a payload of at most 125 bytes. */
  pong (data: Payload = EMPTY, onWritten?: OnWritten, isMasked?: boolean): void {
    this.writer.addFrame(PONG, data, onWritten, isMasked)
  }

  /** Begins the closing handshake after what has been sent, without a code if `code` is undefined. `reason` has at most 123 bytes. */
  close (code?: number, reason: string | Uint8Array = ''): void {
    const { writer } = this // what has been published goes out before; nothing follows a close frame
    if (this.readyState !== OPEN) return
    this.sentCode = code ?? null
    this.#sendClose(writer, code, reason)
  }

  #sendClose (writer: Writer, code: number | undefined, reason: string | Uint8Array): void {
    this.readyState = CLOSING
    writer.addFrame(CLOSE, closePayload(code, reason), (error) => {
      if (error || (this.stream instanceof Socket && this.stream.destroyed)) return // Node reports unwritten bytes of a destroyed socket without an error
      this.isCloseSent = true
      this.#endIfDone()
    })
    this.#closeTimer = setTimeout(() => this.stream.destroy(), this.#closeTimeout)
  }

  /** Drops the connection at once. What has been sent is written first, as far as the kernel takes it. */
  terminate (): void {
    const { writer } = this
    if (this.readyState === CLOSED) return
    this.isTerminated = true
    this.readyState = CLOSING
    writer.finish()
    this.frames.drop()
  }

  pause (): void {
    if (this.readyState === CLOSED) return
    this.isPaused = true
    this.parser.pause()
    this.stream.pause()
  }

  resume (): void {
    if (this.readyState === CLOSED) return
    this.isPaused = false
    this.parser.resume()
    if (!this.isPaused && !this.parser.isInflating) this.stream.resume()
  }

  onControlFrame (opcode: number, payload: Buffer): void {
    if (opcode === opcodes.CLOSE) {
      this.parser.isOver = true
      return this.#defer(readClose(payload))
    }
    if (opcode === opcodes.PING && this.readyState === OPEN) this.#answer(payload)
    this.#owner.onControl(opcode as typeof opcodes.PING | typeof opcodes.PONG, payload)
  }

  onViolation (violation: Violation): void {
    this.#defer(violation)
  }

  onBusy (): void {
    this.stream.pause()
  }

  onIdle (): void {
    if (this.#isStreamClosed) {
      this.flush()
      this.#finish()
    } else if (!this.isPaused) this.stream.resume()
  }

  #defer (pending: Violation | CloseFrame): void {
    this.#pending = pending
    flushAfterPromises(this)
  }

  /** The end of the turn, or of the stream: a close frame, a violation, or the end of the peer's side takes effect. */
  flush (): void {
    if (this.#pending !== null) this.#conclude(this.#pending)
    if (this.#hasPeerEnded) this.#endStream()
  }

  #endStream (): void {
    this.#hasPeerEnded = false
    const { writer } = this
    if (this.readyState === OPEN) this.readyState = CLOSING
    writer.finish()
    this.#end()
  }

  #conclude (pending: Violation | CloseFrame): void {
    this.#pending = null
    this.#isPeerDone = true
    const { writer } = this // what has been published goes out before
    this.stream.resume() // what follows is read and dropped, so that the end of the stream can be seen
    if (pending instanceof Violation) {
      const isCause = this.readyState === OPEN
      this.close(pending.closeCode, pending.reason)
      this.#owner.onViolation(pending, isCause)
    } else {
      this.#closeCode = pending.code
      this.#closeReason = pending.reason
      if (this.readyState === OPEN) this.#sendClose(writer, pending.code === closeCodes.NO_STATUS_RECEIVED ? undefined : pending.code, pending.reason)
    }
    this.#endIfDone()
  }

  /** Ends the stream when both sides have sent their close frames. */
  #endIfDone (): void {
    if (!this.#isPeerDone || !this.isCloseSent) return
    if (this.#endsAlone) this.stream.once('finish', () => this.streamClosed(null))
    this.#end()
  }

  /** Ends the stream once. For each further `end`, Node makes an error with a stack, which nobody gets. */
  #end (): void {
    if (!this.stream.writableEnded) this.stream.end()
  }

  #finish (): void {
    clearTimeout(this.#closeTimer)
    this.readyState = CLOSED
    this.parser.isOver = true
    this.#owner.onClose(this.#closeCode, this.#closeReason)
  }

  // RFC 6455, section 5.5.3: of the pings that are not answered yet, only the most recent one needs an answer. So a flood of pings
  // takes no memory.
  #answer (data: Buffer): void {
    if (this.#pongs === MAX_PONGS) {
      this.#lastPing = Buffer.from(data)
      return
    }
    this.#pongs++
    this.pong(data, () => this.#pongWritten())
  }

  #pongWritten (): void {
    this.#pongs--
    const data = this.#lastPing
    this.#lastPing = null
    if (data !== null && this.readyState === OPEN) this.#answer(data)
  }
}
