import { nextTurn } from '../base/clock'
import { quiet } from '../base/deferred'
import { Topics } from './topics'
import type { Payload } from '../codec/encode'
import type { Subscriber } from '../protocol/multicast'
import type { BrokerLink } from './broker-link'

const DONE = Promise.resolve()

/** Bytes that are published before the event loop turns for those who await it, so that what waits is written. */
const MAX_PUBLISHED = 32 * 1024

/** Topics as they are used: those of this process first, then through a broker, if there is one, those of others. */
export class PubSub<S extends Subscriber> {
  readonly topics = new Topics<S>()
  /** To the broker. */
  link: BrokerLink | null = null
  /** Bytes, since the last such turn. */
  #published = 0
  #turn: Promise<void> | null = null

  /** Null where there is nothing to wait for; else settles as `Link.subscribe` does: who is refused unsubscribes. */
  subscribe (topic: string, subscriber: S): Promise<void> | null {
    this.topics.add(topic, subscriber)
    return this.link === null ? null : this.link.subscribe(topic)
  }

  unsubscribe (topic: string, subscriber: S): void {
    const wasLast = this.topics.remove(topic, subscriber)
    if (wasLast) this.link?.left(topic)
  }

  /**
   * Resolves at once, or in the next turn of the event loop where much has been published; with a broker, when that has
   * taken the message, too. Rejects with `WebSocketBrokerError` where it has reached this process only.
   */
  publish (topic: string, payload: Payload, except?: S): Promise<void> {
    this.topics.publish(topic, payload, except)
    const taken = this.link === null ? DONE : this.link.publish(topic, payload)
    this.#published += payload.length
    if (this.#published < MAX_PUBLISHED) return taken
    const turn = this.#turn ??= this.#nextTurn()
    return this.link === null ? turn : quiet(turn.then(() => taken))
  }

  async #nextTurn (): Promise<void> {
    await new Promise<void>((resolve) => nextTurn(resolve))
    this.#published = 0
    this.#turn = null
  }
}
