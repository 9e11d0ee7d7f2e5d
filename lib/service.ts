import { Hub } from './hub'
import { ConnectionLimit } from './limit'
import { Deferred } from './promise'
import type { Handshake } from './handshake'
import type { PluginSettings } from './options'
import type { Session } from './session'
import type { WebSocketServer } from 'ws'
import type { RawWebSocket } from '../types/raw'

/** What the routes of one app have in common: its options, and what is going on. */
export class Service {
  readonly options: Record<string, unknown>
  readonly settings: PluginSettings
  /** Set when @fastify/websocket has made it. */
  server!: WebSocketServer
  readonly hub = new Hub<Session>()
  /** The sessions that have been accepted and have not ended. */
  readonly open = new Set<Session>()
  /** The sessions that have not been accepted yet. */
  readonly connecting = new Set<Session>()
  /** The sockets of all connections, of sessions and of routes with `raw: true`: the `clients` of the server. */
  readonly sockets = new Set<RawWebSocket>()
  /** Handshakes that have not been completed, and whose clients are still there. */
  readonly handshakes = new Set<Handshake>()
  /** Clients that `injectWebSocket` has made. */
  readonly injected = new Set<{ terminate (): void }>()
  /** Whether `app.close()` is at work. */
  closing = false
  /** Of the connections of all routes. */
  readonly limit: ConnectionLimit
  #handlers = 0
  #idle: Deferred<void> | null = null

  constructor (options: Record<string, unknown>, settings: PluginSettings) {
    this.options = options
    this.settings = settings
    this.limit = new ConnectionLimit(settings.maxConnections)
  }

  /** How many handlers have not ended. */
  get handlers (): number {
    return this.#handlers
  }

  /** A session has begun, and its handler. */
  begun (session: Session): void {
    this.connecting.add(session)
    this.#handlers++
  }

  accepted (session: Session): void {
    this.connecting.delete(session)
    this.open.add(session)
  }

  /** The connection of a session has ended, or its handshake has without one. */
  ended (session: Session): void {
    this.connecting.delete(session)
    this.open.delete(session)
    if (session.socket !== null) this.sockets.delete(session.socket.raw)
  }

  /** The handler of a session has ended. */
  served (): void {
    this.#handlers--
    if (this.#handlers === 0) this.#idle?.resolve()
  }

  /** Resolves when no handler is running. */
  handlersEnded (): Promise<void> | undefined {
    if (this.#handlers === 0) return undefined
    this.#idle ??= new Deferred()
    return this.#idle.promise
  }
}
