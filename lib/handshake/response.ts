import { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { Handshake } from './handshake'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/*
 * The response to an upgrade request. It is an ordinary one, but for its end, which is that of the connection, and for
 * 101, which `ws` writes: then what Fastify would write is taken for it.
 */

export const SWITCHING_PROTOCOLS = 101

const { writeHead, end } = ServerResponse.prototype

/** `response` will answer `handshake`, unless that is completed. */
export function answerBy (response: ServerResponse, handshake: Handshake): void {
  response.shouldKeepAlive = false // no further request can follow on this connection
  response.on(isInjected(handshake.stream) ? 'prefinish' : 'finish', onResponded)
  response.on('newListener', tellOfDrains)
  response.writeHead = writeHeadUnlessSwitching
  response.end = endUnlessSwitched
}

/** An onError hook of a route: keeps what its onSend hooks fail with, before any error handler answers with it. */
export function keepHookError ({ raw }: FastifyRequest, _reply: FastifyReply, error: Error, done: () => void): void {
  const acceptance = Handshake.of(raw)?.acceptance
  if (acceptance != null) acceptance.error = error
  done()
}

/**
 * The handshake that `response` would have answered is complete: nothing keeps it, unless somebody waits for it. Whoever
 * listens to its 'close' is still told of the connection's. Returns it where somebody listens to its 'finish', as Fastify
 * does to run onResponse hooks and to log; else null.
 */
export function letGo (response: ServerResponse, stream: Duplex): ServerResponse | null {
  response.removeListener('finish', onResponded)
  if (response.listenerCount('close') === 0) response.detachSocket(stream as Socket)
  return response.listenerCount('finish') === 0 ? null : response
}

/**
 * Whether `injectWS` of @fastify/websocket has made `stream`: such a one does not close by itself when both sides have
 * ended, and Node does not learn when a response has been written to it.
 */
export function isInjected (stream: Duplex): boolean {
  return !(stream instanceof Duplex)
}

// Functions that all responses share.

function writeHeadUnlessSwitching (this: ServerResponse, status: number, ...rest: any[]): ServerResponse {
  const handshake = Handshake.of(this.req)
  const acceptance = handshake?.acceptance
  if (acceptance == null) return writeHead.call(this, status, ...rest)
  handshake!.acceptance = null
  const headers = rest.at(-1)
  if (status === SWITCHING_PROTOCOLS) {
    this.end = endOnce
    acceptance.switchProtocols({ ...this.getHeaders(), ...headers })
    return this
  }
  acceptance.answerOtherwise(status)
  return writeHead.call(this, status, ...rest)
}

/** Fastify ends what it takes for a response of 101: nothing is to follow. */
function endOnce (this: ServerResponse): ServerResponse {
  this.end = endUnlessSwitched
  return this
}

/** Nothing ends by the response of a handshake that is complete. */
function endUnlessSwitched (this: ServerResponse, ...rest: any[]): ServerResponse {
  return Handshake.of(this.req) === undefined ? this : end.apply(this, rest as never)
}

function onResponded (this: ServerResponse): void {
  Handshake.of(this.req)?.end() // there is none any more where the request of a complete handshake ends
}

/**
 * Node has taken its own listener off a connection that asks for an upgrade. Without one, a response that is longer than
 * what the connection takes at once would never go on: whoever writes it waits for `drain`.
 */
function tellOfDrains (this: ServerResponse, event: string | symbol): void {
  if (event !== 'drain') return
  this.removeListener('newListener', tellOfDrains)
  Handshake.of(this.req)?.stream.on('drain', () => this.emit('drain'))
}
