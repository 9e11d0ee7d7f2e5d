import { quiet } from '../../base/deferred'
import { timers, Entry } from '../../base/timers'
import type { NatsConnection } from './connection'

/** How often the server is asked whether it is there, in milliseconds, and how often in vain until it counts as gone: found within 4 s. */
const INTERVAL = 1_000
const MAX_SILENCE = 3

/** For how long nothing has come when a connection counts as dead, in milliseconds. */
export const SILENCE = MAX_SILENCE * INTERVAL

/**
 * Finds out when a connection is dead that looks as if it were open. What counts are answers to pings, or messages that come
 * meanwhile, and how often was looked: a process that was kept busy has had no chance to read.
 */
export class Pulse extends Entry {
  readonly #connection: NatsConnection
  readonly #onSilence: () => void
  #isAnswered = true
  #received = 0
  #silence = 0

  constructor (connection: NatsConnection, onSilence: () => void) {
    super()
    this.#connection = connection
    this.#onSilence = onSilence
  }

  start (): void {
    this.stop()
    this.#isAnswered = true
    this.look(timers.now)
  }

  stop (): void {
    timers.remove(this)
  }

  look (now: number): void {
    const { inMsgs } = this.#connection.stats()
    const isAlive = this.#isAnswered || inMsgs !== this.#received
    this.#silence = isAlive ? 0 : this.#silence + 1
    if (this.#silence === MAX_SILENCE) return this.#onSilence()
    this.#received = inMsgs
    this.#isAnswered = false
    quiet(this.#connection.rtt().then(() => { this.#isAnswered = true }))
    timers.add(this, now + INTERVAL)
  }
}
