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
  /** The prefix of all subjects, default `'fastify-async-websocket.'`: at most 256 characters, no spaces, `*`, `>` or empty tokens. */
  prefix?: string
}

/** The subscription to a topic. */
interface Subscription {
  isConfirmed: boolean
  /** The error with which the server has refused the subscription. */
  refusal?: Error
  readonly client: { unsubscribe (): void }
}

const PREFIX = 'fastify-async-websocket.'

/** The promise of every successful publish, so that a publish creates no promise. */
const ACCEPTED = Promise.resolve()

/**
 * Creates a broker on NATS (core, without JetStream), for the option `broker` of the plugin.
 *
 * `connection` is a connection of @nats-io/transport-node 3, or of `nats` 2.29. The broker uses the connection as it is, and the
 * user closes it. Connect with `maxReconnectAttempts: -1`: otherwise an outage closes the connection for good, by default an
 * outage of 20 s. `start` emits a warning if the connection gives up.
 *
 * The broker is down when the connection is lost, or when nothing has arrived for 3 s. After a silence the broker makes the
 * connection reconnect. `publish` rejects a message of more bytes than the server takes (`max_payload` of the server, 1 MiB by
 * default).
 *
 * Throws `WebSocketOptionError` for an unknown option. `start` rejects with `WebSocketOptionError` if `connection` is no
 * connection to NATS, if `connection` is closed, or if `prefix` cannot begin a subject.
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
  /** The round trips that confirm subscriptions. */
  readonly #confirmations = new Set<Deferred<void>>()
  /** The confirmation whose round trip has not begun. */
  #nextConfirmation?: Deferred<void>
  readonly #started = new Deferred<void>()
  #listener!: BrokerListener
  #statuses?: Statuses
  #state: 'new' | 'starting' | 'up' | 'down' | 'closed' = 'new'
  /** The error of all operations while the broker is not up. */
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
      process.emitWarning(`the connection to NATS closes for good after an outage of some length: ${FOR_EVER}`, { code: 'FST_WS_NATS_RECONNECT' })
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

  /** Resolves at once: the client delivers no more messages, even before the server has unsubscribed. */
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
    const max = this.#connection.info?.max_payload as number // known while the broker is up
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
      process.emitWarning(detailsOf(error)) // the client would stop reading if the error reached it
    }
  }

  /** The server has refused a subscription, and the client has dropped it. */
  #refuse (topic: string, subscription: Subscription, error: Error): void {
    subscription.refusal = error
    this.#subscriptions.delete(topic)
    if (!subscription.isConfirmed) return
    // The app still counts the topic as subscribed. After `onUp` the app subscribes again, and is refused.
    this.#goDown(error)
    this.#goUp()
  }

  /** Resolves when the server has processed all earlier commands. The calls of one turn of the event loop share a round trip. */
  #confirm (): Promise<void> {
    if (this.#nextConfirmation === undefined) {
      this.#nextConfirmation = new Deferred()
      this.#confirmations.add(this.#nextConfirmation)
      setImmediate(() => this.#flush())
    }
    return this.#nextConfirmation.promise
  }

  async #flush (): Promise<void> {
    const confirmation = this.#nextConfirmation
    if (confirmation === undefined) return // `#reject` has rejected the confirmation
    this.#nextConfirmation = undefined
    try {
      await this.#connection.flush()
      await nextTurn() // the client reports an error later than the reply that follows the error
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

  /** The server has refused a command, and does not say which. If it refuses a subject, the subscription gets the error as well. */
  #onError (error: Error): void {
    if (!/permissions.violation/i.test(error.message)) this.#reject(error)
  }

  #onSilence (): void {
    this.#goDown(new Error(`the NATS server has not answered for ${SILENCE / 1000} s`))
    const { protocol } = this.#connection
    quiet(Promise.resolve(this.#connection.reconnect?.()))
    // `reconnect` waits until all bytes are written, which never happens if the server does not read. Without a socket, the wait
    // ends.
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

  /** Drops all that exists only while the broker is up. The client must not subscribe again by itself: the app subscribes again. */
  #release (): void {
    this.#pulse.stop()
    for (const { client } of this.#subscriptions.values()) client.unsubscribe()
    this.#subscriptions.clear()
    this.#reject(this.#problem)
  }

  #reject (error: Error): void {
    for (const confirmation of this.#confirmations) confirmation.reject(error)
    this.#confirmations.clear()
    this.#nextConfirmation = undefined
  }
}
