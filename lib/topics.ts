import { WebSocketTopicError } from './errors'
import { Publication } from './publication'
import type { Payload } from './encode'

const MAX_TOPIC_BYTES = 256
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Who can be given what is published. */
export interface Subscriber {
  deliver (publication: Publication): void
}

/** Throws `WebSocketTopicError` unless `topic` is a non-empty string of at most 256 bytes without control characters. */
export function checkTopic (topic: unknown): asserts topic is string {
  if (typeof topic !== 'string') throw new WebSocketTopicError(`a topic is a string, not ${topic === null ? 'null' : typeof topic}`)
  if (topic === '') throw new WebSocketTopicError('a topic is not empty')
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) throw new WebSocketTopicError(`a topic has at most ${MAX_TOPIC_BYTES} bytes`)
  if (CONTROL.test(topic)) throw new WebSocketTopicError(`the topic ${JSON.stringify(topic)} has a control character`)
}

/** Who listens to what. The other direction, what one listens to, each subscriber keeps itself. */
export class Topics<S extends Subscriber> {
  readonly #subscribers = new Map<string, Set<S>>()

  add (topic: string, subscriber: S): void {
    let subscribers = this.#subscribers.get(topic)
    if (subscribers === undefined) this.#subscribers.set(topic, subscribers = new Set())
    subscribers.add(subscriber)
  }

  remove (topic: string, subscriber: S): void {
    const subscribers = this.#subscribers.get(topic)
    if (subscribers === undefined) return
    subscribers.delete(subscriber)
    if (subscribers.size === 0) this.#subscribers.delete(topic)
  }

  /** A copy: what is done with the subscribers may change who subscribes. */
  subscribers (topic: string): Set<S> {
    return new Set(this.#subscribers.get(topic))
  }

  /** Gives `payload` to all subscribers of `topic` but `except`. */
  publish (topic: string, payload: Payload, except?: S): void {
    const subscribers = this.#subscribers.get(topic)
    if (subscribers === undefined) return
    const publication = new Publication(payload)
    for (const subscriber of subscribers) {
      if (subscriber !== except) subscriber.deliver(publication)
    }
  }
}
