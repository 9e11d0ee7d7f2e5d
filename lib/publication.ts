import { Buffer } from 'node:buffer'
import { textOf } from './decode'
import { frameOf, payloadLength, textFrameOf } from './frame'
import type { Payload } from './encode'

/** A message for many: it is framed once, and all are sent the same bytes. */
export class Publication {
  readonly frame: Buffer
  /** This message, and nothing before it. */
  readonly burst: Burst
  readonly #isText: boolean
  readonly #length: number
  #payload: Payload | null

  /** `isText`: it is a text, even where `payload` is bytes, those of UTF-8. */
  constructor (payload: Payload, isText = typeof payload === 'string') {
    const isString = typeof payload === 'string'
    this.#isText = isText
    this.#length = payloadLength(payload)
    this.#payload = isString ? payload : null
    this.frame = isText && !isString ? textFrameOf(payload) : frameOf(payload, this.#length)
    this.burst = new Burst(this, null)
  }

  /** A string for a text. Of bytes, those in the frame: the caller's are the caller's to change. */
  get payload (): Payload {
    if (this.#payload === null) {
      const bytes = this.frame.subarray(this.frame.length - this.#length)
      this.#payload = this.#isText ? textOf(bytes) : bytes
    }
    return this.#payload
  }

  /** The bytes that it takes on a connection. */
  get byteLength (): number {
    return this.frame.length
  }
}

/**
 * What has been published to somebody in one turn. All who were given the same, in the same order, hold the same
 * burst, so that its frames are put together once for all of them.
 */
export class Burst {
  readonly byteLength: number
  readonly #last: Publication
  readonly #before: Burst | null
  #next: Burst | null = null
  #bytes: Buffer | null = null

  constructor (last: Publication, before: Burst | null) {
    this.#last = last
    this.#before = before
    this.byteLength = last.byteLength + (before === null ? 0 : before.byteLength)
  }

  /** This burst, and `publication` after it. */
  and (publication: Publication): Burst {
    if (this.#next === null || this.#next.#last !== publication) this.#next = new Burst(publication, this)
    return this.#next
  }

  /** Its frames, one after the other. */
  get bytes (): Buffer {
    this.#bytes ??= this.#before === null ? this.#last.frame : Buffer.concat(this.#frames(), this.byteLength)
    return this.#bytes
  }

  #frames (): Buffer[] {
    const frames = []
    for (let burst: Burst | null = this; burst !== null; burst = burst.#before) frames.push(burst.#last.frame)
    return frames.reverse()
  }
}
