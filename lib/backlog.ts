import { Queue } from './queue'

/** What a message costs at least, in bytes: its objects take memory even where its payload is empty. */
const MIN_COST = 128

/**
 * A message is a view of what was read with it, and keeps all of that in memory: 64 KiB where a client fills it with frames
 * that leave nothing behind. So the first one costs a part of it, one in so many.
 */
const PARTS = 4

/** Received messages that wait to be taken, and what it costs to keep them. */
export class Backlog {
  /** What they cost, in bytes. */
  bytes = 0
  /** Of the message that was taken last. */
  isBinary = false
  // An object for each message would only be made to be taken apart again.
  readonly #data = new Queue<Buffer>()
  readonly #isBinary = new Queue<boolean>()
  #pushed: ArrayBufferLike | null = null
  #taken: ArrayBufferLike | null = null

  push (data: Buffer, isBinary: boolean): void {
    const { buffer } = data
    this.bytes += cost(data, buffer !== this.#pushed)
    this.#pushed = buffer
    this.#data.push(data)
    this.#isBinary.push(isBinary)
  }

  /** Takes the oldest one; `undefined` when there is none. */
  shift (): Buffer | undefined {
    const data = this.#data.shift()
    if (data === undefined) return undefined
    this.isBinary = this.#isBinary.shift()!
    const { buffer } = data
    this.bytes -= cost(data, buffer !== this.#taken)
    this.#taken = buffer
    if (this.#data.length === 0) this.#pushed = this.#taken = null
    return data
  }
}

function cost (data: Buffer, isFirst: boolean): number {
  const least = isFirst ? Math.max(MIN_COST, data.buffer.byteLength / PARTS) : MIN_COST
  return Math.max(data.length, least)
}
