import { Buffer } from 'node:buffer'
import { textOf } from '../codec/decode'
import { frameOf, payloadLength, textFrameOf } from './frame'
import type { Payload } from '../codec/encode'

/** The longest batch, in bytes. */
export const MAX_BATCH = 64 * 1024

/**
 * The messages that were published to a subscriber in one turn of the event loop. Subscribers that got the same messages in the
 * same order share one batch, so that its frames are concatenated once for all of them.
 */
export abstract class Batch {
  /** The messages in the order in which they were published. */
  abstract readonly messages: readonly PreparedMessage[]
  /** The frames of the messages, one after the other. */
  abstract readonly bytes: Buffer
  abstract readonly byteLength: number
  #next: Sequence | null = null

  /** Returns the batch of this batch and `last` after it: the same object for the same `last`. */
  and (last: Batch): Batch {
    if (this.#next === null || this.#next.last !== last) this.#next = new Sequence(this, last)
    return this.#next
  }
}

/** A batch of one message, encoded as a frame. */
export class PreparedMessage extends Batch {
  readonly #frame: Buffer
  readonly #isText: boolean
  readonly #length: number
  #payload: Payload | null

  /** `isText`: the message is a text; `payload` may be its UTF-8 then. */
  constructor (payload: Payload, isText = typeof payload === 'string') {
    super()
    const isString = typeof payload === 'string'
    this.#isText = isText
    this.#length = payloadLength(payload)
    this.#payload = isString ? payload : null
    this.#frame = isText && !isString ? textFrameOf(payload) : frameOf(payload, this.#length)
  }

  get messages (): PreparedMessage[] {
    return [this]
  }

  get bytes (): Buffer {
    return this.#frame
  }

  get byteLength (): number {
    return this.#frame.length
  }

  /** The payload: a string for a text. Bytes are a view of the frame, because the publisher may change its own bytes. */
  get payload (): Payload {
    if (this.#payload === null) {
      const bytes = this.#frame.subarray(this.#frame.length - this.#length)
      this.#payload = this.#isText ? textOf(bytes) : bytes
    }
    return this.#payload
  }
}

/** A batch and another one after it. */
class Sequence extends Batch {
  readonly byteLength: number
  readonly #before: Batch
  #bytes: Buffer | null = null

  constructor (before: Batch, readonly last: Batch) {
    super()
    this.#before = before
    this.byteLength = before.byteLength + last.byteLength
  }

  get messages (): PreparedMessage[] {
    const batches: Batch[] = []
    let batch: Batch = this
    for (; batch instanceof Sequence; batch = batch.#before) batches.push(batch.last) // a loop, since thousands of batches would be too deep for recursion
    return [batch, ...batches.reverse()].flatMap(({ messages }) => messages)
  }

  get bytes (): Buffer {
    this.#bytes ??= Buffer.concat(this.messages.map(({ bytes }) => bytes), this.byteLength)
    return this.#bytes
  }
}
