import { sharded, single, type Command, type Connection, type Library, type Receiver, type Server, type Topology } from './library'

/** The part of an ioredis client for one server that this module uses. */
interface Client {
  readonly options: { host: string, port: number }
  duplicate (options: object): Client
  connect (): Promise<void>
  disconnect (): void
  on (event: string, listener: (...args: any[]) => void): this
  evalBuffer (...words: (string | Buffer)[]): Promise<unknown>
  evalshaBuffer (...words: (string | Buffer)[]): Promise<unknown>
  scriptBuffer (...words: (string | Buffer)[]): Promise<unknown>
  ping (): Promise<string>
  publish (channel: string, message: Buffer): Promise<number>
  spublish (channel: string, message: Buffer): Promise<number>
  subscribe (channel: string): Promise<unknown>
  ssubscribe (channel: string): Promise<unknown>
  unsubscribe (channel: string): Promise<unknown>
  sunsubscribe (channel: string): Promise<unknown>
}

/** The part of an ioredis client for a cluster that this module uses. */
interface Cluster {
  readonly options: { redisOptions?: object }
  /** The `host:port` of the servers of each slot, the master first. */
  readonly slots: string[][]
  duplicate (startupNodes: object[], options: object): Cluster
  connect (): Promise<void>
  disconnect (): void
  on (event: string, listener: (...args: any[]) => void): this
  nodes (role: 'master' | 'all'): Client[]
}

/**
 * These options replace the user's. A connection with them is made when `connect` is called, keeps no command to send it later, and
 * does not reconnect.
 */
const OPTIONS = {
  autoPipeliningIgnoredCommands: [],
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  commandTimeout: undefined,
  disconnectTimeout: 0,
  enableAutoPipelining: false,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  keyPrefix: '', // otherwise ioredis would add it to sharded channels
  lazyConnect: true,
  monitor: false,
  reconnectOnError: null,
  retryStrategy: null,
  sentinelRetryStrategy: null,
  socketTimeout: undefined
}

/** The functions for commands whose replies have buffers. `call`, which takes any command, cannot be pipelined by itself. */
const BUFFERED = { EVAL: 'evalBuffer', EVALSHA: 'evalshaBuffer', SCRIPT: 'scriptBuffer' } as const

const PLAIN = { publish: 'publish', subscribe: 'subscribe', unsubscribe: 'unsubscribe', message: 'messageBuffer' } as const
const SHARDED = { publish: 'spublish', subscribe: 'ssubscribe', unsubscribe: 'sunsubscribe', message: 'smessageBuffer' } as const
type Verbs = typeof PLAIN | typeof SHARDED

/** Returns the library for `client` if it is a client of ioredis, otherwise undefined. */
export function ioredis (client: any): Library | undefined {
  if (typeof client?.duplicate !== 'function' || typeof client.isCluster !== 'boolean') return undefined
  return client.isCluster ? new IoredisCluster(client) : { discover: async () => single(toServer(client, PLAIN)) }
}

class IoredisCluster implements Library {
  readonly #pattern: Cluster
  /** The nodes that the cluster had at the last discovery. The user's nodes may be gone, so that both are tried by turns. */
  #known: object[] = []
  #fromKnown = false

  constructor (pattern: Cluster) {
    this.#pattern = pattern
  }

  async discover (signal: AbortSignal): Promise<Topology> {
    const cluster = this.#pattern.duplicate(this.#fromKnown ? this.#known : [], {
      clusterRetryStrategy: null,
      enableOfflineQueue: false,
      enableReadyCheck: false, // ioredis does not report a failed check
      lazyConnect: true,
      redisOptions: { ...this.#pattern.options.redisOptions, ...OPTIONS },
      shardedSubscribers: false,
      slotsRefreshInterval: undefined
    })
    let reason: unknown
    cluster.on('error', ({ lastNodeError }) => { reason = lastNodeError })
    const stop = (): void => cluster.disconnect()
    signal.addEventListener('abort', stop)
    try {
      await cluster.connect().catch((error) => { throw reason ?? error })
      this.#known = cluster.nodes('all').map(({ options: { host, port } }) => ({ host, port }))
      const masters = new Map(cluster.nodes('master').map((master) => [`${master.options.host}:${master.options.port}`, master]))
      return sharded((slot) => masters.get(cluster.slots[slot]?.[0]), (master) => toServer(master, SHARDED))
    } finally {
      this.#fromKnown = !this.#fromKnown
      signal.removeEventListener('abort', stop)
      stop()
    }
  }
}

function toServer (pattern: Client, verbs: Verbs): Server {
  return { connect: (role, receiver) => new IoredisConnection(pattern, verbs, role === 'publisher', receiver) }
}

class IoredisConnection implements Connection {
  readonly #client: Client
  readonly #verbs: Verbs

  constructor (pattern: Client, verbs: Verbs, isPublisher: boolean, receiver: Receiver) {
    this.#verbs = verbs
    this.#client = pattern.duplicate({ ...OPTIONS, enableAutoPipelining: isPublisher })
    this.#client.on('error', (error) => receiver.onEnd(error)) // the connection ends, or replies and commands are out of step
    this.#client.on('end', () => receiver.onEnd(new Error('Redis has ended the connection')))
    this.#client.on('moved', () => receiver.onEnd(new Error('the cluster has moved a channel to another server')))
    this.#client.on(verbs.message, (channel, message) => receiver.onMessage(channel, message))
  }

  open (): Promise<unknown> {
    return this.#client.connect()
  }

  publish (channel: string, message: Buffer): Promise<unknown> {
    return this.#client[this.#verbs.publish](channel, message)
  }

  command (command: Command, ...words: (string | Buffer)[]): Promise<unknown> {
    return this.#client[BUFFERED[command]](...words)
  }

  subscribe (channel: string): Promise<unknown> {
    return this.#client[this.#verbs.subscribe](channel)
  }

  unsubscribe (channel: string): Promise<unknown> {
    return this.#client[this.#verbs.unsubscribe](channel)
  }

  ping (): Promise<unknown> {
    return this.#client.ping()
  }

  destroy (): void {
    this.#client.disconnect()
  }
}
