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

/** How many times `maxBufferedAmount` a subscriber that drains may fall behind, from when it has exceeded it. */
const MAX_LAG = 16

/** What decides whether a subscriber is too slow, and what becomes of one: lengths are in bytes. */
export interface SubscriberSettings {
  slowSubscriber: 'close' | 'skip'
  sendHighWaterMark: number
  maxBufferedAmount: number
}

/** What topics need of a session. */
export interface SubscribingSession extends Subscriber {
  /** Not null: before the handshake is complete, nobody subscribes. */
  readonly connection: Connection | null
  close (code: number, reason: string): Promise<void>
}

/** What a session that has subscribed has of its topics: which they are, and how it keeps up with what is published to them. */
export class TopicSubscriber<S extends SubscribingSession> {
  /** How many published messages it has missed. */
  skipped = 0
  readonly #session: S
  readonly #pubsub: PubSub<S>
  readonly #options: SubscriberSettings
  #topics: SmallSet<string> | undefined
  /** Those of its subscriptions that the broker has not confirmed. */
  #unconfirmed: Set<Deferred<void>> | null = null
  /** What had drained when that was last looked at, the bytes that were published since it changed, and the round of the event loop to wait for. */
  #drained = -1
  #published = 0
  #round = 0
  /** The least that has waited since it was more than the limit. */
  #least = Infinity

  constructor (session: S, pubsub: PubSub<S>, options: SubscriberSettings) {
    this.#session = session
    this.#pubsub = pubsub
    this.#options = options
  }

  /** A copy, so that nobody else changes them. */
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

  /** Sends what was published, unless the session is too slow for it. */
  deliver (batch: Batch): void {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const socket = this.#session.connection!
    const { sendQueue } = socket
    if (sendQueue.share(batch, Math.min(sendHighWaterMark, maxBufferedAmount)) || socket.state !== 'open') return
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
   * Whether more than the limit was published since it has drained anything, or it drains ever less than is published. How
   * much is published in one turn is no sign of that: there, the kernel takes what it has room for, and no more can drain.
   */
  #isTooSlow (sendQueue: SendQueue): boolean {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const limit = slowSubscriber === 'skip' ? sendHighWaterMark : maxBufferedAmount
    this.#look(sendQueue)
    if (this.#published > limit) {
      sendQueue.write()
      this.#look(sendQueue)
    }
    const waiting = sendQueue.bufferedAmount
    this.#least = waiting > limit ? Math.min(waiting, this.#least) : Infinity
    if (waiting - this.#least > MAX_LAG * maxBufferedAmount) return true
    return this.#published > limit && hasComeRound(this.#round)
  }

  #look ({ drained }: SendQueue): void {
    if (drained === this.#drained) return
    this.#published = 0
    this.#drained = drained
    this.#round = markRound()
  }

  /** Waits until the broker has confirmed a subscription. One that it refuses is taken back, unless it stood before. */
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
