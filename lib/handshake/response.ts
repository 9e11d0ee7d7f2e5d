import { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { Handshake } from './handshake'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/*
 * The response to an upgrade request. It differs from other responses in two ways. The connection ends with the response. And
 * Fastify does not write the 101 response: `switchProtocols` writes it, with the headers that Fastify would have written.
 */

export const SWITCHING_PROTOCOLS = 101

const { writeHead, end } = ServerResponse.prototype

/** Prepares `response` to answer `handshake`. */
export function answerBy (response: ServerResponse, handshake: Handshake): void {
  response.shouldKeepAlive = false // no further request can follow on this connection
  response.on(isInjected(handshake.stream) ? 'prefinish' : 'finish', onResponded)
  response.on('newListener', forwardDrains)
  response.writeHead = writeHeadUnlessSwitching
  response.end = endUnlessSwitched
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
 * Detaches `response` from the connection, since the handshake is complete. A response with a listener for 'close' stays
 * attached, and emits 'close' with the connection. Returns the response if it has a listener for 'finish', which Fastify adds
 * to run onResponse hooks and to log; else null.
 */
export function detachResponse (response: ServerResponse, stream: Duplex): ServerResponse | null {
  response.removeListener('finish', onResponded)
  if (response.listenerCount('close') === 0) response.detachSocket(stream as Socket)
  return response.listenerCount('finish') === 0 ? null : response
}

/**
 * Whether `stream` comes from `injectWS` of @fastify/websocket. A stream of `injectWS` does not close by itself when both sides
 * have ended, and Node does not learn when a response has been written to it.
 */
export function isInjected (stream: Duplex): boolean {
  return !(stream instanceof Duplex)
}

// All responses share these functions.

function writeHeadUnlessSwitching (this: ServerResponse, status: number, ...rest: any[]): ServerResponse {
  const handshake = Handshake.of(this.req)
  const acceptance = handshake?.acceptance
  if (acceptance == null) return refuse(this, handshake, status, rest)
  handshake!.acceptance = null
  const headers = rest.at(-1)
  if (status === SWITCHING_PROTOCOLS) {
    this.end = skipEnd
    acceptance.switchProtocols({ ...this.getHeaders(), ...headers })
    return this
  }
  acceptance.answerOtherwise(status)
  return refuse(this, handshake, status, rest)
}

function refuse (response: ServerResponse, handshake: Handshake | undefined, status: number, rest: any[]): ServerResponse {
  writeHead.call(response, status, ...rest)
  handshake?.refusedWith(status)
  return response
}

/** Ignores one call: Fastify ends the 101 response right after its head. */
function skipEnd (this: ServerResponse): ServerResponse {
  this.end = endUnlessSwitched
  return this
}

/** Does nothing when the handshake is complete: the connection belongs to the session. */
function endUnlessSwitched (this: ServerResponse, ...rest: any[]): ServerResponse {
  return Handshake.of(this.req) === undefined ? this : end.apply(this, rest as never)
}

function onResponded (this: ServerResponse): void {
  Handshake.of(this.req)?.end() // undefined when the request of a complete handshake ends
}

/**
 * Emits 'drain' on the response when the connection drains. Node has removed its own listener from a connection that asks for an
 * upgrade. Without a listener, the writer of a response that exceeds the buffer of the connection would wait for 'drain' for ever.
 */
function forwardDrains (this: ServerResponse, event: string | symbol): void {
  if (event !== 'drain') return
  this.removeListener('newListener', forwardDrains)
  Handshake.of(this.req)?.stream.on('drain', () => this.emit('drain'))
}
