import { atMost, Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketBrokerError } from '../base/errors'
import { ThrottledLog } from '../base/throttled-log'
import { timers, Entry } from '../base/timers'
import { logSafely, type Logging } from '../base/user-code'
import { broker } from '../observe/channels'
import { brokerFailure } from './broker-failure'
import { createOrigin, isFrom, seal, unseal, type Letter } from './envelope'
import type { Payload } from '../codec/encode'
import type { Broker, BrokerListener, Retention } from '../../types/broker'
import type { Publication } from '../../types/session'

/** The topics of this process, as the link uses them. */
export interface LocalTopics {
  /** The topics that have subscribers. */
  readonly names: Iterable<string>
  has (topic: string): boolean
  /** The retention of a topic with history; null for other topics. */
  retentionOf (topic: string): Retention | null
  /** A message of another process has come. */
  onLetter (topic: string, letter: Letter): void
  /** A message of a topic with history has come. Returns false if it is foreign. */
  onEntry (topic: string, position: string, message: Uint8Array): boolean
  /** The broker is down. */
  onDown (): void
}

/** What `publish` to a topic without history resolves with. */
export const NOT_KEPT: Publication = Object.freeze({ position: null })

/** Milliseconds. The link unsubscribes from a topic between one and two LINGERs after the last subscriber here has left it. */
const LINGER = 1_000

/** The most milliseconds that an app waits for its broker, at its start and at its close. */
const MAX_WAIT = 5_000

/** A pending call of the broker. Resolves when the call is done and when the broker goes down. */
class Operation extends Deferred<void> {
  constructor (readonly verb: 'subscribe' | 'unsubscribe') {
    super()
  }
}

/**
 * Connects the topics of this process to the broker. The link subscribes to the topics that have subscribers here, publishes to
 * the broker, and passes on the messages that come from the broker.
 *
 *     down ──onUp──▶ every topic is subscribed to ──▶ up, `onResync` ──onDown──▶ down
 *
 * A topic has at most one operation at a time. A topic without an operation that is not in `#held` is not subscribed at the broker.
 */
export class BrokerLink implements BrokerListener {
  /** `'up'` when publishing and subscribing are possible and every topic has been subscribed to. */
  state: 'up' | 'down' = 'down'
  readonly #broker: Broker
  readonly #topics: LocalTopics
  readonly #onResync: (topics: string[]) => void
  readonly #logging: Logging
  readonly #origin = createOrigin()
  readonly #operations = new Map<string, Operation>()
  /** The topics that the broker has confirmed. */
  readonly #held = new Set<string>()
  readonly #sweep = new Sweep((topics) => this.#unsubscribeUnused(topics))
  readonly #foreignLog: ThrottledLog
  readonly #refusedLog: ThrottledLog
  readonly #unsubscribeLog: ThrottledLog
  /** The number of times that the broker has come up or gone down. A change makes what was begun before obsolete. */
  #changes = 0
  #isConnected = false
  /** Why the broker is not up. */
  #reason?: Error
  #wasUp = false
  #isClosed = false

  /** `onResync` gets the topics that may have missed messages, each time that the broker is up again after it was down. */
  constructor (broker: Broker, topics: LocalTopics, onResync: (topics: string[]) => void, logging: Logging) {
    this.#broker = broker
    this.#topics = topics
    this.#onResync = onResync
    this.#logging = logging
    this.#foreignLog = new ThrottledLog(logging, 'the broker has delivered a message that this version of fastify-async-websocket has not published: the message is ignored')
    this.#refusedLog = new ThrottledLog(logging, 'the broker refuses to subscribe to a topic again: the sessions of the topic get only messages that are published in this process')
    this.#unsubscribeLog = new ThrottledLog(logging, 'the broker has failed to unsubscribe from a topic')
  }

  /**
   * Starts the broker. Resolves when the broker is up, when its first attempt has failed, and after `MAX_WAIT`. Rejects with
   * `WebSocketBrokerError` if the broker cannot be started at all.
   */
  async start (): Promise<void> {
    const started = quiet(this.#start())
    if (!await atMost(MAX_WAIT, started)) {
      started.catch((error) => logSafely(this.#logging, 'error', error.message, error.cause))
    }
    if (!this.#isConnected) logSafely(this.#logging, 'warn', 'the broker is out of reach: topics reach only this process until the broker is up', this.#reason)
  }

  async #start (): Promise<void> {
    try {
      await this.#broker.start(this)
    } catch (error) {
      throw brokerFailure('the broker cannot be started', error)
    }
  }

  /** Closes the broker. Resolves after `MAX_WAIT` at the latest. Never rejects. */
  async close (): Promise<void> {
    this.#disconnect()
    this.#isClosed = true
    try {
      if (!await atMost(MAX_WAIT, this.#broker.close())) logSafely(this.#logging, 'warn', `the broker has not closed within ${MAX_WAIT} ms`)
    } catch (error) {
      logSafely(this.#logging, 'warn', 'the broker has failed to close', error)
    }
  }

  /** Publishes to other processes. Rejects with `WebSocketBrokerError` if the broker is down or does not take the message. */
  publish (topic: string, payload: Payload): Promise<Publication> {
    if (this.state === 'up') return quiet(this.#publish(topic, seal(payload, this.#origin)))
    return rejected(new WebSocketBrokerError('the broker is down: the message has reached only the subscribers in this process, and is not sent later'))
  }

  async #publish (topic: string, envelope: Buffer): Promise<Publication> {
    try {
      await this.#broker.publish(topic, envelope)
      return NOT_KEPT
    } catch (error) {
      throw brokerFailure('the broker has not taken the message, which has reached only the subscribers in this process', error)
    }
  }

  /**
   * Subscribes to `topic` at the broker. Returns null if there is nothing to wait for: the broker has confirmed the topic before,
   * or is down. Otherwise resolves when the broker confirms or goes down, and rejects with `WebSocketBrokerError` if it refuses.
   */
  subscribe (topic: string): Promise<void> | null {
    const operation = this.#operations.get(topic)
    if (operation?.verb === 'subscribe') return operation.promise
    if (operation?.verb === 'unsubscribe') return quiet(operation.promise.then(() => this.subscribe(topic) ?? undefined))
    if (!this.#isConnected || this.#held.has(topic)) return null
    return this.#begin('subscribe', topic)
  }

  /** Tells the link that the last subscriber here has left `topic`. */
  left (topic: string): void {
    if (this.#isConnected) this.#sweep.add(topic)
  }

  onMessage (topic: string, message: Uint8Array): void {
    if (!this.#topics.has(topic)) return // the last subscriber has just left
    try {
      const letter = unseal(message)
      if (letter === null) this.#foreignLog.add()
      else if (!isFrom(message, this.#origin)) this.#topics.onLetter(topic, letter)
    } catch (error) {
      this.#foreignLog.add(error)
    }
  }

  onEntry (topic: string, position: string, message: Uint8Array): void {
    try {
      if (!this.#topics.onEntry(topic, position, message)) this.#foreignLog.add()
    } catch (error) {
      this.#foreignLog.add(error)
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
    tell('down', reason)
    logSafely(this.#logging, 'warn', 'the broker is down: topics reach only this process until the broker is up', reason)
  }

  async #subscribeAll (topics: string[], changes: number): Promise<void> {
    const results = await Promise.allSettled(topics.map((topic) => this.subscribe(topic)))
    if (changes !== this.#changes) return
    const refused = results.filter((result) => result.status === 'rejected')
    if (refused.length > 0) this.#refusedLog.add(refused[0].reason, refused.length)
    this.#up()
  }

  #up (): void {
    const topics = [...this.#topics.names]
    const isBack = this.#wasUp || topics.length > 0
    this.state = 'up'
    this.#wasUp = true
    tell('up', null)
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
    this.#topics.onDown()
  }

  #begin (verb: Operation['verb'], topic: string): Promise<void> {
    const operation = new Operation(verb)
    this.#operations.set(topic, operation)
    this.#perform(verb, topic).then(
      () => this.#done(topic, operation),
      // The broker may report a lost connection only after the call has rejected, later in the same turn.
      (error) => setImmediate(() => this.#failed(topic, operation, error))
    )
    return operation.promise
  }

  async #perform (verb: Operation['verb'], topic: string): Promise<void> {
    const retention = this.#topics.retentionOf(topic)
    await (retention === null ? this.#broker[verb](topic) : this.#broker.history![verb](topic, retention))
  }

  #done (topic: string, operation: Operation): void {
    if (!this.#isOver(topic, operation)) return
    if (operation.verb === 'subscribe') this.#held.add(topic)
    operation.resolve()
  }

  #failed (topic: string, operation: Operation, error: unknown): void {
    if (!this.#isOver(topic, operation)) return
    if (operation.verb === 'subscribe') {
      operation.reject(brokerFailure(`the broker refuses to subscribe to the topic ${JSON.stringify(topic)}`, error))
    } else {
      this.#unsubscribeLog.add(error)
      operation.resolve()
    }
  }

  /** Removes `operation`, which is over. Returns false if the operation is obsolete. */
  #isOver (topic: string, operation: Operation): boolean {
    return this.#operations.get(topic) === operation && this.#operations.delete(topic)
  }

  /** Unsubscribes from those of `topics` that still have no subscriber here. */
  #unsubscribeUnused (topics: Iterable<string>): void {
    for (const topic of topics) {
      if (this.#topics.has(topic)) continue
      if (this.#operations.has(topic)) this.#sweep.add(topic)
      else if (this.#held.delete(topic)) this.#begin('unsubscribe', topic)
    }
  }
}

function tell (state: 'up' | 'down', reason: Error | null): void {
  if (broker.hasSubscribers) broker.publish({ session: null, request: null, route: null, state, reason })
}

/** Passes topics on between one and two LINGERs after they were added. One timer serves all topics. */
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
