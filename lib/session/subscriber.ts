import { closeCodes } from '../base/close-codes'
import { Deferred, quiet } from '../base/deferred'
import { hasComeRound, markRound } from '../base/end-of-turn'
import { excluding, includes, including, setOf, type SmallSet } from '../base/small-set'
import type { ConnectionEnd } from '../base/connection-end'
import type { Connection } from '../connection/connection'
import type { SendQueue } from '../connection/send-queue'
import type { Subscriber } from '../protocol/multicast'
import type { Batch } from '../protocol/prepared-message'
import type { PubSub } from '../pubsub/pubsub'

const DONE = Promise.resolve()

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
}

/** A session as a subscriber: its topics, and whether it keeps up with the messages that are published to them. */
export class TopicSubscriber<S extends SubscribingSession> {
  /** The number of published messages that the session has missed. */
  skipped = 0
  readonly #session: S
  readonly #pubsub: PubSub<S>
  readonly #options: SubscriberSettings
  #topics: SmallSet<string> | undefined
  /** The subscriptions that the broker has not confirmed. */
  #unconfirmed: Set<Deferred<void>> | null = null
  /** The value of `SendQueue.drained` at the last check. */
  #drained = -1
  /** The bytes that were published since `#drained` changed. */
  #published = 0
  /** The round of the event loop to wait for, since `#drained` changed (see `hasComeRound`). */
  #round = 0
  /** The minimum of the waiting bytes since they exceeded the limit. */
  #minWaiting = Infinity

  constructor (session: S, pubsub: PubSub<S>, options: SubscriberSettings) {
    this.#session = session
    this.#pubsub = pubsub
    this.#options = options
  }

  /** A copy of the topics. */
  get topics (): Set<string> {
    return setOf(this.#topics)
  }

  join (topic: string): Promise<void> {
    const wasIn = includes(this.#topics, topic)
    this.#topics = including(this.#topics, topic)
    const confirmed = this.#pubsub.subscribe(topic, this.#session)
    return confirmed === null ? DONE : quiet(this.#confirm(topic, wasIn, confirmed))
  }

  leave (topic: string): void {
    this.#topics = excluding(this.#topics, topic)
    this.#pubsub.unsubscribe(topic, this.#session)
  }

  /** Sends published messages, unless the session is too slow for them. */
  deliver (batch: Batch): void {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const connection = this.#session.connection!
    const { sendQueue } = connection
    if (sendQueue.share(batch, Math.min(sendHighWaterMark, maxBufferedAmount)) || connection.state !== 'open') return
    if (!this.#isTooSlow(sendQueue)) {
      this.#published += batch.byteLength
      sendQueue.forceShare(batch)
    } else if (slowSubscriber === 'skip') {
      this.skipped += batch.messages.length
    } else {
      this.#leaveAll()
      this.#session.close(closeCodes.TRY_AGAIN_LATER, 'too slow')
    }
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

  /** Waits until the broker has confirmed a subscription. A refused subscription is removed, unless it existed before (`wasIn`). */
  async #confirm (topic: string, wasIn: boolean, confirmed: Promise<void>): Promise<void> {
    const waiting = new Deferred<void>()
    this.#unconfirmed ??= new Set()
    this.#unconfirmed.add(waiting)
    confirmed.then(() => waiting.resolve(), (error) => waiting.reject(error))
    try {
      await waiting.promise
    } catch (error) {
      if (!wasIn) this.leave(topic)
      throw error
    } finally {
      this.#unconfirmed.delete(waiting)
    }
  }

  #leaveAll (): void {
    const { topics } = this
    this.#topics = undefined
    for (const topic of topics) this.#pubsub.unsubscribe(topic, this.#session)
  }
}
