import { Handshake } from './handshake'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketError } from './errors'
import type { Route } from './route'
import type { Service } from './service'

/** Marks the routes that take WebSocket requests, in their `config`. */
export const kRoute = Symbol('fastify-async-websocket.route')

/** The WebSocket route that `request` is for, if it is for one. */
export function routeOf (request: FastifyRequest): Route | undefined {
  return (request.routeOptions.config as { [kRoute]?: Route })[kRoute]
}

/** A request to upgrade has come in: Fastify is about to route it. */
export function onUpgrade (service: Service, request: IncomingMessage, stream: Duplex): void {
  new Handshake(request, stream, service.handshakes) // eslint-disable-line no-new
  // Fastify answers 503 by itself then, within this event, and nobody would end the connection.
  if (service.closing) process.nextTick(() => stream.end())
}

/** Sees to it that only sound WebSocket requests reach WebSocket routes, and no others do. */
export function checkUpgrade (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const handshake = Handshake.of(request.raw)
  if (handshake === undefined) return done()
  reply.raw.shouldKeepAlive = false // no further request can follow on this connection
  if (!handshake.isWebSocket) {
    request.ws = false // another protocol, which the server need not take up (RFC 9110, section 7.8)
    return done()
  }
  if (request.is404) return done()
  if (routeOf(request) === undefined) return reply.callNotFound() as never
  try {
    handshake.check()
  } catch (error) {
    if ((error as WebSocketError).statusCode === 426) reply.header('sec-websocket-version', '13')
    return done(error as Error)
  }
  done()
}

/** Ends the connection of an upgrade request that was answered as a plain one. The others are @fastify/websocket's. */
export function endUpgrade (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (!request.ws) Handshake.of(request.raw)?.stream.end()
  done()
}
