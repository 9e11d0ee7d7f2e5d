import { closeCodes } from './close'
import { WebSocketHandshakeError } from './errors'
import { atMost, Deferred } from './promise'
import { Topics } from './topics'
import type { Handshake } from './handshake'
import type { PluginSettings } from './options'
import type { Session } from './session'
import type { RawWebSocket } from '../types/raw'

/** What a client is told while `app.close()` is at work. */
export function serverIsClosing (): WebSocketHandshakeError {
  return new WebSocketHandshakeError('the server is closing', { statusCode: 503 })
}

/** How long `app.close()` waits for handlers, in milliseconds. */
const SHUTDOWN_TIMEOUT = 10_000

/** What the routes of one app have in common: its options, and what is going on. */
export class Service {
  readonly options: Record<string, unknown>
  readonly settings: PluginSettings
  readonly topics = new Topics<Session>()
  /** The sessions that have been accepted and have not ended. */
  readonly open = new Set<Session>()
  /** The sockets of all connections, of sessions and of routes with `raw: true`: the `clients` of the server. */
  readonly sockets = new Set<RawWebSocket>()
  /** Handshakes that have not been completed, and whose clients are still there. */
  readonly handshakes = new Set<Handshake>()
  /** Clients that `injectWebSocket` has made. */
  readonly injected = new Set<{ terminate (): void }>()
  closing = false
  readonly #connecting = new Set<Session>()
  /** How many handlers have not ended. */
  #handlers = 0
  #idle: Deferred<void> | null = null

  constructor (options: Record<string, unknown>, settings: PluginSettings) {
    this.options = options
    this.settings = settings
  }

  /** A session has begun, and its handler. */
  begun (session: Session): void {
    this.#connecting.add(session)
    this.#handlers++
  }

  accepted (session: Session): void {
    this.#connecting.delete(session)
    this.open.add(session)
  }

  /** The connection of a session has ended, or its handshake has without one. */
  ended (session: Session): void {
    this.#connecting.delete(session)
    this.open.delete(session)
    if (session.raw !== null) this.sockets.delete(session.raw)
  }

  /** The handler of a session has ended. */
  served (): void {
    this.#handlers--
    if (this.#handlers === 0) this.#idle?.resolve()
  }

  /**
   * Ends everything: handshakes with 503, connections with 1001; what is left after a while is dropped.
   */
  async shutdown (): Promise<void> {
    this.closing = true
    for (const session of this.#connecting) {
      if (session.state === 'connecting') session.refuse(serverIsClosing())
    }
    for (const session of this.open) session.close(closeCodes.GOING_AWAY)
    const ends = [
      this.#handlersEnd(),
      ...Array.from(this.handshakes, ({ over }) => over),
      ...Array.from(this.sockets, (socket) => close(socket))
    ]
    await atMost(SHUTDOWN_TIMEOUT, Promise.all(ends))
    for (const socket of this.sockets) socket.terminate()
    this.sockets.clear()
    for (const { stream } of this.handshakes) stream.destroy()
    for (const client of this.injected) client.terminate()
  }

  #handlersEnd (): Promise<void> | undefined {
    if (this.#handlers === 0) return undefined
    this.#idle = new Deferred()
    return this.#idle.promise
  }
}

/** Closes `raw`, unless a session has done so already. */
function close (raw: RawWebSocket): Promise<unknown> {
  const closed = new Promise((resolve) => raw.once('close', resolve))
  raw.close(closeCodes.GOING_AWAY)
  return closed
}
