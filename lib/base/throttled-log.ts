import { logSafely, type Logging } from './user-code'

/** Milliseconds in which there is one line at the most. */
const INTERVAL = 60_000

/** One line of the log for what may happen over and over: the first is told at once, of others how many there were. */
export class ThrottledLog {
  readonly #logging: Logging
  readonly #message: string
  #count = 0
  #next = -Infinity

  constructor (logging: Logging, message: string) {
    this.#logging = logging
    this.#message = message
  }

  /** It has happened, `times` times; `error` tells why. */
  add (error?: unknown, times = 1): void {
    this.#count += times
    const now = performance.now()
    if (now < this.#next) return
    const count = this.#count
    this.#count = 0
    this.#next = now + INTERVAL
    logSafely(this.#logging, 'warn', count === 1 ? this.#message : `${this.#message} (${count} times)`, error)
  }
}
