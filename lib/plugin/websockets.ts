import { EventEmitter } from 'node:events'
import { guard, logSafely, type Logging } from '../base/user-code'
import { attempt, typeIn } from '../base/verb-options'
import { Codec } from '../codec/codec'
import { checkTopic } from '../pubsub/topics'
import { Session } from '../session/session'
import type { AppState } from './app-state'
import type { ValueType } from '../../types/message'

const codec = new Codec({ sendType: 'any' })

/** `app.websockets`: the open sessions. */
export class WebSockets extends EventEmitter {
  readonly #appState: AppState

  constructor (appState: AppState) {
    super()
    this.#appState = appState
  }

  get size (): number {
    return this.#appState.open
  }

  [Symbol.iterator] (): IterableIterator<Session> {
    return this.#appState.sessions()
  }

  /** Whether published messages reach other processes; `'up'` without a broker. */
  get brokerState (): 'up' | 'down' {
    return this.#appState.pubsub.link?.state ?? 'up'
  }

  has (session: unknown): boolean {
    return Session.is(session) && this.#appState.has(session)
  }

  /** The sessions that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<Session> {
    checkTopic(topic)
    return this.#appState.pubsub.topics.subscribers(topic)
  }

  /** Emits 'resync': the subscribers of `topics` may have missed messages. An error of a listener is logged. */
  resync (topics: string[], logging: Logging): void {
    const failed = (error: unknown): void => logSafely(logging, 'error', "a listener on 'resync' of app.websockets threw", error)
    for (const listener of this.rawListeners('resync')) guard(() => listener.call(this, { topics }), failed)
  }

  /**
   * Sends `message` to all subscribers of `topic`: strings and bytes as they are, other values as JSON, unless a `type` is given.
   * Rejects with `WebSocketBrokerError` if the message has reached only the subscribers in this process.
   */
  publish (topic: string, message: unknown, options?: ValueType | { type?: ValueType }): Promise<void> {
    return attempt('publish', () => {
      checkTopic(topic)
      return this.#appState.pubsub.publish(topic, codec.encoder(typeIn('publish', options))(message))
    })
  }
}
