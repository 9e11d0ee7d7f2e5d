import { constants, deflateRawSync } from 'node:zlib'
import { encode } from '../conformance/frame'
import { BINARY, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from './frames'
import type { Frame } from '../conformance/case'
import type { ReceptionOptions } from './reception'

const CHARACTERS = ['a', 'b', ' ', '0', '\u0000', 'ü', '€', '😀', '\uffff']
const LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 511, 512, 513, 1000, 4096]
const LONG_LENGTHS = [65_534, 65_535, 65_536, 65_537, 70_000, 140_000]

/** Makes frames from random numbers, as a peer sends them. */
export class RandomFrames {
  readonly #random: () => number
  readonly #options: ReceptionOptions
  readonly #takesOver: boolean
  /** What the peer has sent in compressed messages. */
  #window = Buffer.alloc(0)

  constructor (random: () => number, options: ReceptionOptions) {
    const { agreement, isServer } = options
    this.#random = random
    this.#options = options
    this.#takesOver = agreement !== null && !(isServer ? agreement.clientNoContextTakeover : agreement.serverNoContextTakeover)
  }

  /** A random integer from 0 to `count - 1`. */
  below (count: number): number {
    return Math.floor(this.#random() * count)
  }

  #oneOf <T> (values: readonly T[]): T {
    return values[this.below(values.length)]
  }

  /** Some messages and control frames, of which the last one may be a close frame. */
  stream (): Buffer {
    const frames = Array.from({ length: 1 + this.below(8) }, () => this.below(4) === 0 ? [this.#control()] : this.#message())
    if (this.below(4) === 0) frames.push([this.#frame(CLOSE, this.#oneOf([Buffer.alloc(0), closePayload(1000), closePayload(4999, 'Grüße')]))])
    return Buffer.concat(frames.flat())
  }

  /** `bytes` in some parts. */
  cut (bytes: Buffer): Buffer[] {
    const ends = [...Array.from({ length: this.below(12) }, () => this.below(bytes.length)), bytes.length].sort((a, b) => a - b)
    return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)).filter(({ length }) => length > 0)
  }

  /** A copy of `bytes` with another byte in one place, and that place. */
  mutated (bytes: Buffer): { bytes: Buffer, at: number } {
    const copy = Buffer.from(bytes)
    const at = this.below(copy.length)
    copy[at] ^= this.below(2) === 0 ? 1 << this.below(8) : 1 + this.below(255)
    return { bytes: copy, at }
  }

  #control (): Buffer {
    return this.#frame(this.#oneOf([PING, PONG]), this.#bytes(this.#oneOf([0, 1, 4, 125])))
  }

  #message (): Buffer[] {
    const isText = this.below(2) === 0
    const length = this.#oneOf(this.below(30) === 0 ? LONG_LENGTHS : LENGTHS)
    const content = isText ? this.#text(length) : this.#bytes(length)
    const isCompressed = this.#options.agreement !== null && this.below(4) > 0
    const payload = isCompressed ? this.#deflate(content) : content
    const count = this.below(2) === 0 ? 1 : 1 + this.below(4)
    const ends = [...Array.from({ length: count - 1 }, () => this.below(payload.length + 1)), payload.length].sort((a, b) => a - b)
    return ends.flatMap((end, i) => {
      const frame = this.#frame(i > 0 ? CONTINUATION : isText ? TEXT : BINARY, payload.subarray(ends[i - 1] ?? 0, end), {
        fin: i === count - 1, rsv: isCompressed && i === 0 ? 4 : 0
      })
      return i > 0 && this.below(4) === 0 ? [this.#control(), frame] : [frame]
    })
  }

  #frame (opcode: number, payload: Buffer, bits: Partial<Frame> = {}): Buffer {
    const mask = this.#options.isServer ? Array.from({ length: 4 }, () => this.below(256)) : null
    const isLong = opcode < CLOSE && this.below(20) === 0
    return encode({ opcode, payload, mask, ...(isLong ? { lengthBytes: 8 } : {}), ...bits })
  }

  /** Bytes that cannot be compressed. */
  #bytes (length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    let state = this.below(2 ** 32)
    for (let i = 0; i < length; i++) {
      state = Math.imul(state, 1_664_525) + 1_013_904_223
      bytes[i] = state >>> 24
    }
    return bytes
  }

  /** A text of at least `length` bytes, or empty. */
  #text (length: number): Buffer {
    const isAscii = this.below(2) === 0
    const part = Array.from({ length: 1 + this.below(50) }, () => CHARACTERS[this.below(isAscii ? 5 : CHARACTERS.length)]).join('')
    const text = Buffer.from(part.repeat(Math.ceil(length / part.length)))
    return isAscii ? text.subarray(0, length) : text
  }

  #deflate (content: Buffer): Buffer {
    const dictionary = this.#window
    if (this.#takesOver) this.#window = Buffer.concat([dictionary, content]).subarray(-(2 ** 15))
    return deflate(content, dictionary)
  }
}

/** The payload of a compressed message (RFC 7692, section 7.2.1), which may refer to `dictionary`. */
export function deflate (content: Uint8Array, dictionary = Buffer.alloc(0)): Buffer {
  return deflateRawSync(content, { finishFlush: constants.Z_SYNC_FLUSH, dictionary }).subarray(0, -4)
}
