import { Queue } from './queue'

/** What a message costs at least, in bytes: its objects take memory even where its payload is empty. */
const MIN_COST = 128

/** Received messages that wait to be taken, and what it costs to keep them. */
export class Backlog {
  /** What they cost, in bytes. */
  bytes = 0
  /** Of the message that was taken last. */
  isBinary = false
  // An object for each message would only be made to be taken apart again.
  readonly #data = new Queue<Buffer>()
  readonly #isBinary = new Queue<boolean>()
  // A message is a view, of what was read with it or of the pool of Node's buffers, and keeps all of that. `#memory` is
  // what the last message is a view of; then how many messages in a row have been, and their bytes.
  #memory: ArrayBufferLike | null = null
  #count = 0
  #used = 0

  push (data: Buffer, isBinary: boolean): void {
    if (data.buffer !== this.#memory) this.#begin(data.buffer)
    this.#count++
    this.#used += data.length
    this.bytes += cost(data)
    this.#data.push(data)
    this.#isBinary.push(isBinary)
  }

  /** Takes the oldest one; `undefined` when there is none. */
  shift (): Buffer | undefined {
    const data = this.#data.shift()
    if (data === undefined) return undefined
    this.bytes -= cost(data)
    this.isBinary = this.#isBinary.shift()!
    if (this.#data.length === 0) this.#memory = null
    return data
  }

  // Mostly nearly all of a read is messages. A client can fill it with what leaves nothing behind, though, such as pongs,
  // and a message that has come in several reads is a small part of the pool. Such messages move when others come.
  #begin (memory: ArrayBufferLike): void {
    if (this.#memory !== null && this.#memory.byteLength > 2 * Math.max(this.#used, this.#count * MIN_COST)) this.#move()
    this.#memory = memory
    this.#count = this.#used = 0
  }

  /** Those of the last messages that have not been taken move to a memory of their own. */
  #move (): void {
    const memory = Buffer.allocUnsafeSlow(this.#used)
    let end = 0
    this.#data.replaceNewest(Math.min(this.#count, this.#data.length), (data) => {
      const start = end
      end += data.copy(memory, start)
      return memory.subarray(start, end)
    })
  }
}

function cost (data: Buffer): number {
  return Math.max(data.length, MIN_COST)
}
