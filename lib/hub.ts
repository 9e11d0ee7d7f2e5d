import { Topics } from './topics'
import type { Subscriber } from './broadcast'
import type { Payload } from './encode'
import type { Link } from './link'

const DONE = Promise.resolve()

/** Topics as they are used: those of this process first, then through a broker, if there is one, those of others. */
export class Hub<S extends Subscriber> {
  readonly topics = new Topics<S>()
  /** To the broker. */
  link: Link | null = null

  /** Null where there is nothing to wait for; else settles as `Link.subscribe` does: who is refused unsubscribes. */
  subscribe (topic: string, subscriber: S): Promise<void> | null {
    this.topics.add(topic, subscriber)
    return this.link === null ? null : this.link.subscribe(topic)
  }

  unsubscribe (topic: string, subscriber: S): void {
    const wasLast = this.topics.remove(topic, subscriber)
    if (wasLast) this.link?.left(topic)
  }

  /** Rejects with `WebSocketBrokerError` where it has reached this process only. */
  publish (topic: string, payload: Payload, except?: S): Promise<void> {
    this.topics.publish(topic, payload, except)
    return this.link === null ? DONE : this.link.publish(topic, payload)
  }
}
