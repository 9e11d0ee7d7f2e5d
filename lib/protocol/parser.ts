import { isUtf8, Buffer } from 'node:buffer'
import { decodeUtf8, isTooLong } from '../codec/bytes'
import { messageReceived } from '../observe/channels'
import { Assembly } from './assembly'
import { MAX_SYNC } from './deflate'
import { BINARY, FIN, LENGTH_16, MASKED, MAX_CONTROL_PAYLOAD, MAX_HEADER, OPCODE, opcodes, RSV1, TEXT } from './frame'
import { CUT, header, isControl, readHeader, type HeaderLimits } from './frame-header'
import { unmask } from './mask'
import { retain, retainBytes } from './read-buffer'
import { invalidText, tooManyFragments, Violation } from './violation'
import type { Recipient } from './recipient'

/** Decompresses messages (RFC 7692). A message that cannot be decompressed is a `Violation`, which is thrown. */
export interface Decompressor {
  inflate (payload: Uint8Array): Buffer
  /** The same in another thread. The parser calls it for one message at a time. */
  inflateLater (payload: Uint8Array): Promise<Buffer>
}

export interface ParserOptions {
  isServer: boolean
  /** Bytes. */
  maxPayload: number
  /** Null unless both sides have agreed on compression. */
  decompressor: Decompressor | null
}

/** Gets what a parser finds beside messages. The bytes are valid during the call. */
export interface FrameHandler {
  onControlFrame (opcode: number, payload: Buffer): void
  /** The peer has violated the protocol. No further byte counts. */
  onViolation (violation: Violation): void
  /** The parser decompresses a long message in another thread, and keeps what arrives until it calls `onIdle`. */
  onBusy (): void
  onIdle (): void
}

/** A message may have as many fragments as `ws` takes by default, or one for each kilobyte of `maxPayload`. */
const MIN_FRAGMENTS = 16 * 1024
const FRAGMENT = 1024

/** The bytes of the shortest header of a masked frame. A length of 16 bits takes two bytes more. */
const HEADER = 6

/**
 * Parses the frames that one side receives (RFC 6455, section 5), free of I/O. Whole messages in a read take a fast way, because
 * most messages are small. An `Assembly` puts the others together.
 */
export class Parser implements HeaderLimits {
  readonly isServer: boolean
  readonly maxPayload: number
  /** Gets the messages. Set before the first read. While `message.received` has subscribers, `observer` gets them and passes them on. */
  recipient!: Recipient
  observer: Recipient | null = null
  /** Whether the last message was a text. A text that is too long for a string is delivered as bytes. */
  isText = false
  /** No further byte counts, after a close frame or a violation. */
  isOver = false
  readonly #handler: FrameHandler
  readonly #decompressor: Decompressor | null
  /** The bytes of a header, or of a control frame, of which the rest has not come. */
  #cut: Buffer | null = null
  /** The message of which only a part has come. */
  #assembly: Assembly | null = null
  /** What has arrived while the parser was held; null if nothing has. */
  #waiting: Buffer | null = null
  /** Whether a message is being decompressed in another thread. */
  isInflating = false
  #isPaused = false
  #isDiscarding = false

  constructor ({ isServer, maxPayload, decompressor }: ParserOptions, handler: FrameHandler) {
    this.isServer = isServer
    this.maxPayload = maxPayload
    this.#decompressor = decompressor
    this.#handler = handler
  }

  get isCompressed (): boolean {
    return this.#decompressor !== null
  }

  /**
   * Takes the bytes of a read, which must not be empty. The parser unmasks them in place. It keeps none of them: bytes to be
   * kept are retained (see `retain`).
   */
  read (chunk: Buffer): void {
    if (this.isOver) return
    if (this.isInflating || this.#waiting !== null) {
      this.#waiting = this.#waiting === null ? retain(chunk) : Buffer.concat([this.#waiting, chunk])
      return
    }
    let offset = this.#cut === null ? 0 : this.#completeHeader(chunk, this.#cut)
    if (this.#assembly !== null) offset = this.#addPayload(this.#assembly, chunk, offset)
    while (offset < chunk.length && !this.isOver) {
      if (this.isInflating || (this.#isPaused && this.#decompressor !== null)) {
        this.#waiting = retain(chunk.subarray(offset))
        return
      }
      const end = this.isServer && this.#assembly === null ? this.#takeMessages(chunk, offset) : offset
      offset = end < chunk.length ? this.#readFrame(chunk, end) : end
    }
  }

  /** Nobody takes messages for now. A read of compressed messages may hold a thousand times its length: the rest of it waits. */
  pause (): void {
    this.#isPaused = true
  }

  /** Delivers what waits, up to the next pause. */
  resume (): void {
    this.#isPaused = false
    if (!this.isInflating) this.#goOn()
  }

  /** Nobody takes messages any more: they are not decompressed. */
  discard (): void {
    this.#isDiscarding = true
    this.resume()
  }

  #goOn (): void {
    const waiting = this.#waiting
    this.#waiting = null
    if (waiting !== null) this.read(waiting)
  }

  /** Where the next bytes of the connection can be read to, if they are the rest of a long payload; else undefined. See `placed`. */
  get place (): Buffer | undefined {
    return this.#assembly?.place
  }

  /** `count` bytes have been read into `place`. */
  placed (count: number): void {
    const assembly = this.#assembly!
    assembly.placed(count)
    if (assembly.missing === 0) this.#endFrame(assembly)
  }

  /** Delivers the whole messages in `chunk` from `offset` on. Returns the start of the first other frame. */
  #takeMessages (chunk: Buffer, offset: number): number {
    const { maxPayload } = this
    const recipient = this.#currentRecipient
    while (chunk.length - offset >= HEADER) {
      const first = chunk[offset]
      if (first !== TEXT && first !== BINARY) break
      let length = chunk[offset + 1] - MASKED
      let start = offset + HEADER
      if (length === LENGTH_16) {
        length = chunk[offset + 2] << 8 | chunk[offset + 3]
        start += 2
      } else if (length < 0 || length > LENGTH_16) break
      const end = start + length
      if (end > chunk.length || length > maxPayload) break
      const isAscii = unmask(chunk, start, end)
      this.isText = first === TEXT
      if (first === BINARY) recipient.push(retainBytes(chunk, start, end), length)
      else if (isAscii || isUtf8(chunk.subarray(start, end))) recipient.push(chunk.toString(isAscii ? 'latin1' : 'utf8', start, end), length)
      else {
        this.#fail(invalidText())
        return chunk.length
      }
      offset = end
    }
    return offset
  }

  get #currentRecipient (): Recipient {
    return this.observer !== null && messageReceived.hasSubscribers ? this.observer : this.recipient
  }

  /** Reads the frame at `offset`, or its beginning. Returns the start of the next frame. */
  #readFrame (chunk: Buffer, offset: number): number {
    const headerLength = this.#readHeader(chunk, offset)
    if (this.isOver) return chunk.length
    const { first, length } = header
    const start = offset + headerLength
    const end = start + length
    if (headerLength === CUT || (isControl(first) && end > chunk.length)) {
      this.#cut = Buffer.from(chunk.subarray(offset))
      return chunk.length
    }
    if (isControl(first)) {
      this.#takeControl(first, chunk, start, end)
    } else if (this.#assembly === null && (first & FIN) !== 0 && end <= chunk.length) {
      this.#takeMessage(first, chunk, start, end)
    } else {
      this.#beginPayload(chunk, start)
      return this.#assembly === null ? start : this.#addPayload(this.#assembly, chunk, start)
    }
    return end
  }

  /** Completes a header, or a control frame, of which `cut` has come before. Returns the start of the rest of `chunk`. */
  #completeHeader (chunk: Buffer, cut: Buffer): number {
    const bytes = Buffer.concat([cut, chunk.subarray(0, MAX_HEADER + MAX_CONTROL_PAYLOAD)])
    this.#cut = null
    const headerLength = this.#readHeader(bytes, 0)
    if (this.isOver) return chunk.length
    const { first, length } = header
    const end = headerLength + (isControl(first) ? length : 0)
    if (headerLength === CUT || end > bytes.length) {
      this.#cut = bytes // with all of `chunk`
      return chunk.length
    }
    if (isControl(first)) this.#takeControl(first, bytes, headerLength, end)
    else this.#beginPayload(bytes, headerLength)
    return end - cut.length
  }

  /** Reads the header at `offset` into `header`. Returns its length, or `CUT`. Fails the connection for a header that is not valid. */
  #readHeader (bytes: Buffer, offset: number): number {
    const result = readHeader(bytes, offset, this, this.#assembly === null ? -1 : this.#assembly.length)
    return result instanceof Violation ? this.#fail(result) : result
  }

  #takeControl (first: number, bytes: Buffer, start: number, end: number): void {
    if (this.isServer) unmask(bytes, start, end)
    this.#handler.onControlFrame(first & OPCODE, bytes.subarray(start, end))
  }

  /** Takes a message of one frame. Its payload is in `bytes` from `start` to `end`. */
  #takeMessage (first: number, bytes: Buffer, start: number, end: number): void {
    const isAscii = this.isServer && unmask(bytes, start, end)
    this.#complete(first, bytes.subarray(start, end), isAscii, true)
  }

  /** Begins a frame whose payload does not lie whole in a read, or that is a fragment. Its header is in `bytes` before `start`. */
  #beginPayload (bytes: Buffer, start: number): void {
    const { first, length } = header
    this.#assembly ??= new Assembly(first, this)
    this.#assembly.begin(length, (first & FIN) !== 0, bytes, start)
    if (length === 0) this.#endFrame(this.#assembly)
  }

  /** Adds what `chunk` has of the current payload from `start` on. Returns the start of the next frame. */
  #addPayload (assembly: Assembly, chunk: Buffer, start: number): number {
    if (assembly.missing === 0) return start
    const end = assembly.add(chunk, start)
    if (assembly.missing === 0) this.#endFrame(assembly)
    return end
  }

  #endFrame (assembly: Assembly): void {
    if (assembly.fragments > Math.max(MIN_FRAGMENTS, this.maxPayload / FRAGMENT)) {
      this.#fail(tooManyFragments())
    } else if (assembly.isLast) {
      this.#assembly = null
      this.#complete(assembly.first, assembly.message, assembly.isAscii, false)
      assembly.free()
    }
  }

  /** A message is complete. `first`: the first byte of its first frame. `isView`: the payload is in the memory of a read. */
  #complete (first: number, payload: Buffer, isAscii: boolean, isView: boolean): void {
    if (this.#isDiscarding) return
    this.isText = (first & OPCODE) === opcodes.TEXT
    if ((first & RSV1) === 0) this.#deliver(payload, isAscii, isView)
    else if (payload.length <= MAX_SYNC) this.#inflate(payload)
    else this.#inflateLater(isView ? retain(payload) : payload)
  }

  #deliver (bytes: Buffer, isAscii: boolean, isView: boolean): void {
    if (this.isText && !isAscii && !isUtf8(bytes)) this.#fail(invalidText())
    else if (this.isText && !isTooLong(bytes)) this.#currentRecipient.push(isAscii ? bytes.toString('latin1') : decodeUtf8(bytes), bytes.length)
    else this.#currentRecipient.push(isView ? retain(bytes) : bytes, bytes.length)
  }

  #inflate (payload: Buffer): void {
    let inflated
    try {
      inflated = this.#decompressor!.inflate(payload)
    } catch (violation) {
      this.#fail(violation as Violation)
      return
    }
    this.#deliver(inflated, false, false)
  }

  async #inflateLater (payload: Buffer): Promise<void> {
    const { isText } = this
    this.isInflating = true
    this.#handler.onBusy()
    const inflated = await this.#decompressor!.inflateLater(payload).catch((violation) => violation as Violation)
    this.isInflating = false
    this.isText = isText
    if (inflated instanceof Violation) this.#fail(inflated)
    else this.#deliver(inflated, false, false)
    if (!this.#isPaused) this.#goOn()
    if (!this.isInflating) this.#handler.onIdle()
  }

  /** Fails the connection. Returns `CUT`. */
  #fail (violation: Violation): typeof CUT {
    this.isOver = true
    this.#cut = this.#assembly = this.#waiting = null
    this.#handler.onViolation(violation)
    return CUT
  }
}
