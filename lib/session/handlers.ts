import { WebSocketDisconnect } from '../base/errors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session } from './session'
import type { CloseInfo } from '../../types/message'

/** The functions of the user for one route. */
export interface Handlers {
  handle (this: FastifyInstance, ws: Session, request: FastifyRequest): unknown
  onDisconnect?: (this: FastifyInstance, ws: Session, info: CloseInfo, request: FastifyRequest) => unknown
}

/** The session handlers of a route. */
export interface SessionHandlers {
  onConnect?: (this: FastifyInstance, ws: Session, request: FastifyRequest) => unknown
  onMessage: (this: FastifyInstance, ws: Session, data: any, request: FastifyRequest) => unknown
  onDisconnect?: Handlers['onDisconnect']
}

/** Returns session handlers as a handler, which handles one message at a time. */
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
          // The client has left, but `onMessage` still gets the messages that came before the end.
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

/** `autoAccept`: completes the handshake before the handler runs. The handler does not run for a client that has left. */
export function acceptFirst (handlers: Handlers): Handlers {
  return {
    ...handlers,
    async handle (ws, request) {
      await ws.accept()
      await handlers.handle.call(this, ws, request)
    }
  }
}

/**
 * Whether `error` only says that the connection has ended: it is a `WebSocketDisconnect`, or the error of an operation that the
 * signal of the session has aborted.
 */
export function isDisconnect (session: Session, error: any): boolean {
  if (session.state !== 'closed') return false
  return error instanceof WebSocketDisconnect || (error?.name === 'AbortError' && error.cause instanceof WebSocketDisconnect)
}
