import { closeCodes } from '../base/close-codes'
import { excluding, includes, including, setOf, type Few } from '../base/small-set'
import { Deferred, quiet } from '../base/deferred'
import { hasComeRound, markRound } from '../base/end-of-turn'
import type { Subscriber } from '../protocol/multicast'
import type { End } from '../base/connection-end'
import type { Hub } from '../pubsub/pubsub'
import type { RouteSettings } from '../plugin/options'
import type { Outbox } from '../connection/send-queue'
import type { Burst } from '../protocol/prepared-message'
import type { Socket } from '../connection/connection'

const DONE = Promise.resolve()

/** How many times `maxBufferedAmount` a subscriber that drains may fall behind, from when it has exceeded it. */
const MAX_LAG = 16

/** What topics need of a session. */
export interface SubscribingSession extends Subscriber {
  /** Not null: before the handshake is complete, nobody subscribes. */
  readonly socket: Socket | null
  close (code: number, reason: string): Promise<void>
}

/** What a session that has subscribed has of its topics: which they are, and how it keeps up with what is published to them. */
export class TopicSubscriber<S extends SubscribingSession> {
  /** How many published messages it has missed. */
  skipped = 0
  readonly #session: S
  readonly #hub: Hub<S>
  readonly #options: RouteSettings
  #topics: Few<string> | undefined
  /** Those of its subscriptions that the broker has not confirmed. */
  #unconfirmed: Set<Deferred<void>> | null = null
  /** What had drained when that was last looked at, the bytes that were published since it changed, and the round of the event loop to wait for. */
  #drained = -1
  #published = 0
  #round = 0
  /** The least that has waited since it was more than the limit. */
  #least = Infinity

  constructor (session: S, hub: Hub<S>, options: RouteSettings) {
    this.#session = session
    this.#hub = hub
    this.#options = options
  }

  /** A copy, so that nobody else changes them. */
  get topics (): Set<string> {
    return setOf(this.#topics)
  }

  join (topic: string): Promise<void> {
    const wasIn = includes(this.#topics, topic)
    this.#topics = including(this.#topics, topic)
    const confirmed = this.#hub.subscribe(topic, this.#session)
    return confirmed === null ? DONE : quiet(this.#confirm(topic, wasIn, confirmed))
  }

  leave (topic: string): void {
    this.#topics = excluding(this.#topics, topic)
    this.#hub.unsubscribe(topic, this.#session)
  }

  /** Sends what was published, unless the session is too slow for it. */
  deliver (burst: Burst): void {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const socket = this.#session.socket!
    const { outbox } = socket
    if (outbox.share(burst, Math.min(sendHighWaterMark, maxBufferedAmount)) || socket.state !== 'open') return
    if (!this.#isTooSlow(outbox)) {
      this.#published += burst.byteLength
      outbox.forceShare(burst)
    } else if (slowSubscriber === 'skip') {
      this.skipped += burst.publications.length
    } else {
      this.#leaveAll()
      this.#session.close(closeCodes.TRY_AGAIN_LATER, 'too slow')
    }
  }

  /** The session has ended. */
  finish (end: End): void {
    this.#leaveAll()
    this.#unconfirmed?.forEach((waiting) => waiting.reject(end.during('subscribe')))
  }

  /**
   * Whether more than the limit was published since it has drained anything, or it drains ever less than is published. How
   * much is published in one turn is no sign of that: there, the kernel takes what it has room for, and no more can drain.
   */
  #isTooSlow (outbox: Outbox): boolean {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#options
    const limit = slowSubscriber === 'skip' ? sendHighWaterMark : maxBufferedAmount
    this.#look(outbox)
    if (this.#published > limit) {
      outbox.write()
      this.#look(outbox)
    }
    const waiting = outbox.bufferedAmount
    this.#least = waiting > limit ? Math.min(waiting, this.#least) : Infinity
    if (waiting - this.#least > MAX_LAG * maxBufferedAmount) return true
    return this.#published > limit && hasComeRound(this.#round)
  }

  #look ({ drained }: Outbox): void {
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
    for (const topic of topics) this.#hub.unsubscribe(topic, this.#session)
  }
}
