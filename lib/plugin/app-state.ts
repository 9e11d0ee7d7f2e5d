import { Deferred } from '../base/deferred'
import { ownerOf } from '../connection/connection'
import { ConnectionLimit } from '../handshake/connection-limit'
import { PubSub } from '../pubsub/pubsub'
import { Leftovers } from './other-listeners'
import type { WebSocketServer } from 'ws'
import type { Handshake } from '../handshake/handshake'
import type { Session } from '../session/session'
import type { Lookup } from './lookup'
import type { PluginSettings } from './options'
import type { RawWebSocket } from '../../types/raw'

/** What the routes of one app have in common: its options, and what is going on. */
export class AppState {
  readonly options: Record<string, unknown>
  readonly settings: PluginSettings
  /** Which requests are for its routes. */
  readonly lookup: Lookup
  /** Set when it is registered. */
  websocketServer!: WebSocketServer
  readonly pubsub = new PubSub<Session>()
  /** Of its WebSocket routes, without slashes at their end. */
  readonly urls = new Set<string>()
  readonly routes: {
    /** Runs each `onDisconnect` that has not run yet, whatever the handlers do. */
    disconnectAll (): Promise<void>
  }[] = []

  /** How many sessions have been accepted and have not ended. */
  open = 0
  /** The sockets of all connections: of sessions, of routes with `raw: true`, and of those that stand for a refusal. */
  readonly sockets = new Set<RawWebSocket>()
  /** Handshakes that wait to be decided, and whose clients are still there. */
  readonly handshakes = new Set<Handshake>()
  /** What has been left to others who listen to the upgrades of the server. */
  readonly leftovers = new Leftovers()
  /** Clients that `injectWebSocket` has made. */
  readonly injected = new Set<{ terminate (): void }>()
  /** Whether `app.close()` is at work. */
  closing = false
  /** Of the connections of all routes. */
  readonly limit: ConnectionLimit
  #handlers = 0
  #idle: Deferred<void> | null = null

  constructor (options: Record<string, unknown>, settings: PluginSettings, lookup: Lookup) {
    this.options = options
    this.settings = settings
    this.lookup = lookup
    this.limit = new ConnectionLimit(settings.maxConnections)
  }

  /** How many handlers have not ended. */
  get handlers (): number {
    return this.#handlers
  }

  /**
   * The sessions that have been accepted and have not ended. They have no set of their own: one of V8's keeps what has
   * left it for a while, which of a session is much.
   */
  * sessions (): IterableIterator<Session> {
    for (const raw of this.sockets) {
      const owner = ownerOf(raw)
      if (owner !== undefined) yield owner as Session
    }
  }

  /** Whether `session` is one of them. */
  has ({ connection }: Session): boolean {
    return connection !== null && this.sockets.has(connection.raw)
  }

  /** Counts the handler of a new session. */
  handlerBegun (): void {
    this.#handlers++
  }

  accepted (raw: RawWebSocket): void {
    this.sockets.add(raw)
    this.open++
  }

  /** There is a connection that is no session's. */
  opened (raw: RawWebSocket): void {
    this.sockets.add(raw)
    raw.on('close', () => this.sockets.delete(raw))
  }

  /** The connection of a session has ended, or its handshake has without one. */
  ended ({ connection }: Session): void {
    if (connection !== null && this.sockets.delete(connection.raw)) this.open--
  }

  /** What has not ended is not waited for. */
  forget (): void {
    this.sockets.clear()
    this.open = 0
  }

  /** The handler of a session has ended. */
  handlerEnded (): void {
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
