import { Buffer } from 'node:buffer'
import { textOf } from '../codec/decode'
import { frameOf, payloadLength, textFrameOf } from './frame'
import type { Payload } from '../codec/encode'

/** What is published in a turn is put together up to this length, in bytes. */
export const MAX_BATCH = 64 * 1024

/**
 * What has been published to somebody in one turn. All who were given the same, in the same order, hold the same
 * batch, so that its frames are put together once for all of them.
 */
export abstract class Batch {
  /** What was published, in its order. */
  abstract readonly messages: readonly PreparedMessage[]
  /** Its frames, one after the other. */
  abstract readonly bytes: Buffer
  abstract readonly byteLength: number
  #next: Sequence | null = null

  /** This batch, and `last` after it. */
  and (last: Batch): Batch {
    if (this.#next === null || this.#next.last !== last) this.#next = new Sequence(this, last)
    return this.#next
  }
}

/** One message. */
export class PreparedMessage extends Batch {
  readonly #frame: Buffer
  readonly #isText: boolean
  readonly #length: number
  #payload: Payload | null

  /** `isText`: it is a text, even where `payload` is bytes, those of UTF-8. */
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

  /** A string for a text. Of bytes, those in the frame: the caller's are the caller's to change. */
  get payload (): Payload {
    if (this.#payload === null) {
      const bytes = this.#frame.subarray(this.#frame.length - this.#length)
      this.#payload = this.#isText ? textOf(bytes) : bytes
    }
    return this.#payload
  }
}

/** One batch after another. */
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
    for (; batch instanceof Sequence; batch = batch.#before) batches.push(batch.last) // there may be thousands
    return [batch, ...batches.reverse()].flatMap(({ messages }) => messages)
  }

  get bytes (): Buffer {
    this.#bytes ??= Buffer.concat(this.messages.map(({ bytes }) => bytes), this.byteLength)
    return this.#bytes
  }
}
