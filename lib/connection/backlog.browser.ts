import { MIN_COST } from './message-cost'
import type { Message } from '../codec/decode'

interface Item {
  message: Message
  cost: number
  next?: Item
}

/** The received messages that wait to be taken, and their cost in memory. */
export class Backlog {
  /** The cost of all messages, in bytes. */
  bytes = 0
  #first?: Item
  #last?: Item

  /** Adds a message. `bytes` is its length. */
  push (message: Message, bytes: number): void {
    const item = { message, cost: Math.max(bytes, MIN_COST) }
    this.bytes += item.cost
    if (this.#first === undefined) this.#first = item
    else this.#last!.next = item
    this.#last = item
  }

  /** Takes the oldest message out; `undefined` if there is none. */
  shift (): Message | undefined {
    const item = this.#first
    if (item === undefined) return undefined
    this.#first = item.next
    this.bytes -= item.cost
    return item.message
  }
}
