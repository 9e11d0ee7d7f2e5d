import { setImmediate as turn } from 'node:timers/promises'
import type { Broker, BrokerEntry, BrokerHistory, BrokerListener } from '../../types/broker'

/** A random number from 0 to below 1. */
export type Random = () => number

/** A generator of the same random numbers for the same seed (mulberry32). */
export function seeded (seed: number): Random {
  return () => {
    seed = seed + 0x6d2b79f5 | 0
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4294967296
  }
}

/** The server of `ModelBroker`s. The test trims its logs and loses them. */
export class ModelServer {
  readonly random: Random
  readonly brokers = new Set<ModelBroker>()
  /** All messages, in the order of the logs. */
  readonly appended: Buffer[] = []
  readonly #logs = new Map<string, { entries: BrokerEntry[], appended: number }>()

  constructor (random: Random) {
    this.random = random
  }

  append (topic: string, message: Uint8Array): string {
    const log = this.#log(topic)
    const entry = { position: String(++log.appended), message: Buffer.from(message) }
    log.entries.push(entry)
    this.appended.push(entry.message)
    for (const broker of this.brokers) broker.deliver(topic, entry)
    return entry.position
  }

  entries (topic: string): BrokerEntry[] {
    return [...this.#log(topic).entries]
  }

  /** Removes the oldest messages, so that `size` are left. */
  trim (topic: string, size: number): void {
    this.#log(topic).entries.splice(0, Math.max(0, this.#log(topic).entries.length - size))
  }

  /**
   * Loses a log. Its positions begin anew, or, as those of a log that has only expired, go on. The messages of a log that begins anew
   * are lost also where they are on their way.
   */
  lose (topic: string, anew: boolean): void {
    const log = this.#log(topic)
    log.entries = []
    if (!anew) return
    log.appended = 0
    for (const broker of this.brokers) broker.forget()
  }

  #log (topic: string): { entries: BrokerEntry[], appended: number } {
    let log = this.#logs.get(topic)
    if (log === undefined) this.#logs.set(topic, log = { entries: [], appended: 0 })
    return log
  }
}

/** A broker with history whose messages and answers take random times. Its connection is cut and mended by the test. */
export class ModelBroker implements Broker, BrokerHistory {
  readonly #server: ModelServer
  readonly #topics = new Set<string>()
  #listener!: BrokerListener
  #isUp = false
  /** Each connection has a number. What was under way on an earlier one is lost. */
  #connection = 0
  #deliveries = new AbortController()
  #delivered: Promise<unknown> = Promise.resolve()
  #answered: Promise<unknown> = Promise.resolve()

  constructor (server: ModelServer) {
    this.#server = server
  }

  get history (): BrokerHistory {
    return this
  }

  async start (listener: BrokerListener): Promise<void> {
    this.#listener = listener
    this.mend()
  }

  async close (): Promise<void> {
    this.#server.brokers.delete(this)
  }

  cut (): void {
    if (!this.#isUp) return
    this.#isUp = false
    this.#connection++
    this.forget()
    this.#topics.clear()
    this.#server.brokers.delete(this)
    this.#listener.onDown(new Error('cut'))
  }

  mend (): void {
    if (this.#isUp) return
    this.#isUp = true
    this.#server.brokers.add(this)
    this.#listener.onUp()
  }

  /** Loses the entries that are on their way. */
  forget (): void {
    this.#deliveries.abort()
    this.#deliveries = new AbortController()
  }

  /** Delivers an entry, after those before it. */
  deliver (topic: string, { position, message }: BrokerEntry): void {
    if (!this.#topics.has(topic)) return
    const { signal } = this.#deliveries
    this.#delivered = this.#delivered.then(() => this.#delay()).then(() => {
      if (!signal.aborted) this.#listener.onEntry(topic, position, message)
    })
  }

  subscribe (topic: string): Promise<void> {
    return this.#answer(() => { this.#topics.add(topic) })
  }

  unsubscribe (topic: string): Promise<void> {
    return this.#answer(() => { this.#topics.delete(topic) })
  }

  publish (): Promise<void> {
    return this.#answer(() => {})
  }

  append (topic: string, message: Uint8Array): Promise<string> {
    return this.#answer(() => this.#server.append(topic, message))
  }

  read (topic: string, position: string, count: number): Promise<BrokerEntry[]> {
    return this.#answer(() => this.#server.entries(topic).filter((entry) => this.compare(entry.position, position) >= 0).slice(0, count))
  }

  readNewest (topic: string, count: number): Promise<BrokerEntry[]> {
    return this.#answer(() => this.#server.entries(topic).slice(-count))
  }

  compare (a: string, b: string): number {
    return Number(a) - Number(b)
  }

  /** Runs `command` at the server after those before it, and answers later. */
  #answer<T> (command: () => T): Promise<T> {
    const connection = this.#connection
    const check = (): void => { if (connection !== this.#connection || !this.#isUp) throw new Error('the connection is cut') }
    const result = this.#answered.then(() => this.#delay()).then(() => {
      check()
      return command()
    })
    this.#answered = result.catch(() => {})
    return result.then(async (value) => {
      await this.#delay()
      check()
      return value
    })
  }

  async #delay (): Promise<void> {
    for (let turns = Math.floor(this.#server.random() * 4); turns > 0; turns--) await turn()
  }
}
