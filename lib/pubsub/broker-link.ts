import { atMost, Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketBrokerError } from '../base/errors'
import { ThrottledLog } from '../base/throttled-log'
import { timers, Entry } from '../base/timers'
import { logSafely, readable, type Logging } from '../base/user-code'
import { createOrigin, isFrom, seal, unseal } from './envelope'
import type { Payload } from '../codec/encode'
import type { Broker, BrokerListener } from '../../types/broker'

/** What the link needs of the topics of this process. */
export interface LocalTopics {
  readonly names: Iterable<string>
  has (topic: string): boolean
  publish (topic: string, payload: Uint8Array, except: undefined, isText: boolean): void
}

/** Milliseconds from when the last subscriber has left a topic to when it is given up, at the least; twice that at the most. */
const LINGER = 1_000

/** Milliseconds that an app waits for its broker at the most, when it starts and when it closes. */
const WAIT_OPTIONS = 5_000

/** What the broker has been asked for. Resolves when it is done, and when the broker goes down. */
class Operation extends Deferred<void> {
  constructor (readonly verb: 'subscribe' | 'unsubscribe') {
    super()
  }
}

/**
 * Between the topics of this process and the broker: which topics the broker is to have, and what goes out and comes in.
 *
 *     down ──onUp──▶ every topic is subscribed to ──▶ up, `onResync` ──onDown──▶ down
 *
 * Of a topic there is one operation at a time. What is not under way and not held, the broker does not have.
 */
export class BrokerLink implements BrokerListener {
  /** `'up'` when publishing and subscribing are possible, and every topic has been subscribed to. */
  state: 'up' | 'down' = 'down'
  readonly #broker: Broker
  readonly #topics: LocalTopics
  readonly #onResync: (topics: string[]) => void
  readonly #logging: Logging
  readonly #origin = createOrigin()
  readonly #operations = new Map<string, Operation>()
  readonly #held = new Set<string>()
  readonly #sweep = new Sweep((topics) => this.#giveUp(topics))
  readonly #foreign: ThrottledLog
  readonly #unheld: ThrottledLog
  readonly #unreleased: ThrottledLog
  /** How often the broker has come up or gone down: what was begun before counts no more. */
  #changes = 0
  #isConnected = false
  /** Why it is not up yet. */
  #reason?: Error
  #wasUp = false
  #isClosed = false

  /** `onResync` is told of the topics that may have missed messages, after each time that the broker was down. */
  constructor (broker: Broker, topics: LocalTopics, onResync: (topics: string[]) => void, logging: Logging) {
    this.#broker = broker
    this.#topics = topics
    this.#onResync = onResync
    this.#logging = logging
    this.#foreign = new ThrottledLog(logging, 'the broker has brought what this version of fastify-async-websocket has not published: it is ignored')
    this.#unheld = new ThrottledLog(logging, 'the broker refuses to subscribe to a topic again: its sessions get only what is published in this process')
    this.#unreleased = new ThrottledLog(logging, 'the broker has failed to unsubscribe from a topic')
  }

  /** Resolves when the broker is up, or has failed to be at first; rejects with `WebSocketBrokerError` when it never will be. */
  async start (): Promise<void> {
    const started = quiet(this.#start())
    if (!await atMost(WAIT_OPTIONS, started)) {
      started.catch((error) => logSafely(this.#logging, 'error', error.message, error.cause))
    }
    if (!this.#isConnected) logSafely(this.#logging, 'warn', 'the broker is out of reach: until it is up, topics are those of this process', this.#reason)
  }

  async #start (): Promise<void> {
    try {
      await this.#broker.start(this)
    } catch (error) {
      throw failure('the broker cannot be started', error)
    }
  }

  /** Lets go of the broker; resolves within some seconds, whatever that does. */
  async close (): Promise<void> {
    this.#disconnect()
    this.#isClosed = true
    try {
      if (!await atMost(WAIT_OPTIONS, this.#broker.close())) logSafely(this.#logging, 'warn', `the broker has not closed within ${WAIT_OPTIONS} ms`)
    } catch (error) {
      logSafely(this.#logging, 'warn', 'the broker has failed to close', error)
    }
  }

  /** Publishes to other processes. Rejects with `WebSocketBrokerError` when the broker is down or does not take the message. */
  publish (topic: string, payload: Payload): Promise<void> {
    if (this.state === 'up') return quiet(this.#publish(topic, seal(payload, this.#origin)))
    return rejected(new WebSocketBrokerError('the broker is down: the message has reached the subscribers in this process only, and is not sent later'))
  }

  async #publish (topic: string, envelope: Buffer): Promise<void> {
    try {
      await this.#broker.publish(topic, envelope)
    } catch (error) {
      throw failure('the broker has not taken the message, which has reached the subscribers in this process only', error)
    }
  }

  /**
   * Somebody here subscribes to `topic`. Null where there is nothing to wait for: the broker has it, or is down. Else resolves
   * when one of these is so, and rejects with `WebSocketBrokerError` when the broker refuses.
   */
  subscribe (topic: string): Promise<void> | null {
    const operation = this.#operations.get(topic)
    if (operation?.verb === 'subscribe') return operation.promise
    if (operation?.verb === 'unsubscribe') return quiet(operation.promise.then(() => this.subscribe(topic) ?? undefined))
    if (!this.#isConnected || this.#held.has(topic)) return null
    return this.#begin('subscribe', topic)
  }

  /** The last one here has left `topic`. */
  left (topic: string): void {
    if (this.#isConnected) this.#sweep.add(topic)
  }

  onMessage (topic: string, message: Uint8Array): void {
    if (!this.#topics.has(topic)) return // the last one has just left
    try {
      const letter = unseal(message)
      if (letter === null) this.#foreign.add()
      else if (!isFrom(message, this.#origin)) this.#topics.publish(topic, letter.payload, undefined, letter.isText)
    } catch (error) {
      this.#foreign.add(error)
    }
  }

  onUp (): void {
    if (this.#isConnected || this.#isClosed) return
    this.#isConnected = true
    this.#changes++
    const topics = [...this.#topics.names]
    if (topics.length === 0) this.#up()
    else this.#subscribeAll(topics, this.#changes)
  }

  onDown (reason: Error): void {
    this.#reason = reason
    if (!this.#isConnected) return
    this.#disconnect()
    logSafely(this.#logging, 'warn', 'the broker is down: until it is up, topics are those of this process', reason)
  }

  async #subscribeAll (topics: string[], changes: number): Promise<void> {
    const results = await Promise.allSettled(topics.map((topic) => this.subscribe(topic)))
    if (changes !== this.#changes) return
    const refused = results.filter((result) => result.status === 'rejected')
    if (refused.length > 0) this.#unheld.add(refused[0].reason, refused.length)
    this.#up()
  }

  #up (): void {
    const topics = [...this.#topics.names]
    const isBack = this.#wasUp || topics.length > 0
    this.state = 'up'
    this.#wasUp = true
    logSafely(this.#logging, 'info', 'the broker is up')
    if (isBack) this.#onResync(topics)
  }

  #disconnect (): void {
    this.state = 'down'
    this.#isConnected = false
    this.#changes++
    this.#held.clear()
    this.#sweep.clear()
    for (const operation of this.#operations.values()) operation.resolve()
    this.#operations.clear()
  }

  #begin (verb: Operation['verb'], topic: string): Promise<void> {
    const operation = new Operation(verb)
    this.#operations.set(topic, operation)
    this.#perform(verb, topic).then(
      () => this.#done(topic, operation),
      // In the turn in which it rejects, a connection that is lost may not have been reported yet.
      (error) => setImmediate(() => this.#failed(topic, operation, error))
    )
    return operation.promise
  }

  async #perform (verb: Operation['verb'], topic: string): Promise<void> {
    await this.#broker[verb](topic)
  }

  #done (topic: string, operation: Operation): void {
    if (!this.#isOver(topic, operation)) return
    if (operation.verb === 'subscribe') this.#held.add(topic)
    operation.resolve()
  }

  #failed (topic: string, operation: Operation, error: unknown): void {
    if (!this.#isOver(topic, operation)) return
    if (operation.verb === 'subscribe') {
      operation.reject(failure(`the broker refuses to subscribe to the topic ${JSON.stringify(topic)}`, error))
    } else {
      this.#unreleased.add(error)
      operation.resolve()
    }
  }

  /** Takes note that `operation` is over; tells whether that still counts. */
  #isOver (topic: string, operation: Operation): boolean {
    return this.#operations.get(topic) === operation && this.#operations.delete(topic)
  }

  /** Unsubscribes from those of `topics` that nobody has joined again. */
  #giveUp (topics: Iterable<string>): void {
    for (const topic of topics) {
      if (this.#topics.has(topic)) continue
      if (this.#operations.has(topic)) this.#sweep.add(topic)
      else if (this.#held.delete(topic)) this.#begin('unsubscribe', topic)
    }
  }
}

/** Passes topics on a moment after they were added: one timer for all. */
class Sweep extends Entry {
  readonly #pass: (topics: Iterable<string>) => void
  #old = new Set<string>()
  #new = new Set<string>()

  constructor (pass: (topics: Iterable<string>) => void) {
    super()
    this.#pass = pass
  }

  add (topic: string): void {
    this.#new.add(topic)
    this.#plan()
  }

  clear (): void {
    this.#old.clear()
    this.#new.clear()
    timers.remove(this)
  }

  override look (): void {
    const due = this.#old
    this.#old = this.#new
    this.#new = new Set()
    this.#pass(due)
    if (this.#old.size > 0) this.#plan()
  }

  #plan (): void {
    if (this.place === -1) timers.add(this, timers.now + LINGER)
  }
}

function failure (message: string, cause: unknown): WebSocketBrokerError {
  return new WebSocketBrokerError(`${message}: ${readable(cause)?.message ?? cause}`, { cause })
}
