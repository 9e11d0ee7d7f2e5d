import { Entry, timers } from '../../base/timers'

/** Milliseconds. The server has stored a message that is missing, and is about to send it. */
const MAX_WAIT = 1_000

/** A message that comes live. */
export interface Live {
  readonly sequence: number
  /** The sequence number of the message before it in the topic, when the server stored it; 0 if there was none. */
  readonly previous: number
  readonly data: Uint8Array
}

/**
 * Puts the live messages of a topic into the order of their sequence numbers. NATS 2.9 sends messages of two publishers in another
 * order than it stores them, at times: then the later one waits for the one before it.
 */
export class Feed extends Entry {
  /** Resolves when the subscription has begun. */
  begun!: Promise<void>
  isClosed = false
  readonly #deliver: (message: Live) => void
  readonly #onGap: () => void
  /** The sequence number of the last message; null while that is not known. */
  #last: number | null = null
  /** The messages that wait, by the message before them. */
  readonly #waiting = new Map<number, Live>()

  /** `onGap` is called when a message has not come for a second. */
  constructor (deliver: (message: Live) => void, onGap: () => void) {
    super()
    this.#deliver = deliver
    this.#onGap = onGap
  }

  /** Begins with what comes after `last`. Earlier messages that have come meanwhile are dropped. */
  begin (last: number): void {
    this.#last = last
    const messages = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const message of messages) if (message.sequence > last) this.add(message)
  }

  add (message: Live): void {
    if (this.#last === null) this.#waiting.set(message.previous, message)
    else if (message.previous > this.#last) this.#wait(message)
    else this.#pass(message)
  }

  close (): void {
    this.isClosed = true
    timers.remove(this)
  }

  override look (): void {
    this.#onGap()
  }

  #wait (message: Live): void {
    this.#waiting.set(message.previous, message)
    if (this.place === -1) timers.add(this, timers.now + MAX_WAIT)
  }

  /** Delivers a message, and those that have waited for it. */
  #pass (message: Live): void {
    for (let next: Live | undefined = message; next !== undefined; next = this.#waiting.get(next.sequence)) {
      this.#last = next.sequence
      this.#waiting.delete(next.previous)
      this.#deliver(next)
    }
    if (this.#waiting.size === 0) timers.remove(this)
  }
}
