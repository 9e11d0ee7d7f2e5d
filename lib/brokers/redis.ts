import { checkAll, fail, readOptions, text, type Check } from '../base/checks'
import { rejected } from '../base/deferred'
import { WebSocketBrokerError, WebSocketOptionError } from '../base/errors'
import { detailsOf } from '../base/show'
import { toBuffer } from '../base/to-buffer'
import { OPENING, RedisHistory } from './redis/history'
import { ioredis } from './redis/ioredis'
import { Links, type LinksListener } from './redis/links'
import { nodeRedis } from './redis/node-redis'
import type { Library } from './redis/library'
import type { Broker, BrokerListener } from '../../types/broker'

/**
 * The user's client: `new Redis()` or `new Cluster()` of ioredis 5 or 6, `createClient()` or `createCluster()` of node-redis (the
 * package `redis`) 5 or 6.
 */
export type RedisClient =
  { readonly isCluster: boolean, duplicate (...options: any[]): unknown } |
  { readonly isOpen: boolean, duplicate (...options: any[]): unknown, destroy (): unknown }

export interface RedisBrokerOptions {
  /** The prefix of all channel names. Apps with the same prefix share their topics. Default: `'fastify-async-websocket:'`. */
  prefix?: string
}

const PREFIX = 'fastify-async-websocket:'

const prefix: Check = (name, value) => {
  text(name, value)
  if ((value as string).startsWith(OPENING)) fail(name, value, `one that does not begin with ${OPENING}, which topics with history have`)
}

/** The least and the most milliseconds between two attempts. The delay is random, so that processes do not all connect at once. */
const RETRY = [250, 750]

/**
 * Creates a broker on Redis, for the option `broker` of the plugin. On a cluster the broker uses sharded pub/sub, which needs
 * Redis 7.
 *
 * The broker makes its own connections after the pattern of `client`: two to the server, or to each master of a cluster. It takes
 * the client's options for address, TLS and login, and ignores those for retries, queues, timeouts and key prefixes. The broker
 * does not use or close `client` itself, which need not be connected.
 *
 * When a connection fails, or nothing comes from one for 3 s, the broker is down. It then tries to connect about every half a
 * second.
 *
 * Throws `WebSocketOptionError` for a wrong option. `start` rejects with `WebSocketOptionError` if `client` is no such client.
 */
export function redisBroker (client: RedisClient, options?: RedisBrokerOptions): Broker {
  const own = readOptions('redisBroker', options)
  checkAll(own, { prefix }, 'of redisBroker')
  return new RedisBroker(client, own.prefix as string ?? PREFIX)
}

class RedisBroker implements Broker, LinksListener {
  readonly history: RedisHistory
  readonly #client: unknown
  readonly #prefix: string
  readonly #prefixLength: number
  #library!: Library
  #listener!: BrokerListener
  #links?: Links
  #isUp = false
  /** Whether the listener has been told of the present outage. A failed first attempt counts as an outage. */
  #isToldDown = false
  #isClosed = false
  /** The error with which calls reject while the broker is not up. */
  #why = new WebSocketBrokerError('the broker has not been started')
  #retry?: NodeJS.Timeout
  /** Resolves `start`. */
  #started!: () => void

  constructor (client: unknown, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    this.#prefixLength = Buffer.byteLength(prefix)
    this.history = new RedisHistory(prefix, () => this.#upLinks, (topic, position, message) => this.#listener.onEntry(topic, position, message))
  }

  async start (listener: BrokerListener): Promise<void> {
    this.#library = libraryOf(this.#client)
    this.#listener = listener
    await new Promise<void>((resolve) => {
      this.#started = resolve
      this.#connect()
    })
  }

  subscribe (topic: string): Promise<void> {
    return this.#isUp ? this.#links!.subscribe(this.#prefix + topic) as Promise<any> : rejected(this.#why)
  }

  unsubscribe (topic: string): Promise<void> {
    return this.#isUp ? this.#links!.unsubscribe(this.#prefix + topic) as Promise<any> : rejected(this.#why)
  }

  publish (topic: string, message: Uint8Array): Promise<void> {
    return this.#isUp ? this.#links!.publish(this.#prefix + topic, toBuffer(message)) as Promise<any> : rejected(this.#why)
  }

  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    const why = new WebSocketBrokerError('the broker is closed')
    this.#links?.end(why)
    this.#why = why
  }

  onUp (): void {
    this.#isUp = true
    this.#isToldDown = false
    this.#listener.onUp()
    this.#started()
  }

  onMessage (channel: Buffer, message: Buffer): void {
    try {
      if (channel[0] === OPENING.charCodeAt(0) && this.#isOfHistory(channel)) this.history.onMessage(channel.toString(), message)
      else this.#listener.onMessage(channel.toString('utf8', this.#prefixLength), message)
    } catch (error) {
      process.emitWarning(detailsOf(error)) // thrown further, the error would end the connection or the process
    }
  }

  onEnd (reason: Error): void {
    this.#isUp = false
    this.#started()
    if (this.#isClosed) return
    this.#why = new WebSocketBrokerError(`Redis cannot be reached: ${reason}`, { cause: reason })
    const [least, most] = RETRY
    this.#retry = setTimeout(() => this.#connect(), least + Math.random() * (most - least)).unref()
    if (this.#isToldDown) return
    this.#isToldDown = true
    this.#listener.onDown(this.#why)
  }

  get #upLinks (): Links {
    if (this.#isUp) return this.#links!
    throw this.#why
  }

  #isOfHistory (channel: Buffer): boolean {
    return channel.toString('latin1', 0, OPENING.length) === OPENING
  }

  #connect (): void {
    this.#links = new Links(this)
    this.#links.open(this.#library, `${this.#prefix}\0`) // a topic has no control characters, so that no topic has this channel
  }
}

/** The library of `client`. Throws `WebSocketOptionError` if `client` is no client of a known library. */
function libraryOf (client: unknown): Library {
  const use = 'redisBroker takes a client of ioredis (Redis or Cluster) or of node-redis (createClient or createCluster)'
  let library
  try {
    library = ioredis(client) ?? nodeRedis(client)
  } catch (error) {
    throw new WebSocketOptionError(use, { cause: error })
  }
  if (library === undefined) throw new WebSocketOptionError(use)
  return library
}
