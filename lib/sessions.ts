import { EventEmitter } from 'node:events'
import { Codec } from './codec'
import { rejected } from './promise'
import { checkTopic, Topics } from './topics'
import type { Session } from './session'
import type { ValueType } from '../types/message'

const codec = new Codec({ sendType: 'any' })

/** `app.websockets`: the open sessions. */
export class Sessions extends EventEmitter {
  readonly #open: Set<Session>
  readonly #topics: Topics<Session>

  constructor (open: Set<Session>, topics: Topics<Session>) {
    super()
    this.#open = open
    this.#topics = topics
  }

  get size (): number {
    return this.#open.size
  }

  [Symbol.iterator] (): IterableIterator<Session> {
    return this.#open.values()
  }

  has (session: Session): boolean {
    return this.#open.has(session)
  }

  /** The sessions that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<Session> {
    checkTopic(topic)
    return this.#topics.subscribers(topic)
  }

  /** Sends `message` to all subscribers of `topic`: strings, bytes, or anything else as JSON, unless a `type` is given. */
  publish (topic: string, message: unknown, options?: { type?: ValueType }): Promise<void> {
    try {
      checkTopic(topic)
      this.#topics.publish(topic, codec.encoder(options?.type)(message))
      return Promise.resolve()
    } catch (error) {
      return rejected(error)
    }
  }
}
