import { afterTurn } from '../base/clock'
import { quiet } from '../base/deferred'
import { BrokerLink, NOT_KEPT, type LocalTopics } from './broker-link'
import { BrokerLog } from './broker-log'
import { History, type RetentionOf } from './history'
import { MemoryLog } from './memory-log'
import { Topics } from './topics'
import type { Logging } from '../base/user-code'
import type { Payload } from '../codec/encode'
import type { Subscriber } from '../protocol/multicast'
import type { Broker, Retention } from '../../types/broker'
import type { Publication } from '../../types/session'
import type { Kind } from './entry'
import type { Letter } from './envelope'
import type { Follower, Subscription } from './subscription'
import type { LogListener, TopicLog } from './topic-log'

const DONE = Promise.resolve(NOT_KEPT)

/** Bytes. After so many, `publish` resolves in the next turn of the event loop: a loop of awaited calls lets sockets write. */
const MAX_PUBLISHED = 32 * 1024

/** Publishes and subscribes: to the subscribers of this process first, then through the broker, if there is one. */
export class PubSub<S extends Subscriber, F extends Follower = Follower> implements LocalTopics {
  readonly topics = new Topics<S>()
  /** The link to the broker; null without a broker. */
  link: BrokerLink | null = null
  /** The topics with history; null if no topic has. */
  history: History<F> | null = null
  #brokerLog: BrokerLog | null = null
  #memoryLog: MemoryLog | null = null
  /** The bytes published since the event loop last turned for `publish`. */
  #published = 0
  #turn: Promise<Publication> | null = null

  /** Connects the topics to `broker`. `onResync` is that of `BrokerLink`. */
  connect (broker: Broker, onResync: (topics: string[]) => void, logging: Logging): void {
    this.link = new BrokerLink(broker, this, onResync, logging)
  }

  /** Keeps messages: at the broker's `history`, or in this process. `onMissed` is that of `History`. */
  remember (retentionOf: RetentionOf, broker: Broker | undefined, onMissed: (topic: string) => void): void {
    if (broker !== undefined) this.#brokerLog = new BrokerLog(broker.history!)
    const createLog = (listener: LogListener): TopicLog => this.#brokerLog ?? (this.#memoryLog = new MemoryLog(listener))
    this.history = new History<F>(retentionOf, createLog, this.link, onMissed)
  }

  /** Closes the link to the broker, and forgets the messages that are kept in this process. Never rejects. */
  async close (): Promise<void> {
    this.#memoryLog?.clear()
    await this.link?.close()
  }

  /** Returns null if there is nothing to wait for, otherwise like `BrokerLink.subscribe`. A caller that is refused unsubscribes. */
  subscribe (topic: string, subscriber: S): Promise<void> | null {
    this.topics.add(topic, subscriber)
    return this.link === null ? null : this.link.subscribe(topic)
  }

  unsubscribe (topic: string, subscriber: S): void {
    const wasLast = this.topics.remove(topic, subscriber)
    if (wasLast) this.link?.left(topic)
  }

  /**
   * Publishes `payload` to all subscribers of `topic` except `except`. Resolves at once, or in the next turn of the event loop
   * after `MAX_PUBLISHED` bytes. With a broker, resolves when the broker has taken the message, too, and rejects with
   * `WebSocketBrokerError` if the message has reached only this process.
   */
  publish (topic: string, payload: Payload, except?: S): Promise<Publication> {
    this.topics.publish(topic, payload, except)
    return this.#paced(payload, this.link === null ? DONE : this.link.publish(topic, payload))
  }

  /** Publishes to a topic with history, like `History.publish`, and as seldom within a turn as `publish`. */
  publishKept (topic: string, retention: Retention, kind: Kind, payload: Payload, sender?: Subscription<F>): Promise<Publication> {
    return this.#paced(payload, this.history!.publish(topic, retention, kind, payload, sender))
  }

  get names (): Iterable<string> {
    return this.history === null ? this.topics.names : [...this.topics.names, ...this.history.names]
  }

  has (topic: string): boolean {
    return this.topics.has(topic) || this.history?.has(topic) === true
  }

  retentionOf (topic: string): Retention | null {
    return this.history === null ? null : this.history.retentionOf(topic)
  }

  onLetter (topic: string, { payload, isText }: Letter): void {
    this.topics.publish(topic, payload, undefined, isText)
  }

  onEntry (topic: string, position: string, message: Uint8Array): boolean {
    const entry = this.#brokerLog!.entry(position, message)
    if (entry !== null) this.history!.onEntry(topic, entry)
    return entry !== null
  }

  onDown (): void {
    this.history?.pause()
  }

  #paced (payload: Payload, published: Promise<Publication>): Promise<Publication> {
    this.#published += payload.length
    if (this.#published < MAX_PUBLISHED) return published
    const turn = this.#turn ??= this.#nextTurn()
    return published === DONE ? turn : quiet(turn.then(() => published))
  }

  async #nextTurn (): Promise<Publication> {
    await afterTurn()
    this.#published = 0
    this.#turn = null
    return NOT_KEPT
  }
}
