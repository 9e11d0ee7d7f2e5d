import { quiet } from '../../base/deferred'
import { timers, Entry } from '../../base/timers'
import type { NatsConnection } from './connection'

/** The milliseconds between two checks. Each check sends a ping. */
const INTERVAL = 1_000

/** The number of checks without a sign of life after which a connection counts as dead: a dead connection is found within 4 s. */
const MAX_SILENCE = 3

/** The silence after which a connection counts as dead, in milliseconds. */
export const SILENCE = MAX_SILENCE * INTERVAL

/**
 * Detects a dead connection that still looks open. An answer to a ping or a message is a sign of life. The pulse counts its checks
 * without a sign, not the time, since a busy process has had no chance to read.
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
