import { STATUS_CODES } from 'node:http'
import { Connection, type ConnectionOptions } from '../connection/connection'
import { Handshake } from './handshake'
import { repliedHeaders } from './headers'
import { accepts, detachResponse, discard, statusOf } from './response'
import { switchProtocols } from './upgrader'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Closing } from '../base/closing'
import type { ConnectionEnd } from '../base/connection-end'

/**
 * How a handshake is refused. `'http'` sends an HTTP response, which a script in a browser cannot read. `'close'` completes the
 * handshake and closes the connection at once, with a code and reason that a script can read. `'auto'` is `'close'` for
 * browsers, which send `Origin`, and `'http'` for other clients.
 */
export type Refusal = 'http' | 'close' | 'auto'

/** The first close code for private use (RFC 6455, section 7.4.2). The status of the response is added to it. */
const FIRST_CODE = 4000

/** Whether `request` is a valid handshake whose refusal is a connection that is closed. */
export function refusesByClosing (refusal: Refusal, request: FastifyRequest): boolean {
  if (refusal === 'http' || Handshake.of(request.raw)?.isValid !== true) return false
  return refusal === 'close' || request.headers.origin !== undefined
}

/** Refuses handshakes with a connection. */
export interface Refuser {
  readonly options: ConnectionOptions
  /** Registers a connection without a session. The app waits for its end when it closes. */
  opened (connection: Connection): void
  closed (connection: Connection): void
}

/**
 * Creates an onSend hook, the last one of a route. The hook refuses a handshake with a connection in place of the response. The
 * status and the text of the response become the close code and the reason.
 */
export function createRefusalHook (refuser: Refuser, refusal: Refusal) {
  return function refuseInstead (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void): void {
    if (reply.sent) return // a second response, whose hooks were slower than those of the first
    const handshake = Handshake.of(request.raw)
    const status = statusOf(reply, payload)
    if (handshake === undefined || accepts(handshake, status) || !refusesByClosing(refusal, request)) return done(null, payload)
    const { closing } = handshake
    refuse(refuser, request, reply, status, closing ?? { code: FIRST_CODE + status, reason: messageOf(reply, payload) ?? STATUS_CODES[status] ?? '' })
    discard(payload)
  }
}

/** Completes the handshake of `request`, in place of a response, and closes the connection. The request ends with the connection. */
function refuse (refuser: Refuser, request: FastifyRequest, reply: FastifyReply, status: number, closing: Closing): void {
  const handshake = Handshake.of(request.raw)!
  reply.hijack()
  handshake.restoreHeaders()
  handshake.headers = repliedHeaders(reply.getHeaders())
  handshake.refuse()
  handshake.release()
  const protocol = switchProtocols(request.raw)
  handshake.complete(protocol !== null)
  const response = detachResponse(handshake.kind, reply.raw, handshake.stream)
  const over = (end?: ConnectionEnd): void => {
    handshake.owner?.over(end)
    response?.emit('finish')
  }
  if (protocol === null) return over()
  handshake.refusedWith(status, closing.code)
  const options = { ...refuser.options, heartbeat: false, idleTimeout: false, rateLimit: false } as const
  const connection = new Connection(handshake.stream, { isServer: true, protocol, compression: null }, options, {
    finish (end) {
      refuser.closed(connection)
      over(end)
    }
  })
  refuser.opened(connection)
  connection.close(closing.code, closing.reason)
}

/** Returns the text of a response: the message of an error in JSON, or a plain text. */
function messageOf (reply: FastifyReply, payload: unknown): string | undefined {
  if (typeof payload !== 'string' || payload === '') return undefined
  const type = String(reply.getHeader('content-type'))
  if (type.startsWith('application/json')) return messageIn(payload)
  return type.startsWith('text/plain') ? payload : undefined
}

function messageIn (json: string): string | undefined {
  try {
    const { message } = JSON.parse(json)
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined // not JSON, or `null`
  }
}
