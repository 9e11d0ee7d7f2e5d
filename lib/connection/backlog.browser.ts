import { MIN_COST } from './message-cost'
import type { Message } from '../codec/decode'

/** The received messages that wait to be taken, and their cost in memory. */
export class Backlog {
  /** The cost of all messages, in bytes. A text costs a byte for each UTF-16 unit. */
  bytes = 0
  readonly #messages: Message[] = []

  push (message: Message): void {
    this.bytes += costOf(message)
    this.#messages.push(message)
  }

  /** Takes the oldest message out; `undefined` if there is none. */
  shift (): Message | undefined {
    const message = this.#messages.shift()
    if (message !== undefined) this.bytes -= costOf(message)
    return message
  }
}

function costOf (message: Message): number {
  return Math.max(message.length, MIN_COST)
}
