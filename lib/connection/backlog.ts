import { Queue } from '../base/queue'
import type { Message } from '../codec/decode'

/** What a message costs at least, in bytes: its objects take memory even where its payload is empty. */
const MIN_COST = 128

/** Received messages that wait to be taken, and what it costs to keep them. */
export class Backlog {
  /** What they cost, in bytes. */
  bytes = 0
  // An object for each message would only be made to be taken apart again.
  readonly #messages = new Queue<Message>()
  readonly #costs = new Queue<number>()
  // Bytes are a view, of what was read with them or of the pool of Node's buffers, and keep all of that. `#memory` is what
  // the last of them are a view of; then how many messages have come since the first of those, and how many bytes they are.
  #memory: ArrayBufferLike | null = null
  #count = 0
  #used = 0

  /** `bytes` is the length of `message` as it came. */
  push (message: Message, bytes: number): void {
    if (typeof message !== 'string') this.#hold(message.buffer, bytes)
    this.#count++
    const cost = Math.max(bytes, MIN_COST)
    this.bytes += cost
    this.#messages.push(message)
    this.#costs.push(cost)
  }

  /** Takes the oldest one; `undefined` when there is none. */
  shift (): Message | undefined {
    const message = this.#messages.shift()
    if (message === undefined) return undefined
    this.bytes -= this.#costs.shift()!
    if (this.#messages.length === 0) this.#memory = null
    return message
  }

  #hold (memory: ArrayBufferLike, bytes: number): void {
    if (memory !== this.#memory) this.#begin(memory)
    this.#used += bytes
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
    this.#messages.replaceNewest(Math.min(this.#count, this.#messages.length), (message) => {
      if (typeof message === 'string') return message
      const start = end
      end += message.copy(memory, start)
      return memory.subarray(start, end)
    })
  }
}
