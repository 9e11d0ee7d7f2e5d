import { WebSocketDisconnect } from '../base/errors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session } from './session'
import type { CloseInfo } from '../../types/message'

/** The user's code for one route. */
export interface Handlers {
  handle (this: FastifyInstance, ws: Session, request: FastifyRequest): unknown
  onDisconnect?: (this: FastifyInstance, ws: Session, info: CloseInfo, request: FastifyRequest) => unknown
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

/** Whether `error` only says that the connection is gone: itself, or an operation that was aborted by the session's signal. */
export function isDisconnect (session: Session, error: any): boolean {
  if (session.state !== 'closed') return false
  return error instanceof WebSocketDisconnect || (error?.name === 'AbortError' && error.cause instanceof WebSocketDisconnect)
}
