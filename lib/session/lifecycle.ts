import { closeCodes, isSendable } from '../base/close-codes'
import { atMost, settled } from '../base/deferred'
import { WebSocketDisconnect, WebSocketError, WebSocketHandshakeError, WebSocketValidationError } from '../base/errors'
import { logSafely, readable } from '../base/user-code'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session } from './session'
import type { CloseInfo } from '../../types/message'
import type { WebSocketPluginOptions } from '../../types/options'

/** The user's code for one route. */
export interface Handlers {
  handle (this: FastifyInstance, ws: Session, request: FastifyRequest): unknown
  onDisconnect?: (this: FastifyInstance, ws: Session, info: CloseInfo, request: FastifyRequest) => unknown
}

/** What the sessions of a route have in common. */
export interface Life {
  readonly instance: FastifyInstance
  readonly handlers: Handlers
  readonly catchDisconnect: boolean
  readonly errorHandler?: WebSocketPluginOptions['errorHandler']
  /**
   * How long an `errorHandler` may take, and after the end of a connection `onConnect`, or `onMessage` for one message,
   * until `onDisconnect` runs without them, in milliseconds.
   */
  readonly closeTimeout: number
  /** A session and its handlers have ended. */
  readonly onEnd: () => void
  /** The sessions whose connection has ended and whose `onDisconnect` has not run, with what ends the wait for their handlers. */
  readonly untold: Map<Session, NodeJS.Timeout>
}

/** `{ onConnect, onMessage, onDisconnect }` as a handler: one message at a time. */
export interface SessionHandlers {
  onConnect?: (this: FastifyInstance, ws: Session, request: FastifyRequest) => unknown
  onMessage: (this: FastifyInstance, ws: Session, data: any, request: FastifyRequest) => unknown
  onDisconnect?: Handlers['onDisconnect']
}

export function sessionHandlers ({ onConnect, onMessage, onDisconnect }: SessionHandlers): Handlers {
  return {
    async handle (ws, request) {
      if (onConnect === undefined) {
        if (!ws.accepted) await ws.accept()
      } else {
        await onConnect.call(this, ws, request)
        if (!ws.accepted) return
      }
      let disconnect: unknown
      for await (const data of ws) {
        try {
          await onMessage.call(this, ws, data, request)
        } catch (error) {
          // Nobody can be answered any more, but what came before the end is still delivered.
          if (!isDisconnect(ws, error)) throw error
          disconnect ??= error
        }
        ws.handled++
      }
      if (disconnect !== undefined) throw disconnect
    },
    onDisconnect
  }
}

/** `autoAccept`: the handshake is complete before the handler runs; it does not run for a client that has left. */
export function accepting (handlers: Handlers): Handlers {
  return {
    ...handlers,
    async handle (ws, request) {
      await ws.accept()
      await handlers.handle.call(this, ws, request)
    }
  }
}

/**
 * The life of one session: the handler is its scope.
 *
 * What is thrown before the handshake is complete, Fastify's error handler answers with. Afterwards the connection is
 * closed, and what was thrown is reported once. Nothing rejects.
 */
export function serve (life: Life, session: Session): void {
  const { instance, handlers } = life
  let handled
  try {
    handled = Promise.resolve(handlers.handle.call(instance, session, session.request))
  } catch (error) {
    handled = Promise.reject(error)
  }
  session.limitHandshake()
  // Not awaited: what an async function keeps, it keeps for as long as the connection is open.
  handled.then(() => returned(life, session), (error) => threw(life, session, error))
}

async function threw (life: Life, session: Session, error: unknown): Promise<void> {
  if (session.accepting !== undefined) await settled(session.accepting)
  await fail(life, session, error)
  await end(life, session)
}

/** The handler has ended, and so does its connection. */
async function end (life: Life, session: Session): Promise<void> {
  if (session.connection?.end === null) await session.close()
  if (life.untold.has(session)) await disconnected(life, session)
  session.endRequest()
  life.onEnd()
}

/**
 * The connection of a session has ended: `onDisconnect` is to run when the handler has ended, too, which still handles
 * what came before. If it does not get on with that any more, `onDisconnect` runs without it.
 */
export function ended (life: Life, session: Session): void {
  const { closeTimeout, handlers, untold } = life
  if (handlers.onDisconnect === undefined || !session.accepted) return
  const { handled } = session
  untold.set(session, setTimeout(() => {
    if (session.handled > handled) return ended(life, session)
    logSafely(session, 'warn', `the handler of a WebSocket route has not gone on within ${closeTimeout} ms (closeTimeout) of the end of the connection: onDisconnect runs without it`)
    disconnected(life, session)
  }, closeTimeout).unref())
}

async function returned (life: Life, session: Session): Promise<void> {
  if (session.accepting !== undefined) await settled(session.accepting)
  if (session.state === 'connecting') session.refuse(new WebSocketHandshakeError('the handler has returned without accept(), deny() or close()'))
  await end(life, session)
}

/** Runs `onDisconnect`, once. */
async function disconnected ({ instance, handlers, untold }: Life, session: Session): Promise<void> {
  clearTimeout(untold.get(session))
  untold.delete(session)
  try {
    await handlers.onDisconnect!.call(instance, session, await session.closed, session.request)
  } catch (error) {
    logSafely(session, 'error', 'onDisconnect of a WebSocket route threw', error)
  }
}

/** Runs each `onDisconnect` that has not run yet, whatever the handlers do. Never rejects. */
export async function disconnectAll (life: Life): Promise<void> {
  await Promise.all(Array.from(life.untold.keys(), (session) => disconnected(life, session)))
}

/** `thrown` has left the handler. Never rejects. */
export async function fail (life: Life, session: Session, thrown: unknown): Promise<void> {
  const error = readable(thrown)
  if (session.state === 'connecting') {
    session.refuse(error)
    return
  }
  if (isDisconnect(session, error) && life.catchDisconnect) {
    logSafely(session, 'debug', 'the WebSocket client has disconnected', error)
    return
  }
  if (!session.accepted && error instanceof WebSocketHandshakeError) {
    logSafely(session, 'debug', 'the WebSocket handshake was not completed', error)
    return
  }
  await report(life, session, error)
  if (error instanceof WebSocketValidationError) session.sendText(describe(error))
  await session.close(closeCodeOf(error))
}

/** Whether `error` only says that the connection is gone: itself, or an operation that was aborted by the session's signal. */
function isDisconnect (session: Session, error: any): boolean {
  if (session.state !== 'closed') return false
  return error instanceof WebSocketDisconnect || (error?.name === 'AbortError' && error.cause instanceof WebSocketDisconnect)
}

/** What the client is told of a message that is not valid. What a validator lists need not fit into JSON. */
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

async function report ({ instance, errorHandler, closeTimeout }: Life, session: Session, error: unknown): Promise<void> {
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

// As Fastify does: what the client has done wrong is information, what the server has done wrong is an error.
function log (session: Session, error: any): void {
  const level = error instanceof WebSocketError && error.closeCode !== undefined ? 'info' : 'error'
  logSafely(session, level, 'an error left the handler of a WebSocket route', error)
}
