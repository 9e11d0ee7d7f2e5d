import { WebSocketTopicError } from '../base/errors'
import { excluding, including, setOf, type SmallSet } from '../base/small-set'
import { deliverTo, settle, type Subscriber } from '../protocol/multicast'
import { PreparedMessage } from '../protocol/prepared-message'
import type { Payload } from '../codec/encode'

const MAX_TOPIC_BYTES = 256
// eslint-disable-next-line no-control-regex -- a topic must not have control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/**
 * Throws `WebSocketTopicError` unless `topic` is a non-empty string of at most 256 bytes without control characters. A string with a lone
 * surrogate has no UTF-8: a broker would take it for another topic.
 */
export function checkTopic (topic: unknown): asserts topic is string {
  if (typeof topic !== 'string') throw new WebSocketTopicError(`a topic is a string, not ${topic === null ? 'null' : typeof topic}`)
  if (topic === '') throw new WebSocketTopicError('a topic is not empty')
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) throw new WebSocketTopicError(`a topic has at most ${MAX_TOPIC_BYTES} bytes`)
  if (CONTROL.test(topic)) throw new WebSocketTopicError(`the topic ${JSON.stringify(topic)} has a control character`)
  if (!topic.isWellFormed()) throw new WebSocketTopicError(`the topic ${JSON.stringify(topic)} has a lone surrogate, which has no UTF-8`)
}

/** The subscribers of each topic in this process. A subscriber keeps the list of its topics itself. */
export class Topics<S extends Subscriber> {
  readonly #subscribers = new Map<string, SmallSet<S>>()

  /** The topics that have subscribers. */
  get names (): Iterable<string> {
    return this.#subscribers.keys()
  }

  /** Whether `topic` has subscribers. */
  has (topic: string): boolean {
    return this.#subscribers.has(topic)
  }

  add (topic: string, subscriber: S): void {
    settle()
    const before = this.#subscribers.get(topic)
    const after = including(before, subscriber)
    if (after !== before) this.#subscribers.set(topic, after)
  }

  /** Removes `subscriber` from `topic`. Returns whether it was the last one. */
  remove (topic: string, subscriber: S): boolean {
    settle()
    const before = this.#subscribers.get(topic)
    return before !== undefined && excluding(before, subscriber) === undefined && this.#subscribers.delete(topic)
  }

  /** Returns a copy, because the caller's code may subscribe and unsubscribe. */
  subscribers (topic: string): Set<S> {
    return setOf(this.#subscribers.get(topic))
  }

  /**
   * Delivers `payload` to all subscribers of `topic` except `except`. `isText`: the message is a text; `payload` may be its UTF-8
   * then.
   */
  publish (topic: string, payload: Payload, except?: S, isText?: boolean): void {
    const subscribers = this.#subscribers.get(topic)
    if (subscribers === undefined || subscribers === except) return
    deliverTo(new PreparedMessage(payload, isText), subscribers, except)
  }
}
