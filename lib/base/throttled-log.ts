import { logSafely, type Logging } from './user-code'

/** The log gets at most one line in so many milliseconds. */
const INTERVAL = 60_000

/** Logs an event that may happen over and over. The first event is logged at once; a later line says how many there were. */
export class ThrottledLog {
  readonly #logging: Logging
  readonly #message: string
  #count = 0
  #next = -Infinity

  constructor (logging: Logging, message: string) {
    this.#logging = logging
    this.#message = message
  }

  /** Counts `times` events, and logs all that were counted if a line is due. `error` goes into the line. */
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
