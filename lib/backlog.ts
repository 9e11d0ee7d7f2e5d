import { Queue } from './queue'

/** What a message costs at least, in bytes: its objects take memory even where its payload is empty. */
const MIN_COST = 128

/** A read up to this length, in bytes, is not worth a look at how much of it are messages. */
const SMALL_READ = 16 * 1024

/** Received messages that wait to be taken, and what it costs to keep them. */
export class Backlog {
  /** What they cost, in bytes. */
  bytes = 0
  /** Of the message that was taken last. */
  isBinary = false
  // An object for each message would only be made to be taken apart again.
  readonly #data = new Queue<Buffer>()
  readonly #isBinary = new Queue<boolean>()
  // A message is a view of what was read with it, and keeps all of that. `#waste` is what is kept in vain of each read but
  // the last; `#pushed` and `#taken` are what the last message that came, and the last that was taken, are views of.
  readonly #waste = new Queue<number>()
  #pushed: ArrayBufferLike | null = null
  #used = 0
  #taken: ArrayBufferLike | null = null

  push (data: Buffer, isBinary: boolean): void {
    if (data.buffer !== this.#pushed) this.#beginRead(data.buffer)
    this.#used += data.length
    this.bytes += cost(data)
    this.#data.push(data)
    this.#isBinary.push(isBinary)
  }

  /** Takes the oldest one; `undefined` when there is none. */
  shift (): Buffer | undefined {
    const data = this.#data.shift()
    if (data === undefined) return undefined
    if (data.buffer !== this.#taken) this.#leaveRead(data.buffer)
    this.bytes -= cost(data)
    this.isBinary = this.#isBinary.shift()!
    if (this.#data.length === 0) this.#pushed = this.#taken = null
    return data
  }

  #beginRead (read: ArrayBufferLike): void {
    if (this.#pushed !== null) {
      const waste = wasteOf(this.#pushed, this.#used)
      this.bytes += waste
      this.#waste.push(waste)
    }
    this.#pushed = read
    this.#used = 0
  }

  #leaveRead (next: ArrayBufferLike): void {
    if (this.#taken !== null) this.bytes -= this.#waste.shift()!
    this.#taken = next
  }
}

function cost (data: Buffer): number {
  return Math.max(data.length, MIN_COST)
}

/** Mostly nearly all of a read is messages. A client can fill it with what leaves nothing behind, though, such as pongs. */
function wasteOf ({ byteLength }: ArrayBufferLike, used: number): number {
  return byteLength > SMALL_READ && used < byteLength / 2 ? byteLength - used : 0
}
