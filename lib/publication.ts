import { Buffer } from 'node:buffer'
import { frameOf, payloadLength } from './frame'
import type { Payload } from './encode'

/** A message for many: it is framed once, and all are sent the same bytes. */
export class Publication {
  readonly payload: Payload
  readonly frame: Buffer
  /** This message, and nothing before it. */
  readonly burst: Burst

  constructor (payload: Payload) {
    const length = payloadLength(payload)
    this.frame = frameOf(payload, length)
    // Of bytes, those in the frame: the caller's are the caller's to change.
    this.payload = typeof payload === 'string' ? payload : this.frame.subarray(this.frame.length - length)
    this.burst = new Burst(this, null)
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
