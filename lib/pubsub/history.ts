import { quiet, rejected } from '../base/deferred'
import { WebSocketBrokerError } from '../base/errors'
import { CatchUp, type Log, type Reader } from './catch-up'
import { RememberedTopic, type TopicOwner } from './remembered-topic'
import { NOWHERE, Subscription, type Follower, type Standing } from './subscription'
import type { Payload } from '../codec/encode'
import type { Retention } from '../../types/broker'
import type { TopicHistory } from '../../types/session'
import type { Entry, Kind } from './entry'
import type { Beginning } from './beginning'
import type { Position } from './position'
import type { LogListener, TopicLog } from './topic-log'

/** Tells how much of a topic is kept; null for a topic without history. */
export type RetentionOf = (topic: string) => Retention | null

/** The part of the link to the broker that a history uses. */
export interface HistoryLink {
  readonly state: 'up' | 'down'
  subscribe (topic: string): Promise<void> | null
  left (topic: string): void
}

const MAX_NUMBER = 0xffffffff

/** The topics with history: their logs, and their subscriptions in this process. */
export class History<F extends Follower> implements TopicOwner<F>, LogListener {
  /** The retention of a topic; null for a topic without history. */
  readonly retentionOf: RetentionOf
  readonly #log: TopicLog
  /** Null if the log is in this process. */
  readonly #link: HistoryLink | null
  readonly #onMissed: (topic: string) => void
  readonly #topics = new Map<string, RememberedTopic<F>>()
  readonly #subscriptions = new Map<number, Subscription<F>>()
  #number = 0

  /** `createLog` returns the log whose entries come to the history. `onMissed` is called when messages of a topic were lost. */
  constructor (retentionOf: RetentionOf, createLog: (listener: LogListener) => TopicLog, link: HistoryLink | null, onMissed: (topic: string) => void) {
    this.retentionOf = retentionOf
    this.#log = createLog(this)
    this.#link = link
    this.#onMissed = onMissed
  }

  /** The topics that have subscriptions. */
  get names (): Iterable<string> {
    return this.#topics.keys()
  }

  /** Whether `topic` has subscriptions. */
  has (topic: string): boolean {
    return this.#topics.has(topic)
  }

  followers (topic: string): F[] {
    return this.#topics.get(topic)?.followers ?? []
  }

  subscription (number: number): Subscription<F> | undefined {
    return this.#subscriptions.get(number)
  }

  missed (topic: string): void {
    this.#onMissed(topic)
  }

  /** Publishes a message, of `sender` if it has subscribed. Rejects with `WebSocketBrokerError` if the message is not kept. */
  publish (topic: string, retention: Retention, kind: Kind, payload: Payload, sender?: Subscription<F>): Promise<{ position: string }> {
    if (this.#isDown) return rejected(new WebSocketBrokerError('the broker is down: the message has reached no subscriber, and is not sent later'))
    return quiet(this.#log.append(topic, { kind, payload, sender: sender?.number ?? 0 }, retention).then((position) => ({ position })))
  }

  /** Creates a subscription, which gets nothing before `begin`. */
  create (name: string, retention: Retention, follower: F, positions: boolean): Subscription<F> {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = new RememberedTopic(name, this.#logOf(name, retention), retention.ttl, this)
      if (this.#isDown) topic.pause()
      this.#topics.set(name, topic)
    }
    this.#number = this.#number % MAX_NUMBER + 1
    const subscription = new Subscription(topic, this.#number, follower, positions)
    topic.add(subscription)
    this.#subscriptions.set(this.#number, subscription)
    return subscription
  }

  /**
   * Begins a subscription. Resolves when the messages that were asked for are in the send queue. Rejects with `WebSocketBrokerError`
   * if the broker refuses, or cannot be read.
   */
  async begin (subscription: Subscription<F>, { after, last }: Beginning): Promise<Standing> {
    const confirmed = this.#link?.subscribe(subscription.topic.name)
    if (confirmed != null) await confirmed
    if (this.#isDown) return this.#beginDown(subscription, after === undefined && last === undefined)
    if (after !== undefined) return await subscription.resume(after)
    return await (last === undefined ? subscription.begin() : subscription.replay(last))
  }

  /** Ends a subscription. */
  end (subscription: Subscription<F>): void {
    const { topic } = subscription
    subscription.leave()
    this.#subscriptions.delete(subscription.number)
    if (!topic.isEmpty || !this.#topics.delete(topic.name)) return
    this.#link?.left(topic.name)
  }

  /** Returns kept messages. Rejects with `WebSocketBrokerError` if the log cannot be read. */
  async read (topic: string, retention: Retention, { after, last }: Beginning): Promise<TopicHistory> {
    if (this.#isDown) throw cannotRead()
    const log = this.#logOf(topic, retention)
    const entries = after === undefined ? await log.readNewest(last ?? retention.size) : await entriesAfter(log, after)
    const kept = entries?.filter(({ kind }) => kind !== 'start').map(({ position, data }) => ({ position, data }))
    return { messages: kept ?? [], recovered: after !== undefined && kept !== undefined }
  }

  onEntry (topic: string, entry: Entry): void {
    this.#topics.get(topic)?.onEntry(entry)
  }

  /** The broker is down. */
  pause (): void {
    for (const topic of this.#topics.values()) topic.pause()
  }

  /**
   * Brings all subscriptions up to date, since the broker is up again. Resolves with the topics that have missed nothing, or with null if
   * the broker goes down meanwhile.
   */
  async recover (): Promise<string[] | null> {
    const paused = [...this.#topics.values()].filter(({ isPaused }) => isPaused)
    const results = await Promise.all(paused.map((topic) => topic.recover()))
    return results.includes(null) ? null : paused.filter((_, i) => results[i]).map(({ name }) => name)
  }

  get #isDown (): boolean {
    return this.#link?.state === 'down'
  }

  // The subscription becomes live when the broker is up.
  #beginDown (subscription: Subscription<F>, isFromNow: boolean): Standing {
    if (!isFromNow) throw cannotRead()
    subscription.arrive(null)
    return NOWHERE
  }

  #logOf (topic: string, retention: Retention): Log {
    const log = this.#log
    return {
      read: (place, count) => log.read(topic, place, count, retention),
      readNewest: (count) => log.readNewest(topic, count, retention),
      end: () => log.end(topic, retention),
      compare: (a, b) => log.compare(a, b)
    }
  }
}

/** Reads the entries after the position `after`. Resolves with undefined if the log does not have `after`. */
async function entriesAfter (log: Log, after: Position): Promise<Entry[] | undefined> {
  const all: Entry[] = []
  const reader: Reader = { take: (entry) => { all.push(entry) }, arrive () {} }
  return await new CatchUp(log, reader, after).run() ? all : undefined
}

function cannotRead (): WebSocketBrokerError {
  return new WebSocketBrokerError('the broker is down: the history of the topic cannot be read')
}
