import { STATUS_CODES, type IncomingMessage } from 'node:http'
import { CloseHandshake } from '../connection/close-handshake'
import { Handshake } from './handshake'
import { repliedHeaders } from './headers'
import { letGo, SWITCHING_PROTOCOLS } from './response'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Closing } from '../base/close-codes'
import type { ConnectionEnd } from '../base/connection-end'
import type { RawWebSocket } from '../../types/raw'

/**
 * How a handshake is refused: with its HTTP response, of which a script in a browser learns nothing, or by a connection
 * that is closed at once, whose code and reason it can read. `'auto'` is the latter for browsers, which send an Origin.
 */
export type Refusal = 'http' | 'close' | 'auto'

/** Where the status of a response is among the close codes that anybody may use (RFC 6455, section 7.4.2). */
const FIRST_CODE = 4000

function ignore (): void {}

/** Whether `request` is a handshake that is to be refused by a connection that is closed. */
export function refusesByClosing (refusal: Refusal, request: FastifyRequest): boolean {
  if (refusal === 'http' || Handshake.of(request.raw)?.isSound !== true) return false
  return refusal === 'close' || request.headers.origin !== undefined
}

/** What refuses handshakes with a connection. */
export interface Refuser {
  /** Answers 101; returns null where the client is no longer there. */
  upgrade (request: IncomingMessage): RawWebSocket | null
  /** There is a connection that is no session's: it is waited for when the app closes. */
  opened (raw: RawWebSocket): void
}

/** An onSend hook, the last one of a route: what it would have answered a handshake with is what the connection is closed with. */
export function createRefusalHook (refuser: Refuser, refusal: Refusal) {
  return function refuseInstead (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void): void {
    if (reply.sent) return // a second answer, whose hooks were slower than those of the first
    if (reply.statusCode === SWITCHING_PROTOCOLS || !refusesByClosing(refusal, request)) return done(null, payload)
    const status = statusOf(reply, payload)
    const { closing } = Handshake.of(request.raw)!
    refuse(refuser, request, reply, closing ?? { code: FIRST_CODE + status, reason: messageOf(reply, payload) ?? STATUS_CODES[status] ?? '' })
    discard(payload)
  }
}

/** Completes the handshake of `request`, in place of a response, and closes the connection. The request ends with it. */
function refuse (refuser: Refuser, request: FastifyRequest, reply: FastifyReply, closing: Closing): void {
  const handshake = Handshake.of(request.raw)!
  reply.hijack()
  handshake.headers = repliedHeaders(reply.getHeaders())
  handshake.refuse()
  handshake.release()
  const raw = refuser.upgrade(request.raw)
  handshake.complete(raw !== null)
  const response = letGo(reply.raw, handshake.stream)
  const over = (end?: ConnectionEnd): void => {
    handshake.owner?.over(end)
    response?.emit('finish')
  }
  if (raw === null) return over()
  refuser.opened(raw)
  raw.on('error', ignore) // its end follows
  const close = new CloseHandshake(raw, 0)
  raw.on('close', (code, reason) => over(close.finish(code, reason)))
  close.begin(closing)
  raw.resume()
}

/** A `Response` of the fetch API has its own. */
function statusOf (reply: FastifyReply, payload: unknown): number {
  return payload instanceof Response ? payload.status : reply.statusCode
}

/** What a response says in words: the message of an error, or a text. */
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

/** Ends a stream of which nothing will be read. What it fails with is of no interest, and must not end the process. */
function discard (payload: any): void {
  if (typeof payload?.destroy === 'function') payload.on('error', ignore).destroy()
  else (payload?.body ?? payload)?.cancel?.().catch(ignore) // a stream of the fetch API, or a `Response` with one
}
