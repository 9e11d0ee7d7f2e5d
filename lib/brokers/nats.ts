import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkAll, readOptions } from '../base/checks'
import { Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketOptionError } from '../base/errors'
import { detailsOf, show } from '../base/show'
import { timers, Entry } from '../base/timers'
import type { Broker, BrokerListener } from '../../types/broker'

/** What the broker uses of a connection to NATS, so that its types are not needed to compile. */
export interface NatsConnection {
  readonly info?: { max_payload: number }
  publish (subject: string, payload: Uint8Array): void
  subscribe (subject: string, options: { callback: (error: Error | null, message: { data: Uint8Array }) => void }): { unsubscribe (): void }
  flush (): Promise<void>
  rtt (): Promise<number>
  status (): AsyncIterable<{ type: string }>
  stats (): { inMsgs: number }
  isClosed (): boolean
  closed (): Promise<unknown>
  reconnect? (): Promise<void>
}

export interface NatsBrokerOptions {
  /** What all subjects begin with, default `'fastify-async-websocket.'`: at most 256 characters, no spaces, `*`, `>` or empty tokens. */
  prefix?: string
}

/** A connection as it is, where it shows more than its types say. */
interface Internals extends NatsConnection {
  options?: { reconnect?: boolean, maxReconnectAttempts?: number }
  protocol?: { transport?: { socket?: { destroy? (): void } } }
}

/** What a connection tells of itself. `nats` 2 has `data` for the `error` of version 3. */
interface Status {
  type: string
  error?: Error
  data?: unknown
}

interface Statuses extends AsyncIterable<Status> {
  stop? (): void
}

/** A topic, as the server has it. */
interface Subscription {
  isConfirmed: boolean
  /** Why the server refuses it. */
  refusal?: Error
  readonly client: { unsubscribe (): void }
}

const PREFIX = 'fastify-async-websocket.'

/** How many subjects are kept at the most: to make one takes a third of the time in which a message is published. */
const MAX_SUBJECTS = 1_000

/** What every publish returns that goes well: none costs a promise. */
const ACCEPTED = Promise.resolve()

const METHODS = ['publish', 'subscribe', 'flush', 'rtt', 'status', 'stats', 'isClosed', 'closed'] as const
const MAX_PREFIX = 256
const FOR_EVER = 'connect with maxReconnectAttempts: -1'

/** How often the server is asked whether it is there, in milliseconds, and how often in vain until it counts as gone: found within 4 s. */
const INTERVAL = 1_000
const MAX_SILENCE = 3

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
  /** Of topics that were published to of late. */
  readonly #subjects = new Map<string, string>()
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
    this.#connection.publish(this.#subject(topic), message)
  }

  #subject (topic: string): string {
    let subject = this.#subjects.get(topic)
    if (subject === undefined) {
      subject = this.#prefix + encodeTopic(topic)
      if (this.#subjects.size === MAX_SUBJECTS) this.#subjects.clear()
      this.#subjects.set(topic, subject)
    }
    return subject
  }

  #subscribe (topic: string): Subscription {
    const subscription: Subscription = {
      isConfirmed: false,
      client: this.#connection.subscribe(this.#prefix + encodeTopic(topic), {
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
    this.#goDown(new Error(`the NATS server has not answered for ${MAX_SILENCE * INTERVAL / 1000} s`))
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

/**
 * Finds out when a connection is dead that looks as if it were open. What counts are answers to pings, or messages that come
 * meanwhile, and how often was looked: a process that was kept busy has had no chance to read.
 */
class Pulse extends Entry {
  readonly #connection: NatsConnection
  readonly #onSilence: () => void
  #isAnswered = true
  #received = 0
  #silence = 0

  constructor (connection: NatsConnection, onSilence: () => void) {
    super()
    this.#connection = connection
    this.#onSilence = onSilence
  }

  start (): void {
    this.stop()
    this.#isAnswered = true
    this.look(timers.now)
  }

  stop (): void {
    timers.remove(this)
  }

  look (now: number): void {
    const { inMsgs } = this.#connection.stats()
    const isAlive = this.#isAnswered || inMsgs !== this.#received
    this.#silence = isAlive ? 0 : this.#silence + 1
    if (this.#silence === MAX_SILENCE) return this.#onSilence()
    this.#received = inMsgs
    this.#isAnswered = false
    quiet(this.#connection.rtt().then(() => { this.#isAnswered = true }))
    timers.add(this, now + INTERVAL)
  }
}

/**
 * A topic as one token of a subject: no two topics have the same, and none is a wildcard. Spaces, control characters, `.`, `*`, `>`
 * and the `%` that marks them become two hexadecimal digits, and halves of surrogate pairs, which have no bytes, four.
 */
function encodeTopic (topic: string): string {
  return topic.replace(/[^!-\u{10ffff}]|[%*.>\p{Surrogate}]/gu, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function triesForEver ({ options }: Internals): boolean {
  return options === undefined || (options.reconnect !== false && options.maxReconnectAttempts === -1)
}

function checkConnection (connection: any): void {
  if (!isConnection(connection)) {
    throw new WebSocketOptionError('natsBroker takes a connection of @nats-io/transport-node, await connect(…), and has got something else')
  }
  if (connection.isClosed()) throw new WebSocketOptionError('natsBroker takes an open connection, and has got one that is closed')
}

function isConnection (value: any): boolean {
  try {
    return typeof value === 'object' && value !== null && METHODS.every((name) => typeof value[name] === 'function')
  } catch {
    return false // a proxy that throws
  }
}

function checkPrefix (prefix: unknown): void {
  if (typeof prefix !== 'string' || prefix.length > MAX_PREFIX || !/^[^\s.*>]+(\.[^\s.*>]+)*\.?$/.test(prefix)) {
    throw new WebSocketOptionError(`the prefix of natsBroker is ${show(prefix)}: use the beginning of a subject, such as 'chat.', of at most ${MAX_PREFIX} characters`)
  }
}
