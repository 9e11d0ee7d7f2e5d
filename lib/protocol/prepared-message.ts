import { Buffer } from 'node:buffer'
import { MAX_HISTORY, MAX_SYNC, type Deflater } from './deflate'
import { BINARY, frameOf, payloadLength, RSV1, TEXT } from './frame'
import type { Payload } from '../codec/encode'

/** The longest batch, in bytes. */
export const MAX_BATCH = 64 * 1024

const EMPTY: Buffer = Buffer.alloc(0)

/**
 * The messages that were published to a subscriber in one turn of the event loop. Subscribers that got the same messages in the
 * same order share one batch, so that its frames are concatenated once for all of them.
 */
export abstract class Batch {
  /** The number of messages. */
  abstract readonly count: number
  /** The frames of the messages, one after the other. */
  abstract readonly bytes: Buffer
  abstract readonly byteLength: number
  /** The bytes of the contents of the messages, before compression. */
  abstract readonly size: number
  /** The messages before compression. */
  abstract readonly messages: readonly Content[]
  /** The first message. */
  abstract readonly first: Batch
  /** The last bytes of what the frames have compressed, at most `MAX_HISTORY`. */
  abstract readonly tail: Buffer
  #next: Sequence | null = null
  #compressed: Map<Deflater, Batch> | null = null

  /** Returns the batch of this batch and `last` after it: the same object for the same `last`. */
  and (last: Batch): Batch {
    if (this.#next === null || this.#next.last !== last) this.#next = new Sequence(this, last)
    return this.#next
  }

  /** Returns the messages with their frames compressed where that makes them smaller: the same object for the same `deflater`. */
  compressed (deflater: Deflater): Batch {
    this.#compressed ??= new Map()
    const known = this.#compressed.get(deflater)
    if (known !== undefined) return known
    const compressed = this.compress(deflater)
    this.#compressed.set(deflater, compressed)
    return compressed
  }

  protected abstract compress (deflater: Deflater): Batch
}

/** A message as observers see it. */
export interface Content {
  readonly size: number
  readonly isText: boolean
}

/** A batch of one message, encoded as a frame. */
export class PreparedMessage extends Batch implements Content {
  readonly count = 1
  readonly bytes: Buffer
  readonly size: number

  /** `isText`: the message is a text; `payload` may be its UTF-8 then. */
  constructor (payload: Payload, isText = typeof payload === 'string') {
    super()
    this.size = payloadLength(payload)
    this.bytes = frameOf(isText ? TEXT : BINARY, payload, this.size, false)
  }

  get byteLength (): number {
    return this.bytes.length
  }

  get first (): Batch {
    return this
  }

  get isText (): boolean {
    return this.bytes[0] === TEXT
  }

  get messages (): Content[] {
    return [this]
  }

  get tail (): Buffer {
    return EMPTY
  }

  // A message that is too long for this thread is not compressed.
  protected override compress (deflater: Deflater): Batch {
    if (this.size < deflater.threshold || this.size > MAX_SYNC) return this
    const content = this.bytes.subarray(this.bytes.length - this.size)
    const deflated = deflater.deflate(content, EMPTY)
    return deflated.length < this.size ? new CompressedMessage(this, deflated, content.subarray(-MAX_HISTORY)) : this
  }
}

/** A batch of one message whose frame is compressed, without reference to other messages. */
class CompressedMessage extends Batch {
  readonly count = 1
  readonly bytes: Buffer
  readonly size: number
  readonly messages: Content[]

  constructor (message: PreparedMessage, deflated: Buffer, readonly tail: Buffer) {
    super()
    this.bytes = frameOf(message.bytes[0] | RSV1, deflated, deflated.length, false)
    this.size = message.size
    this.messages = message.messages
  }

  get byteLength (): number {
    return this.bytes.length
  }

  get first (): Batch {
    return this
  }

  protected override compress (): Batch {
    return this
  }
}

/** A batch and another one after it. */
class Sequence extends Batch {
  readonly count: number
  readonly byteLength: number
  readonly size: number
  readonly first: Batch
  readonly #before: Batch
  #bytes: Buffer | null = null
  #tail: Buffer | null = null

  constructor (before: Batch, readonly last: Batch) {
    super()
    this.#before = before
    this.first = before.first
    this.count = before.count + last.count
    this.byteLength = before.byteLength + last.byteLength
    this.size = before.size + last.size
  }

  get bytes (): Buffer {
    this.#bytes ??= Buffer.concat(this.#parts.map(({ bytes }) => bytes), this.byteLength)
    return this.#bytes
  }

  get messages (): Content[] {
    return this.#parts.flatMap(({ messages }) => messages)
  }

  get tail (): Buffer {
    this.#tail ??= Buffer.concat(this.#parts.map(({ tail }) => tail)).subarray(-MAX_HISTORY)
    return this.#tail
  }

  protected override compress (deflater: Deflater): Batch {
    return this.#parts.map((part) => part.compressed(deflater)).reduce((before, last) => before.and(last))
  }

  // A loop, since thousands of batches would be too deep for recursion.
  get #parts (): Batch[] {
    const parts: Batch[] = []
    let batch: Batch = this
    for (; batch instanceof Sequence; batch = batch.#before) parts.push(batch.last)
    parts.push(batch)
    return parts.reverse()
  }
}
