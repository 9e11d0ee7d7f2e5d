import { afterTurn } from '../base/clock'
import { quiet } from '../base/deferred'
import { Topics } from './topics'
import type { Payload } from '../codec/encode'
import type { Subscriber } from '../protocol/multicast'
import type { BrokerLink } from './broker-link'

const DONE = Promise.resolve()

/** Bytes. After so many, `publish` resolves in the next turn of the event loop: a loop of awaited calls lets sockets write. */
const MAX_PUBLISHED = 32 * 1024

/** Publishes and subscribes: to the subscribers of this process first, then through the broker, if there is one. */
export class PubSub<S extends Subscriber> {
  readonly topics = new Topics<S>()
  /** The link to the broker; null without a broker. */
  link: BrokerLink | null = null
  /** The bytes published since the event loop last turned for `publish`. */
  #published = 0
  #turn: Promise<void> | null = null

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
  publish (topic: string, payload: Payload, except?: S): Promise<void> {
    this.topics.publish(topic, payload, except)
    const taken = this.link === null ? DONE : this.link.publish(topic, payload)
    this.#published += payload.length
    if (this.#published < MAX_PUBLISHED) return taken
    const turn = this.#turn ??= this.#nextTurn()
    return this.link === null ? turn : quiet(turn.then(() => taken))
  }

  async #nextTurn (): Promise<void> {
    await afterTurn()
    this.#published = 0
    this.#turn = null
  }
}
