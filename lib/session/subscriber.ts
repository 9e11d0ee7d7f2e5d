import { closeCodes } from '../base/close-codes'
import { Deferred, quiet } from '../base/deferred'
import { hasComeRound, markRound } from '../base/end-of-turn'
import { excluding, includes, including, setOf, type SmallSet } from '../base/small-set'
import { NOWHERE } from '../pubsub/subscription'
import type { FastifyRequest } from 'fastify'
import type { ConnectionEnd } from '../base/connection-end'
import type { Connection } from '../connection/connection'
import type { SendQueue } from '../connection/send-queue'
import type { RouteObserver } from '../observe/route-observer'
import type { Subscriber } from '../protocol/multicast'
import type { Batch, PreparedMessage } from '../protocol/prepared-message'
import type { SubscribeOptions } from '../pubsub/beginning'
import type { PubSub } from '../pubsub/pubsub'
import type { Follower, Standing, Subscription } from '../pubsub/subscription'
import type { Retention } from '../../types/broker'

const DONE = Promise.resolve(NOWHERE)

/** The number of times `maxBufferedAmount` by which a subscriber that drains may fall behind, after it has exceeded its limit. */
const MAX_LAG = 16

/** The settings that decide whether a subscriber is too slow, and what happens to a slow one. Lengths are in bytes. */
export interface SubscriberSettings {
  slowSubscriber: 'close' | 'skip'
  sendHighWaterMark: number
  maxBufferedAmount: number
}

/** The members of a session that topics use. */
export interface SubscribingSession extends Subscriber {
  /** Not null: a session subscribes only when the handshake is complete. */
  readonly connection: Connection | null
  close (code: number, reason: string): Promise<void>
  readonly request: FastifyRequest
  readonly observer: Pick<RouteObserver, 'skipped' | 'closedAsSlow'>
}

/** A subscription to a topic with history. */
interface Following<S extends SubscribingSession> {
  readonly subscription: Subscription<TopicSubscriber<S>>
  readonly standing: Promise<Standing>
}

/** A session as a subscriber: its topics, and whether it keeps up with the messages that are published to them. */
export class TopicSubscriber<S extends SubscribingSession> implements Follower {
  /** The number of published messages that the session has missed. */
  skipped = 0
  readonly session: S
  readonly #pubsub: PubSub<S, TopicSubscriber<S>>
  readonly #options: SubscriberSettings
  /** The topics without history. */
  #topics: SmallSet<string> | undefined
  /** The topics with history. */
  #followed: Map<string, Following<S>> | null = null
  /** The subscriptions that the broker has not confirmed. */
  #unconfirmed: Set<Deferred<Standing>> | null = null
  /** The value of `SendQueue.drained` at the last check. */
  #drained = -1
  /** The bytes that were published since `#drained` changed. */
  #published = 0
  /** The round of the event loop to wait for, since `#drained` changed (see `hasComeRound`). */
  #round = 0
  /** The minimum of the waiting bytes since they exceeded the limit. */
  #minWaiting = Infinity

  constructor (session: S, pubsub: PubSub<S, TopicSubscriber<S>>, options: SubscriberSettings) {
    this.session = session
    this.#pubsub = pubsub
    this.#options = options
  }

  /** A copy of the topics. */
  get topics (): Set<string> {
    const topics = setOf(this.#topics)
    this.#followed?.forEach((_, topic) => topics.add(topic))
    return topics
  }

  /** Subscribes to a topic without history. */
  join (topic: string): Promise<Standing> {
    const wasIn = includes(this.#topics, topic)
    this.#topics = including(this.#topics, topic)
    const confirmed = this.#pubsub.subscribe(topic, this.session)
    return confirmed === null ? DONE : quiet(this.#confirm(confirmed.then(() => NOWHERE), () => { if (!wasIn) this.leave(topic) }))
  }

  /** Subscribes to a topic with history. A subscription without options to a topic that the session has keeps the one it has. */
  follow (topic: string, retention: Retention, { positions, ...beginning }: SubscribeOptions): Promise<Standing> {
    const known = this.#followed?.get(topic)
    if (known !== undefined && positions === undefined && beginning.after === undefined && beginning.last === undefined) return known.standing
    const history = this.#pubsub.history!
    const subscription = history.create(topic, retention, this, positions === true)
    if (known !== undefined) history.end(known.subscription)
    const standing = quiet(this.#confirm(history.begin(subscription, beginning), () => {
      if (this.subscriptionTo(topic) === subscription) this.leave(topic)
    }))
    this.#followed ??= new Map()
    this.#followed.set(topic, { subscription, standing })
    return standing
  }

  /** The subscription to a topic with history. */
  subscriptionTo (topic: string): Subscription<TopicSubscriber<S>> | undefined {
    return this.#followed?.get(topic)?.subscription
  }

  leave (topic: string): void {
    const subscription = this.subscriptionTo(topic)
    if (subscription === undefined) {
      this.#topics = excluding(this.#topics, topic)
      this.#pubsub.unsubscribe(topic, this.session)
    } else {
      this.#followed!.delete(topic)
      this.#pubsub.history!.end(subscription)
    }
  }

  /** Sends published messages, unless the session is too slow for them. */
  deliver (batch: Batch): void {
    if (this.offer(batch)) return
    this.skipped += batch.count
    this.session.observer.skipped(this.session, batch.count)
  }

  replay (message: PreparedMessage): Promise<void> {
    return this.session.connection!.sendQueue.sendShared(message)
  }

  giveUp (): void {
    this.#leaveAll()
    if (this.session.connection!.state === 'open') this.session.observer.closedAsSlow(this.session)
    this.session.close(closeCodes.TRY_AGAIN_LATER, 'too slow')
  }

  /**
   * Sends published messages, unless the session is too slow for them: then the session is closed, or with `slowSubscriber: 'skip'`
   * the function returns false.
   */
  offer (batch: Batch): boolean {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const connection = this.session.connection!
    const { sendQueue } = connection
    if (sendQueue.share(batch, Math.min(sendHighWaterMark, maxBufferedAmount)) || connection.state !== 'open') return true
    if (!this.#isTooSlow(sendQueue)) {
      this.#published += batch.byteLength
      sendQueue.forceShare(batch)
      return true
    }
    if (slowSubscriber === 'close') this.giveUp()
    return slowSubscriber === 'close'
  }

  /** The session has ended. */
  finish (end: ConnectionEnd): void {
    this.#leaveAll()
    this.#unconfirmed?.forEach((waiting) => waiting.reject(end.during('subscribe')))
  }

  /**
   * Whether the session is too slow: more bytes than the limit were published since a byte drained, or the session keeps draining
   * less than is published. The bytes that are published in one turn of the event loop are no sign of a slow session: during a
   * turn, the kernel takes the bytes that it has room for, and no more can drain.
   */
  #isTooSlow (sendQueue: SendQueue): boolean {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const limit = slowSubscriber === 'skip' ? sendHighWaterMark : maxBufferedAmount
    this.#checkDrained(sendQueue)
    if (this.#published > limit) {
      sendQueue.write()
      this.#checkDrained(sendQueue)
    }
    const waiting = sendQueue.bufferedAmount
    this.#minWaiting = waiting > limit ? Math.min(waiting, this.#minWaiting) : Infinity
    if (waiting - this.#minWaiting > MAX_LAG * maxBufferedAmount) return true
    return this.#published > limit && hasComeRound(this.#round)
  }

  #checkDrained ({ drained }: SendQueue): void {
    if (drained === this.#drained) return
    this.#published = 0
    this.#drained = drained
    this.#round = markRound()
  }

  /** Waits until a subscription is confirmed, or the session has ended. If the subscription is refused, calls `undo`. */
  async #confirm (confirmed: Promise<Standing>, undo: () => void): Promise<Standing> {
    const waiting = new Deferred<Standing>()
    this.#unconfirmed ??= new Set()
    this.#unconfirmed.add(waiting)
    confirmed.then((standing) => waiting.resolve(standing), (error) => waiting.reject(error))
    try {
      await waiting.promise
    } catch (error) {
      undo()
      throw error
    } finally {
      this.#unconfirmed.delete(waiting)
    }
    return await waiting.promise
  }

  #leaveAll (): void {
    const topics = setOf(this.#topics)
    this.#topics = undefined
    for (const topic of topics) this.#pubsub.unsubscribe(topic, this.session)
    const followed = this.#followed
    this.#followed = null
    followed?.forEach(({ subscription }) => this.#pubsub.history!.end(subscription))
  }
}
