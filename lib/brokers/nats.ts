import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkAll, readOptions } from '../base/checks'
import { Deferred, quiet, rejected } from '../base/deferred'
import { detailsOf } from '../base/show'
import { checkConnection, FOR_EVER, triesForEver, type Internals, type NatsConnection, type Statuses } from './nats/connection'
import { Pulse, SILENCE } from './nats/pulse'
import { checkPrefix, Subjects } from './nats/subjects'
import type { Broker, BrokerListener } from '../../types/broker'

export type { NatsConnection } from './nats/connection'

export interface NatsBrokerOptions {
  /** What all subjects begin with, default `'fastify-async-websocket.'`: at most 256 characters, no spaces, `*`, `>` or empty tokens. */
  prefix?: string
}

/** A topic, as the server has it. */
interface Subscription {
  isConfirmed: boolean
  /** Why the server refuses it. */
  refusal?: Error
  readonly client: { unsubscribe (): void }
}

const PREFIX = 'fastify-async-websocket.'

/** What every publish returns that goes well: none costs a promise. */
const ACCEPTED = Promise.resolve()

/**
 * A broker on NATS (core, without JetStream), for the option `broker` of the plugin.
 *
 * `connection` is one of @nats-io/transport-node 3, or of `nats` 2.29. It is used as it is and remains the user's to close. Connect
 * with `maxReconnectAttempts: -1`: else an outage closes it for good (by default one of 20 s), of which a warning tells at the start.
 *
 * When the connection is lost, or nothing comes for 3 s, the broker is down, and has the connection reconnect.
 * A message of more bytes than the server takes (its `max_payload`, 1 MiB by default) is not published: `publish` rejects.
 *
 * Throws a `WebSocketOptionError` for options that there are not. `start` rejects with one if `connection` is no such connection, or
 * closed, or if `prefix` cannot begin a subject.
 */
export function natsBroker (connection: NatsConnection, options?: NatsBrokerOptions): Broker {
  const own = readOptions('natsBroker', options)
  checkAll(own, { prefix: () => {} }, 'of natsBroker') // `start` checks it
  return new NatsBroker(connection, own.prefix as string ?? PREFIX)
}

class NatsBroker implements Broker {
  readonly #connection: Internals
  readonly #prefix: string
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #subjects: Subjects
  readonly #pulse: Pulse
  /** Round trips that are to confirm subscriptions, and the one of them that has not begun. */
  readonly #confirmations = new Set<Deferred<void>>()
  #gathering?: Deferred<void>
  readonly #started = new Deferred<void>()
  #listener!: BrokerListener
  #statuses?: Statuses
  #state: 'new' | 'starting' | 'up' | 'down' | 'closed' = 'new'
  /** Why nothing can be had, unless it is up. */
  #problem: Error = new Error('the broker has not been started')

  constructor (connection: NatsConnection, prefix: string) {
    this.#connection = connection
    this.#prefix = prefix
    this.#subjects = new Subjects(prefix)
    this.#pulse = new Pulse(connection, () => this.#onSilence())
  }

  async start (listener: BrokerListener): Promise<void> {
    checkConnection(this.#connection)
    checkPrefix(this.#prefix)
    if (!triesForEver(this.#connection)) {
      process.emitWarning(`the connection to NATS is closed for good by an outage of some length: ${FOR_EVER}`, { code: 'FST_WS_NATS_RECONNECT' })
    }
    this.#listener = listener
    this.#state = 'starting'
    this.#statuses = this.#connection.status()
    this.#follow(this.#statuses)
    this.#connection.closed().then(() => this.#onClosed())
    this.#pulse.start()
    this.#connection.rtt().then(() => this.#goUp(), (error) => this.#goDown(new Error('NATS is out of reach', { cause: error })))
    await this.#started.promise
  }

  async subscribe (topic: string): Promise<void> {
    this.#check()
    const subscription = this.#subscriptions.get(topic) ?? this.#subscribe(topic)
    if (subscription.isConfirmed) return
    try {
      await this.#confirm()
    } catch (error) {
      this.#unsubscribe(topic)
      throw error
    }
    if (subscription.refusal !== undefined) throw subscription.refusal
    subscription.isConfirmed = true
  }

  /** The client delivers no more from here on, whenever the server hears of it. */
  async unsubscribe (topic: string): Promise<void> {
    this.#check()
    this.#unsubscribe(topic)
  }

  publish (topic: string, message: Uint8Array): Promise<void> {
    try {
      this.#publish(topic, message)
      return ACCEPTED
    } catch (error) {
      return rejected(error)
    }
  }

  async close (): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#problem = new Error('the broker is closed')
    this.#statuses?.stop?.()
    this.#release()
    this.#started.reject(this.#problem)
  }

  #check (): void {
    if (this.#state !== 'up') throw this.#problem
  }

  #publish (topic: string, message: Uint8Array): void {
    this.#check()
    const max = this.#connection.info?.max_payload as number // known while it is up
    if (message.length > max) throw new Error(`the message has ${message.length} bytes, and the NATS server takes ${max} (max_payload)`)
    this.#connection.publish(this.#subjects.of(topic), message)
  }

  #subscribe (topic: string): Subscription {
    const subscription: Subscription = {
      isConfirmed: false,
      client: this.#connection.subscribe(this.#subjects.of(topic), {
        callback: (error, message) => {
          if (error === null) this.#receive(topic, message.data)
          else this.#refuse(topic, subscription, error)
        }
      })
    }
    this.#subscriptions.set(topic, subscription)
    return subscription
  }

  #unsubscribe (topic: string): void {
    this.#subscriptions.get(topic)?.client.unsubscribe()
    this.#subscriptions.delete(topic)
  }

  #receive (topic: string, message: Uint8Array): void {
    try {
      this.#listener.onMessage(topic, message)
    } catch (error) {
      process.emitWarning(detailsOf(error)) // if the client got it, it would read no more
    }
  }

  /** The client has dropped the subscription. */
  #refuse (topic: string, subscription: Subscription, error: Error): void {
    subscription.refusal = error
    this.#subscriptions.delete(topic)
    if (!subscription.isConfirmed) return
    // The app takes it for subscribed: it has to do so again, and will be refused.
    this.#goDown(error)
    this.#goUp()
  }

  /** Resolves when the server has done all that it was told before. Those that ask in one turn of the event loop share a round trip. */
  #confirm (): Promise<void> {
    if (this.#gathering === undefined) {
      this.#gathering = new Deferred()
      this.#confirmations.add(this.#gathering)
      setImmediate(() => this.#flush())
    }
    return this.#gathering.promise
  }

  async #flush (): Promise<void> {
    const confirmation = this.#gathering
    if (confirmation === undefined) return // it has rejected
    this.#gathering = undefined
    try {
      await this.#connection.flush()
      await nextTurn() // the client tells of errors later than of what came after them
      confirmation.resolve()
    } catch (error) {
      confirmation.reject(error)
    }
    this.#confirmations.delete(confirmation)
  }

  async #follow (statuses: Statuses): Promise<void> {
    for await (const { type, error, data } of statuses) {
      if (type === 'disconnect') this.#goDown(new Error(`the connection to NATS is lost${triesForEver(this.#connection) ? '' : `; to try again for ever, ${FOR_EVER}`}`))
      else if (type === 'reconnect') this.#goUp()
      else if (type === 'error') this.#onError(error ?? new Error(String(data)))
    }
  }

  #onClosed (): void {
    const problem = new Error(`the connection to NATS is closed for good, by the user or after its last attempt to connect: ${FOR_EVER}`)
    this.#goDown(problem)
    if (this.#state === 'down') this.#problem = problem
  }

  /** The server has refused something, and does not say what. Where that is a subject, its subscription is told itself. */
  #onError (error: Error): void {
    if (!/permissions.violation/i.test(error.message)) this.#reject(error)
  }

  #onSilence (): void {
    this.#goDown(new Error(`the NATS server has not answered for ${SILENCE / 1000} s`))
    const { protocol } = this.#connection
    quiet(Promise.resolve(this.#connection.reconnect?.()))
    // It waits until all is written, which is never if nobody reads, but not longer than there is a socket.
    protocol?.transport?.socket?.destroy?.()
  }

  #goUp (): void {
    if (this.#state === 'closed') return
    this.#state = 'up'
    this.#pulse.start()
    this.#listener.onUp()
    this.#started.resolve()
  }

  #goDown (problem: Error): void {
    if (this.#state === 'down' || this.#state === 'closed') return
    this.#state = 'down'
    this.#problem = problem
    this.#release()
    this.#listener.onDown(problem)
    this.#started.resolve()
  }

  /** Lets go of what is there only while it is up. The client would subscribe again by itself when it is back, but the app does. */
  #release (): void {
    this.#pulse.stop()
    for (const { client } of this.#subscriptions.values()) client.unsubscribe()
    this.#subscriptions.clear()
    this.#reject(this.#problem)
  }

  #reject (error: Error): void {
    for (const confirmation of this.#confirmations) confirmation.reject(error)
    this.#confirmations.clear()
    this.#gathering = undefined
  }
}
