import { Handshake } from './handshake'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HandshakeKind, HandshakeResponse, RequestEnd } from './kind'

/*
 * The response to a WebSocket request. It differs from other responses in two ways. The connection ends with the response. And
 * Fastify does not write the response that accepts: `switchProtocols` writes it, with the headers that Fastify would have written.
 */

/** Prepares `response` to answer `handshake`. */
export function answerBy (response: HandshakeResponse, { kind, stream }: Handshake): void {
  kind.prepare(response, stream, onResponded)
  response.writeHead = writeHeadUnlessSwitching
  response.end = endUnlessSwitched
}

/** Whether the response of `handshake` with `status` accepts. */
export function accepts ({ acceptance, kind }: Handshake, status: number): boolean {
  return acceptance !== null && status === kind.status
}

/** An onError hook of a route: keeps the error of an onSend hook, before an error handler answers with it. */
export function keepHookError ({ raw }: FastifyRequest, _reply: FastifyReply, error: Error, done: () => void): void {
  const acceptance = Handshake.of(raw)?.acceptance
  if (acceptance != null) acceptance.error = error
  done()
}

/** An onSend hook of a route: tells the handshake its request, which a hook from before this package may have refused. */
export function noteRequest (request: FastifyRequest, _reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void): void {
  const handshake = Handshake.of(request.raw)
  if (handshake !== undefined) handshake.fastifyRequest = request
  done(null, payload)
}

/**
 * An onSend hook of a route, the last one but that which refuses with a connection: discards the payload of the response that
 * accepts. Fastify would send it with the status 200 of HTTP/2.
 */
export function sendNoBody ({ raw }: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void): void {
  const handshake = Handshake.of(raw)
  if (handshake === undefined || !accepts(handshake, statusOf(reply, payload))) return done(null, payload)
  discard(payload)
  done(null, null)
}

/** Returns the status of the response. A `Response` of the fetch API has its own status. */
export function statusOf (reply: FastifyReply, payload: unknown): number {
  return payload instanceof Response ? payload.status : reply.statusCode
}

/** Ends a payload that will not be read. An error of its stream is ignored, so that the error does not end the process. */
export function discard (payload: any): void {
  if (typeof payload?.destroy === 'function') payload.on('error', ignore).destroy()
  else (payload?.body ?? payload)?.cancel?.().catch(ignore) // a stream of the fetch API, or a `Response` with one
}

function ignore (): void {}

/**
 * Detaches `response` from the connection, since the handshake is complete. Returns the end of its request if `response` has a
 * listener for 'finish', which Fastify adds to run onResponse hooks and to log; else null.
 */
export function detachResponse (kind: HandshakeKind, response: HandshakeResponse, stream: Duplex): RequestEnd | null {
  return kind.detach(response, stream, onResponded)
}

// All responses share these functions.

function writeHeadUnlessSwitching (this: HandshakeResponse, status: number, ...rest: any[]): HandshakeResponse {
  const handshake = Handshake.of(this.req)
  const prototype = Object.getPrototypeOf(this) as HandshakeResponse
  if (handshake === undefined) return prototype.writeHead.call(this, status, ...rest)
  const { acceptance } = handshake
  const isAccepted = accepts(handshake, status)
  handshake.acceptance = null
  if (isAccepted) {
    this.end = skipEnd
    acceptance!.switchProtocols({ ...this.getHeaders(), ...rest.at(-1) })
  } else {
    acceptance?.answerOtherwise(status)
    handshake.refusedWith(handshake.kind.writeRefusal(this, status, rest))
  }
  return this
}

/** Ignores one call: Fastify ends the response that accepts right after its head. */
function skipEnd (this: HandshakeResponse): HandshakeResponse {
  this.end = endUnlessSwitched
  return this
}

/** Does nothing when the handshake is complete: the connection belongs to the session. */
function endUnlessSwitched (this: HandshakeResponse, ...rest: any[]): HandshakeResponse {
  return Handshake.of(this.req) === undefined ? this : Object.getPrototypeOf(this).end.apply(this, rest)
}

function onResponded (this: HandshakeResponse): void {
  Handshake.of(this.req)?.end() // undefined when the request of a complete handshake ends
}
