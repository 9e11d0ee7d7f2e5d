import { Deferred } from '../base/deferred'
import { ConnectionLimit } from '../handshake/connection-limit'
import { AppObserver, type OpenConnection } from '../observe/app-observer'
import { PubSub } from '../pubsub/pubsub'
import { Session, type SessionPubSub } from '../session/session'
import { Leftovers } from './other-listeners'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketServer } from 'ws'
import type { Client } from '../client/client'
import type { Codec } from '../codec/codec'
import type { Connection } from '../connection/connection'
import type { Handshake } from '../handshake/handshake'
import type { Lookup } from './lookup'
import type { PluginSettings, RouteSettings } from './options'
import type { AnyRouteOptions } from './route-options'
import type { RawWebSocket } from '../../types/raw'

/** A WebSocket route, as its app sees it. */
export interface DeclaredRoute {
  /** The options that Fastify has. The hooks of others may change them until the app is ready. */
  readonly declared: AnyRouteOptions
  /** The context of the route. */
  readonly instance: FastifyInstance
  readonly options: RouteSettings
  readonly raw: boolean
  /** The `hide` of the schema as the user gave it: `mount` hides each WebSocket route. */
  readonly hide: boolean
  /** Runs each `onDisconnect` that has not run yet, whatever the handlers do. */
  disconnectAll (): Promise<void>
  /** The decoder of received messages, which validates what it decodes. */
  codec (request: FastifyRequest, reply: FastifyReply): Codec
}

/** The state that all routes of an app share: the options, and the current connections, handshakes and handlers. */
export class AppState {
  readonly options: Record<string, unknown>
  readonly settings: PluginSettings
  /** Tells which requests are for the WebSocket routes of the app. */
  readonly lookup: Lookup
  /** Set when @fastify/websocket is registered. */
  websocketServer!: WebSocketServer
  readonly pubsub: SessionPubSub = new PubSub()
  /** The URLs of the WebSocket routes, without a slash at the end. */
  readonly urls = new Set<string>()
  readonly routes: DeclaredRoute[] = []

  readonly observer = new AppObserver(() => this.#observed())
  /** The number of sessions that have been accepted and have not ended. */
  open = 0
  /** The connections of sessions, and of refusals with a connection. */
  readonly connections = new Set<Connection>()
  /** The sockets of routes with `raw: true`. */
  readonly sockets = new Set<RawWebSocket>()
  /** The handshakes that wait for their decision, and whose clients have not left. */
  readonly handshakes = new Set<Handshake>()
  /** The connections that are left to other listeners to upgrades of the server. */
  readonly leftovers = new Leftovers()
  /** The clients that `injectWebSocket` has created. */
  readonly injected = new Set<Pick<Client, 'closed' | 'terminate'>>()
  /** Whether `app.close()` is running. */
  closing = false
  /** The limit of the connections of all routes together. */
  readonly limit: ConnectionLimit
  #handlers = 0
  #idle: Deferred<void> | null = null

  constructor (options: Record<string, unknown>, settings: PluginSettings, lookup: Lookup) {
    this.options = options
    this.settings = settings
    this.lookup = lookup
    this.limit = new ConnectionLimit(settings.maxConnections)
  }

  /** The number of handlers that have not ended. */
  get handlers (): number {
    return this.#handlers
  }

  /**
   * The sessions that have been accepted and have not ended. There is no `Set` of sessions: V8's `Set` keeps removed entries for a
   * while, and a session is large.
   */
  * sessions (): IterableIterator<Session> {
    for (const { owner } of this.connections) {
      if (Session.is(owner)) yield owner
    }
  }

  * #observed (): IterableIterator<OpenConnection> {
    for (const { observer, connection } of this.sessions()) yield { observer, traffic: connection!.traffic }
  }

  /** Whether `session` has been accepted and has not ended. */
  has ({ connection }: Session): boolean {
    return connection !== null && this.connections.has(connection)
  }

  /** Counts the handler of a new session. */
  handlerBegun (): void {
    this.#handlers++
  }

  accepted (connection: Connection): void {
    this.connections.add(connection)
    this.open++
  }

  /** Registers the socket of a route with `raw: true`. */
  openedRaw (raw: RawWebSocket): void {
    this.sockets.add(raw)
    raw.on('close', () => {
      this.sockets.delete(raw)
      this.#checkIdle()
    })
  }

  /** A connection without a session begins. */
  opened (connection: Connection): void {
    this.connections.add(connection)
  }

  /** A connection without a session has ended. */
  closed (connection: Connection): void {
    this.connections.delete(connection)
    this.#checkIdle()
  }

  /** The connection of a session has ended, or the handshake has ended without a connection. */
  ended ({ connection }: Session): void {
    if (connection !== null && this.connections.delete(connection)) this.open--
    this.#checkIdle()
  }

  /** Removes the connections that have not ended. */
  forget (): void {
    this.connections.clear()
    this.sockets.clear()
    this.open = 0
  }

  /** The handler of a session has ended. */
  handlerEnded (): void {
    this.#handlers--
    this.#checkIdle()
  }

  /** Resolves when no connection is open and no handler is running. */
  idle (): Promise<void> {
    this.#idle ??= new Deferred()
    this.#checkIdle()
    return this.#idle.promise
  }

  #checkIdle (): void {
    if (this.#idle !== null && this.#handlers === 0 && this.connections.size === 0 && this.sockets.size === 0) this.#idle.resolve()
  }
}
