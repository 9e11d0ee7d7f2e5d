import { checkAll, readOptions } from '../base/checks'
import { Deferred, quiet, rejected } from '../base/deferred'
import { checkConnection, checkLength, FOR_EVER, triesForEver, type Internals, type NatsConnection, type Status, type Statuses } from './nats/connection'
import { NatsHistory } from './nats/history'
import { Pulse, SILENCE } from './nats/pulse'
import { Requests } from './nats/requests'
import { checkPrefix, Subjects } from './nats/subjects'
import { Subscriptions } from './nats/subscriptions'
import type { Broker, BrokerListener } from '../../types/broker'

export type { NatsConnection } from './nats/connection'

export interface NatsBrokerOptions {
  /** The prefix of all subjects, default `'fastify-async-websocket.'`: at most 256 characters, no spaces, `*`, `>` or empty tokens. */
  prefix?: string
}

const PREFIX = 'fastify-async-websocket.'

/** The promise of every successful publish, so that a publish creates no promise. */
const ACCEPTED = Promise.resolve()

/**
 * Creates a broker on NATS, for the option `broker` of the plugin. Topics with history need JetStream, of NATS 2.9 or later. Other
 * topics do not use it.
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
  readonly history: NatsHistory
  readonly #connection: Internals
  readonly #prefix: string
  readonly #subjects: Subjects
  readonly #subscriptions: Subscriptions
  readonly #requests: Requests
  readonly #pulse: Pulse
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
    const check = (): void => this.#check()
    this.#subscriptions = new Subscriptions(connection, (error) => this.#startAnew(error))
    this.#requests = new Requests(connection, check)
    this.history = new NatsHistory(prefix, this.#requests, this.#subscriptions, {
      check,
      onEntry: (topic, position, message) => this.#listener.onEntry(topic, position, message),
      onGap: (error) => this.#startAnew(error)
    })
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
    await this.#subscriptions.subscribe(this.#subjects.of(topic), ({ data }) => this.#listener.onMessage(topic, data))
  }

  /** Resolves at once: the client delivers no more messages, even before the server has unsubscribed. */
  async unsubscribe (topic: string): Promise<void> {
    this.#check()
    this.#subscriptions.unsubscribe(this.#subjects.of(topic))
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
    checkLength(this.#connection, message)
    this.#connection.publish(this.#subjects.of(topic), message)
  }

  /**
   * The server has withdrawn a subscription, which the app still counts, or a live message is missing. After `onUp` the app subscribes
   * again, and reads what is missing.
   */
  #startAnew (error: Error): void {
    this.#goDown(error)
    this.#goUp()
  }

  async #follow (statuses: Statuses): Promise<void> {
    for await (const status of statuses) {
      const { type } = status
      if (type === 'disconnect') this.#goDown(new Error(`the connection to NATS is lost${triesForEver(this.#connection) ? '' : `; to try again for ever, ${FOR_EVER}`}`))
      else if (type === 'reconnect') this.#goUp()
      else if (type === 'error') this.#onError(status)
    }
  }

  #onClosed (): void {
    const problem = new Error(`the connection to NATS is closed for good, by the user or after its last attempt to connect: ${FOR_EVER}`)
    this.#goDown(problem)
    if (this.#state === 'down') this.#problem = problem
  }

  /** The server has refused a command, and does not say which, except for a subject. A subscription gets the error as well. */
  #onError ({ error: cause, data, permissionContext }: Status): void {
    const subject = cause?.subject ?? permissionContext?.subject
    const error = cause ?? new Error(subject === undefined ? String(data) : `${data}: ${subject}`)
    if (subject !== undefined) this.#requests.refuse(subject, error)
    if (!/permissions.violation/i.test(error.message)) this.#subscriptions.reject(error)
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
    this.#subscriptions.clear(this.#problem)
    this.#requests.clear(this.#problem)
    this.history.reset()
  }
}
