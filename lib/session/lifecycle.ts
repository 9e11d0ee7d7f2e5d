import { closeCodes } from '../base/close-codes'
import { isSendable } from '../base/closing'
import { atMost, settled } from '../base/deferred'
import { WebSocketError, WebSocketHandshakeError, WebSocketValidationError } from '../base/errors'
import { logSafely, readable } from '../base/user-code'
import { departureIn, type Handlers } from './handlers'
import type { FastifyInstance } from 'fastify'
import type { Session } from './session'
import type { WebSocketPluginOptions } from '../../types/options'

/** The settings of a lifecycle. */
export interface LifecycleSettings {
  readonly instance: FastifyInstance
  readonly handlers: Handlers
  readonly errorHandler?: WebSocketPluginOptions['errorHandler']
  /**
   * Milliseconds in which `errorHandler` has to settle. After the end of a connection also the milliseconds in which
   * `onConnect`, or `onMessage` for one message, has to settle: after them `onDisconnect` runs without waiting.
   */
  readonly closeTimeout: number
  /** Called when a session and its handlers have ended. */
  readonly onEnd: () => void
}

/**
 * The lifecycle of the sessions of one route. The handler is the scope of a session:
 *
 *     handle ── returns ──> the handshake is refused, or the connection is closed ──> onDisconnect ──> onResponse
 *          └─── throws ───> Fastify's error handler answers, or `errorHandler` and a close code
 *
 * Before the handshake is complete, Fastify's error handler answers with what the handler has thrown. Afterwards the
 * lifecycle reports the error once and closes the connection. No method rejects.
 */
export class Lifecycle {
  readonly #settings: LifecycleSettings
  /**
   * The sessions whose connection has ended and whose `onDisconnect` has not run. Each has the timer that ends the wait
   * for its handlers.
   */
  readonly #awaitingHandlers = new Map<Session, NodeJS.Timeout>()

  constructor (settings: LifecycleSettings) {
    this.#settings = settings
  }

  /** Calls the handler for `session`. */
  begin (session: Session): void {
    const { instance, handlers } = this.#settings
    let handled
    try {
      handled = Promise.resolve(handlers.handle.call(instance, session, session.request))
    } catch (error) {
      handled = Promise.reject(error)
    }
    session.limitHandshake()
    // Not awaited: an async function would keep its variables for as long as the connection is open.
    handled.then(() => this.#onReturned(session), (error) => this.#onThrown(session, error))
  }

  /**
   * The connection of `session` has ended. `onDisconnect` runs when the handler, which still gets the messages before
   * the end, has settled. Where the handler makes no progress for `closeTimeout`, `onDisconnect` runs without it.
   */
  disconnected (session: Session): void {
    const { closeTimeout, handlers } = this.#settings
    if (handlers.onDisconnect === undefined || !session.accepted) return
    const { handled } = session
    this.#awaitingHandlers.set(session, setTimeout(() => {
      if (session.handled > handled) return this.disconnected(session)
      logSafely(session, 'warn', `the handler of a WebSocket route has not gone on within ${closeTimeout} ms (closeTimeout) of the end of the connection: onDisconnect runs without it`)
      this.#callOnDisconnect(session)
    }, closeTimeout).unref())
  }

  /** The code of a user has thrown `thrown` into the scope of `session`. */
  async fail (session: Session, thrown: unknown): Promise<void> {
    const error = readable(thrown)
    if (session.state === 'connecting') {
      session.refuse(error)
      return
    }
    const departure = departureIn(session, error)
    if (departure !== undefined) {
      logSafely(session, 'debug', departure, error)
      return
    }
    await this.#report(session, error)
    if (error instanceof WebSocketValidationError) session.sendText(describe(error))
    await session.close(closeCodeOf(error))
  }

  /** Runs each `onDisconnect` that has not run yet, whatever the handlers do. */
  async disconnectAll (): Promise<void> {
    await Promise.all(Array.from(this.#awaitingHandlers.keys(), (session) => this.#callOnDisconnect(session)))
  }

  async #onReturned (session: Session): Promise<void> {
    if (session.accepting !== undefined) await settled(session.accepting)
    if (session.state === 'connecting') session.refuse(new WebSocketHandshakeError('the handler has returned without accept(), deny() or close()'))
    await this.#end(session)
  }

  async #onThrown (session: Session, error: unknown): Promise<void> {
    if (session.accepting !== undefined) await settled(session.accepting)
    await this.fail(session, error)
    await this.#end(session)
  }

  /** The handler has settled: ends the connection, and then the request. */
  async #end (session: Session): Promise<void> {
    if (session.connection?.end === null) await session.close()
    if (this.#awaitingHandlers.has(session)) await this.#callOnDisconnect(session)
    session.endRequest()
    this.#settings.onEnd()
  }

  async #callOnDisconnect (session: Session): Promise<void> {
    const { instance, handlers } = this.#settings
    clearTimeout(this.#awaitingHandlers.get(session))
    this.#awaitingHandlers.delete(session)
    try {
      await handlers.onDisconnect!.call(instance, session, await session.closed, session.request)
    } catch (error) {
      logSafely(session, 'error', 'onDisconnect of a WebSocket route threw', error)
    }
  }

  async #report (session: Session, error: unknown): Promise<void> {
    const { instance, errorHandler, closeTimeout } = this.#settings
    if (errorHandler === undefined || !session.accepted) {
      log(session, error)
      return
    }
    try {
      if (await atMost(closeTimeout, errorHandler.call(instance, error, session as never, session.request))) return
      logSafely(session, 'error', `the errorHandler of fastify-async-websocket has not settled within ${closeTimeout} ms (closeTimeout)`, error)
    } catch (thrown) {
      log(session, error)
      logSafely(session, 'error', 'the errorHandler of fastify-async-websocket threw', thrown)
    }
  }
}

/** The text for a client whose message is not valid. A validator may list errors that do not fit into JSON. */
function describe ({ closeCode: code, message: error, validation }: WebSocketValidationError): string {
  try {
    return JSON.stringify({ code, error, validation })
  } catch {
    return JSON.stringify({ code, error, validation: [{ message: error }] })
  }
}

function closeCodeOf (error: any): number {
  return isSendable(error?.closeCode) ? error.closeCode : closeCodes.INTERNAL_ERROR
}

/** As Fastify does, logs a fault of the client at `info`, and a fault of the server at `error`. */
function log (session: Session, error: any): void {
  const level = error instanceof WebSocketError && error.closeCode !== undefined ? 'info' : 'error'
  logSafely(session, level, 'an error left the handler of a WebSocket route', error)
}
