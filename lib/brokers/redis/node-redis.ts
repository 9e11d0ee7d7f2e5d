import { setMaxListeners } from 'node:events'
import { guard } from '../../base/user-code'
import { sharded, single, type Command, type Connection, type Library, type Receiver, type Server, type Topology } from './library'

type Listener = (message: Buffer, channel: Buffer) => void

/** The part of a node-redis client for one server that this module uses. */
interface Client {
  readonly options?: { socket?: object }
  duplicate (options: object): Client
  connect (): Promise<unknown>
  destroy (): void
  on (event: string, listener: (...args: any[]) => void): this
  sendCommand (command: (string | Buffer)[], options?: object): Promise<unknown>
  subscribe (channel: string, listener: Listener, bufferMode: true): Promise<void>
  sSubscribe (channel: string, listener: Listener, bufferMode: true): Promise<void>
  unsubscribe (channel: string): Promise<void>
  sUnsubscribe (channel: string): Promise<void>
}

interface Node {
  readonly host: string
  readonly port: number
}

/** The part of a node-redis client for a cluster that this module uses. */
interface Cluster {
  readonly _options: { defaults?: { socket?: object } }
  readonly slots: { master: Node }[]
  readonly masters: Node[]
  readonly replicas: Node[]
  duplicate (options: object): Cluster
  connect (): Promise<unknown>
  destroy (): void
  on (event: string, listener: (...args: any[]) => void): this
  nodeClient (node: Node): Promise<Client>
}

/**
 * These options replace the user's. A connection with them keeps no command to send it later, does not reconnect, and starts no
 * timer for each command.
 */
const OPTIONS = {
  clientSideCache: undefined,
  commandOptions: { timeout: 0 },
  commandsQueueMaxLength: undefined,
  disableOfflineQueue: true,
  keyPrefix: undefined, // otherwise node-redis would add it to sharded channels
  maintNotifications: 'disabled', // otherwise the client would move to another server by itself
  pingInterval: undefined
}

const SOCKET = { connectTimeout: undefined, reconnectStrategy: false, socketTimeout: undefined }

/** Milliseconds that a node has to list the servers of the cluster. After that, the next node is asked. */
const NODE_TIMEOUT = 1_000

/** The reply has buffers in place of strings. A type is the first byte of its reply. */
const BUFFERS = { ...OPTIONS.commandOptions, typeMapping: { ['$'.charCodeAt(0)]: Buffer } }

const PLAIN = { publish: 'PUBLISH', subscribe: 'subscribe', unsubscribe: 'unsubscribe' } as const
const SHARDED = { publish: 'SPUBLISH', subscribe: 'sSubscribe', unsubscribe: 'sUnsubscribe' } as const
type Verbs = typeof PLAIN | typeof SHARDED

/** Returns the library for `client` if it is a client of node-redis, otherwise undefined. */
export function nodeRedis (client: any): Library | undefined {
  if (typeof client?.duplicate !== 'function' || typeof client.destroy !== 'function') return undefined
  if (typeof client.nodeClient === 'function' && client._options !== undefined) return new NodeRedisCluster(client)
  return typeof client.isPubSubActive === 'boolean' ? { discover: async () => single(toServer(client, PLAIN)) } : undefined
}

class NodeRedisCluster implements Library {
  readonly #pattern: Cluster
  /** The nodes that the cluster had at the last discovery. The user's nodes may be gone, so that both are tried by turns. */
  #known: object[] = []
  #fromKnown = false

  constructor (pattern: Cluster) {
    this.#pattern = pattern
  }

  async discover (signal: AbortSignal): Promise<Topology> {
    const abort = new AbortController()
    setMaxListeners(0, abort.signal) // each server adds a listener
    const { defaults } = this.#pattern._options
    const cluster = this.#pattern.duplicate({
      defaults: { ...defaults, ...OPTIONS, socket: { ...defaults?.socket, ...SOCKET, connectTimeout: NODE_TIMEOUT, socketTimeout: NODE_TIMEOUT, signal: abort.signal } },
      minimizeConnections: true,
      useReplicas: true,
      ...this.#fromKnown && { rootNodes: this.#known }
    })
    let reason: unknown
    cluster.on('error', (error) => { reason = error })
    const stop = (): void => {
      destroy(cluster)
      abort.abort() // ends sockets that are not connected yet, and the clients that looked for the servers
    }
    signal.addEventListener('abort', stop)
    try {
      await cluster.connect().catch(() => { throw reason }) // the error of `connect` says only that no node is available
      this.#known = [...cluster.masters, ...cluster.replicas].map(({ host, port }) => ({ socket: { host, port } }))
      const patterns = new Map<Node, Client>()
      await Promise.all(cluster.masters.map(async (master) => patterns.set(master, await cluster.nodeClient(master))))
      return sharded((slot) => patterns.get(cluster.slots[slot]?.master), (pattern) => toServer(pattern, SHARDED))
    } finally {
      this.#fromKnown = !this.#fromKnown && this.#known.length > 0
      signal.removeEventListener('abort', stop)
      stop()
    }
  }
}

function toServer (pattern: Client, verbs: Verbs): Server {
  return { connect: (_role, receiver) => new NodeRedisConnection(pattern, verbs, receiver) }
}

function destroy (client: Client | Cluster): void {
  guard(() => client.destroy(), ignore) // in version 5, `destroy` throws if the connection has ended
}

function ignore (): void {}

class NodeRedisConnection implements Connection {
  readonly #client: Client
  readonly #verbs: Verbs
  readonly #onMessage: Listener
  readonly #abort = new AbortController()

  constructor (pattern: Client, verbs: Verbs, receiver: Receiver) {
    this.#verbs = verbs
    this.#onMessage = (message, channel) => receiver.onMessage(channel, message)
    const socket = { ...pattern.options?.socket, ...SOCKET, signal: this.#abort.signal }
    this.#client = pattern.duplicate({ ...OPTIONS, socket })
    this.#client.on('error', (error) => receiver.onEnd(error))
    this.#client.on('sharded-channel-moved', () => receiver.onEnd(new Error('the cluster has moved a channel to another server')))
  }

  open (): Promise<unknown> {
    return this.#client.connect()
  }

  publish (channel: string, message: Buffer): Promise<unknown> {
    return this.#client.sendCommand([this.#verbs.publish, channel, message])
  }

  command (command: Command, ...words: (string | Buffer)[]): Promise<unknown> {
    return this.#client.sendCommand([command, ...words], BUFFERS)
  }

  subscribe (channel: string): Promise<unknown> {
    return this.#client[this.#verbs.subscribe](channel, this.#onMessage, true)
  }

  unsubscribe (channel: string): Promise<unknown> {
    return this.#client[this.#verbs.unsubscribe](channel)
  }

  ping (): Promise<unknown> {
    return this.#client.sendCommand(['PING'])
  }

  destroy (): void {
    destroy(this.#client)
    this.#abort.abort() // ends a socket that is not connected yet
  }
}
