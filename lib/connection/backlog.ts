import { Queue } from '../base/queue'
import { MIN_COST } from './message-cost'
import type { Message } from '../codec/decode'

/** The received messages that wait to be taken, and their cost in memory. */
export class Backlog {
  /** The cost of all messages, in bytes. */
  bytes = 0
  // Two queues, because a queue of objects would take an object for each message.
  readonly #messages = new Queue<Message>()
  readonly #costs = new Queue<number>()
  // The bytes of a binary message are a view: of the buffer of a read, or of the pool of Node's buffers. A view keeps the whole
  // memory alive. `#memory` is the memory of the last binary messages. `#count` is the number of messages since the first of them,
  // `#used` the bytes of those that are views of it.
  #memory: ArrayBufferLike | null = null
  #count = 0
  #used = 0

  /** Adds a message. `bytes` is its length on the wire. */
  push (message: Message, bytes: number): void {
    if (typeof message !== 'string') this.#hold(message.buffer, bytes)
    this.#count++
    const cost = Math.max(bytes, MIN_COST)
    this.bytes += cost
    this.#messages.push(message)
    this.#costs.push(cost)
  }

  /** Takes the oldest message out; `undefined` if there is none. */
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

  // Mostly messages fill nearly all of a read. But a client can fill a read with frames that leave nothing behind, such as pongs,
  // and a message that came in several reads may be a small part of the pool. Such messages keep more memory alive than they count
  // for, so they move to a memory of their own when messages in another memory come.
  #begin (memory: ArrayBufferLike): void {
    if (this.#memory !== null && this.#memory.byteLength > 2 * Math.max(this.#used, this.#count * MIN_COST)) this.#move()
    this.#memory = memory
    this.#count = this.#used = 0
  }

  /** Moves the binary messages in `#memory` that still wait to a new memory of their size. */
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
