import { EventEmitter } from 'node:events'
import { quiet } from '../base/deferred'
import { guard, logSafely, type Logging } from '../base/user-code'
import { attempt, typeIn } from '../base/verb-options'
import { Codec } from '../codec/codec'
import { kindOf } from '../codec/message-kind'
import { beginningIn, withoutHistory } from '../pubsub/beginning'
import { checkTopic } from '../pubsub/topics'
import { Session } from '../session/session'
import type { AppState } from './app-state'
import type { ValueType } from '../../types/message'
import type { WebSocketStats } from '../../types/observe'
import type { Publication, ResyncEvent, TopicHistory } from '../../types/session'

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

  /** A snapshot of the counters since the start of the app. */
  stats (): WebSocketStats {
    return this.#appState.observer.stats(this.brokerState)
  }

  has (session: unknown): boolean {
    return Session.is(session) && this.#appState.has(session)
  }

  /** The sessions that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<Session> {
    checkTopic(topic)
    const { topics, history } = this.#appState.pubsub
    const sessions = topics.subscribers(topic)
    for (const { session } of history?.followers(topic) ?? []) sessions.add(session)
    return sessions
  }

  /** Emits 'resync' after an outage of the broker. An error of a listener is logged. */
  resync (event: ResyncEvent, logging: Logging): void {
    const failed = (error: unknown): void => logSafely(logging, 'error', "a listener on 'resync' of app.websockets threw", error)
    for (const listener of this.rawListeners('resync')) guard(() => listener.call(this, event), failed)
  }

  /**
   * Sends `message` to all subscribers of `topic`: strings and bytes as they are, other values as JSON, unless a `type` is given.
   * Rejects with `WebSocketBrokerError` if the message has reached only the subscribers in this process.
   */
  publish (topic: string, message: unknown, options?: ValueType | { type?: ValueType }): Promise<Publication> {
    return attempt('publish', () => {
      checkTopic(topic)
      const { pubsub } = this.#appState
      const type = typeIn('publish', options)
      const payload = codec.encoder(type)(message)
      const retention = pubsub.retentionOf(topic)
      this.#appState.observer.other.published(null, topic, payload)
      return retention === null ? pubsub.publish(topic, payload) : pubsub.publishKept(topic, retention, kindOf(type ?? codec.sendType, message), payload)
    })
  }

  /** Returns the kept messages of `topic`: all, those after a position, or the newest. */
  history (topic: string, options?: object): Promise<TopicHistory> {
    return attempt('history', () => {
      checkTopic(topic)
      const { pubsub } = this.#appState
      const retention = pubsub.retentionOf(topic)
      if (retention === null) throw withoutHistory(topic)
      return quiet(pubsub.history!.read(topic, retention, beginningIn('history', options)))
    })
  }
}
