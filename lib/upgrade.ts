import { Duplex, finished } from 'node:stream'
import { WebSocketHandshakeError, type WebSocketError } from './errors'
import { Handshake } from './handshake'
import { logSafely } from './thrown'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from './route'
import type { Service } from './service'

/** Marks the routes that take WebSocket requests, in their `config`. */
export const kRoute = Symbol('fastify-async-websocket.route')

/** The WebSocket route that `request` is for, if it is for one. */
export function routeOf (request: FastifyRequest): Route | undefined {
  return (request.routeOptions.config as { [kRoute]?: Route })[kRoute]
}

/**
 * Whether `injectWS` of @fastify/websocket has made `stream`: such a one does not close by itself when both sides have
 * ended, and Node does not learn when a response has been written to it.
 */
function isInjected (stream: Duplex): boolean {
  return !(stream instanceof Duplex)
}

const EMPTY = Buffer.alloc(0)

/**
 * Watches every upgrade request from its arrival to the end of the response to it, should it get one. To be called when
 * the listener of @fastify/websocket is the last: it gets every request by way of this one.
 */
export function watchUpgrades (app: FastifyInstance, service: Service): void {
  const { routing, server } = app
  const [onUpgrade] = server.listeners('upgrade').slice(-1)
  server.removeListener('upgrade', onUpgrade as never)
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const handshake = new Handshake(request, stream, service.handshakes)
    if (isInjected(stream)) finished(stream, () => stream.destroy())
    // It keeps the head with the request. One that is empty is still a view into all that came from the client, which
    // would be kept for as long as the connection is open.
    onUpgrade.call(server, request, stream, head.length === 0 ? EMPTY : head)
    handshake.watch() // mostly there is nothing to watch any more: a handler that accepts at once has done so
  })
  // This is what @fastify/websocket hands upgrade requests to.
  app.routing = (request, response) => {
    const handshake = Handshake.of(request)
    if (handshake !== undefined) {
      response.shouldKeepAlive = false // no further request can follow on this connection
      response.on(isInjected(handshake.stream) ? 'prefinish' : 'finish', onResponded)
      response.on('newListener', tellOfDrains)
    }
    try {
      routing(request, response)
    } catch (error) { // of what runs before there is an error handler: `rewriteUrl`, `genReqId`
      logSafely(app, 'error', 'a WebSocket request could not be routed', error)
      response.writeHead(500).end()
    }
  }
}

function onResponded (this: ServerResponse): void {
  Handshake.of(this.req)?.end() // there is none any more where the user ends the response of one that is complete
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

/** When a client for which there is no room may come again, in seconds. */
const RETRY_AFTER = 10

/** Sees to it that only sound WebSocket requests, from origins that are allowed, reach WebSocket routes, and no others do. */
export function checkUpgrade (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void | Promise<void> {
  const handshake = Handshake.of(request.raw)
  if (handshake === undefined) return done()
  if (!handshake.isWebSocket) {
    request.ws = false // another protocol, which the server need not take up (RFC 9110, section 7.8)
    return done()
  }
  if (request.is404) return done()
  const route = routeOf(request)
  if (route === undefined) return reply.callNotFound() as never
  try {
    handshake.check()
    route.admit(handshake)
  } catch (error) {
    const { statusCode } = error as WebSocketError
    if (statusCode === 426) reply.header('sec-websocket-version', '13')
    if (statusCode === 503) reply.header('retry-after', RETRY_AFTER)
    return done(error as Error)
  }
  const { origin } = request.headers
  if (origin === undefined) return done() // not from a browser
  return checkOrigin(route, origin, request) // not with `done`, which takes a thrown `undefined` for no error
}

/** Throws `WebSocketHandshakeError` with status 403 unless the page that `request` comes from may connect. */
async function checkOrigin (route: Route, origin: string, request: FastifyRequest): Promise<void> {
  if (await route.allowsOrigin(origin, request)) return
  throw new WebSocketHandshakeError(`the origin '${origin}' may not connect to ${request.routeOptions.url}: to allow it, set the option origins of the route or of the plugin`, { statusCode: 403 })
}

/**
 * After a response, @fastify/websocket destroys the connection of a request whose `ws` is true, which may cut the
 * response off (see `Handshake.end`). So its hook runs between these two, and is not shown that.
 */
export function hideUpgrade (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.ws = false
  done()
}

export function showUpgrade (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.ws = Handshake.of(request.raw)?.isWebSocket ?? false
  done()
}
