import { settled } from '../base/deferred'
import { WebSocketDisconnect, WebSocketHandshakeError } from '../base/errors'
import { logSafely, readable } from '../base/user-code'
import { aroundMessages } from '../observe/on-message'
import { Session } from './session'
import type { FastifyInstance, FastifyRequest } from 'fastify'
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
        if (ws.accepting !== undefined) await settled(ws.accepting) // `onConnect` need not wait for it
        if (!ws.accepted) return
      }
      const around = aroundMessages(ws, isDeparture)
      let disconnect: unknown
      for await (const data of ws) {
        try {
          if (around === null) await onMessage.call(this, ws, data, request)
          else await around(() => onMessage.call(this, ws, data, request))
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

/** The handlers that `withoutDepartures` has wrapped. */
const wrapped = new WeakMap<Function, Function>()

/**
 * Returns `handle` without the errors that only say that the client has left (see `departureIn`). A hook that wraps the handler, as
 * @fastify/otel does, would take such an error for a failure.
 */
export function withoutDepartures (handle: unknown): unknown {
  if (typeof handle !== 'function') return handle
  const { [handle.name]: wrapper } = {
    [handle.name] (this: FastifyInstance, ws: unknown, ...rest: unknown[]): unknown {
      const result = handle.call(this, ws, ...rest)
      return Session.is(ws) && result instanceof Promise ? result.catch((error) => passOver(ws, error)) : result
    }
  }
  wrapped.set(wrapper, handle)
  return wrapper
}

/** Returns the handler without the wrapper, which is needed only where a hook has wrapped it once more. */
export function withoutWrapper<F extends Function> (handle: F): F {
  return wrapped.get(handle) as F ?? handle
}

/** Logs an error that only says that the client has left. Throws any other error. */
function passOver (session: Session, error: unknown): void {
  const departure = departureIn(session, readable(error))
  if (departure === undefined) throw error
  logSafely(session, 'debug', departure, error)
}

/**
 * Returns what the log says, at debug, of an error that leaves the handler of a session only because the client has left; undefined
 * for any other error.
 */
export function departureIn (session: Session, error: any): string | undefined {
  if (isDisconnect(session, error) && session.catchDisconnect) return 'the WebSocket client has disconnected'
  const isTooEarly = !session.accepted && session.state !== 'connecting' && error instanceof WebSocketHandshakeError
  return isTooEarly ? 'the WebSocket handshake was not completed' : undefined
}

function isDeparture (session: Session, error: unknown): boolean {
  return departureIn(session, readable(error)) !== undefined
}

/**
 * Whether `error` only says that the connection has ended or is ending: it is a `WebSocketDisconnect`, or the error of an operation
 * that the signal of the session has aborted.
 */
function isDisconnect (session: Session, error: any): boolean {
  if (session.state === 'connecting' || session.state === 'open') return false
  return error instanceof WebSocketDisconnect || (error?.name === 'AbortError' && error.cause instanceof WebSocketDisconnect)
}
