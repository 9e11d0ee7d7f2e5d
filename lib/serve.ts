import { closeCodes, isSendable } from './close'
import { WebSocketDisconnect, WebSocketError, WebSocketHandshakeError, WebSocketValidationError } from './errors'
import { atMost } from './promise'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { PluginSettings } from './options'
import type { Session } from './session'
import type { CloseInfo } from '../types/message'

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
  readonly errorHandler?: PluginSettings['errorHandler']
  /** How long an `errorHandler` may take, in milliseconds. */
  readonly closeTimeout: number
  /** A session and its handlers have ended. */
  readonly onEnd: () => void
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
  handled.then(() => end(life, session, returned), (error) => end(life, session, () => fail(life, session, error)))
}

/** The handler has ended: `outcome` sees to how it has. Only a logger of the user's can throw here: there is nobody to tell then. */
async function end (life: Life, session: Session, outcome: (session: Session) => unknown): Promise<void> {
  try {
    await outcome(session)
  } catch {
    session.terminate()
  }
  try {
    if (session.accepted) {
      await session.close()
      await disconnected(life, session)
    }
  } catch {}
  life.onEnd()
}

function returned (session: Session): void {
  if (session.state !== 'connecting') return
  session.refuse(new WebSocketHandshakeError('the handler has returned without accept(), deny() or close()'))
}

async function disconnected ({ instance, handlers: { onDisconnect } }: Life, session: Session): Promise<void> {
  if (onDisconnect === undefined) return
  try {
    await onDisconnect.call(instance, session, await session.closed, session.request)
  } catch (error) {
    session.log.error({ err: error }, 'onDisconnect of a WebSocket route threw')
  }
}

/** An error has left the handler. */
async function fail (life: Life, session: Session, error: unknown): Promise<void> {
  if (session.state === 'connecting') {
    session.refuse(error)
    return
  }
  if (isDisconnect(session, error) && life.catchDisconnect) {
    session.log.debug({ err: error }, 'the WebSocket client has disconnected')
    return
  }
  if (!session.accepted && error instanceof WebSocketHandshakeError) {
    session.log.debug({ err: error }, 'the WebSocket handshake was not completed')
    return
  }
  await report(life, session, error)
  if (error instanceof WebSocketValidationError) {
    session.sendText(JSON.stringify({ code: error.closeCode, error: error.message, validation: error.validation }))
  }
  await session.close(closeCodeOf(error))
}

/** Whether `error` only says that the connection is gone: itself, or an operation that was aborted by the session's signal. */
function isDisconnect (session: Session, error: any): boolean {
  if (session.state !== 'closed') return false
  return error instanceof WebSocketDisconnect || (error?.name === 'AbortError' && error.cause instanceof WebSocketDisconnect)
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
    await atMost(closeTimeout, errorHandler.call(instance, error, session as never, session.request))
  } catch (thrown) {
    log(session, error)
    session.log.error({ err: thrown }, 'the errorHandler of fastify-async-websocket threw')
  }
}

// As Fastify does: what the client has done wrong is information, what the server has done wrong is an error.
function log (session: Session, error: any): void {
  const level = error instanceof WebSocketError && error.closeCode !== undefined ? 'info' : 'error'
  session.log[level]({ err: error }, 'an error left the handler of a WebSocket route')
}
