import { ServerResponse, type IncomingMessage } from 'node:http'
import { finished, type Duplex } from 'node:stream'
import { WebSocketHandshakeError, type WebSocketError } from '../base/errors'
import { show } from '../base/show'
import { logSafely } from '../base/user-code'
import { Handshake } from '../handshake/handshake'
import { http1, isInjected } from '../handshake/http1'
import { serverOptions } from '../handshake/upgrader'
import { registerFastifyWebsocket } from './adapter'
import { release } from './incomplete-requests'
import { afterOthers } from './other-listeners'
import { asksForWebSocket, handBack } from './other-protocols'
import { afterEarlier } from './pipelined-upgrades'
import { offerUpgrade, routeOf, type Route } from './route'
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AppState } from './app-state'
import type { Dispatch } from './dispatch'

/** Has `dispatch` route the upgrade requests of the server of `app`. */
export async function routeUpgrades (app: FastifyInstance, appState: AppState, dispatch: Dispatch): Promise<void> {
  const dispatchUpgrade = (request: IncomingMessage, stream: Duplex): void => {
    dispatch(http1, request, stream, () => {
      if (isInjected(stream)) finished(stream, () => stream.destroy())
      const response = new ServerResponse(request)
      response.assignSocket(stream as Socket)
      return response
    })
  }
  appState.websocketServer = await registerFastifyWebsocket(app, serverOptions(appState.settings), dispatchUpgrade)
  listen(app, appState, dispatchUpgrade)
}

/** Whether this package, or another listener to upgrades of `server`, upgrades `request`. */
export function isUpgrade (server: EventEmitter, request: IncomingMessage): boolean {
  return asksForWebSocket(request) || server.listenerCount('upgrade') > 1
}

/** Takes the upgrade requests that are for this package, or that have no other listener. */
function listen (app: FastifyInstance, appState: AppState, dispatch: (request: IncomingMessage, stream: Duplex) => void): void {
  const { server } = app
  const { leftovers, limit, lookup, settings: { handshakeTimeout } } = appState
  const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    release(request.socket)
    if (!isUpgrade(server, request)) {
      afterEarlier(request, stream, limit, handshakeTimeout, () => handBack(server, request, stream, head))
    } else if (server.listenerCount('upgrade') === 1) {
      take(request, stream, head)
    } else if (asksForWebSocket(request) && lookup.has(request)) {
      const handshake = Handshake.begin(http1, request, stream, appState.handshakes)
      afterOthers(request, stream, (isServed) => { isServed ? handshake.abandon() : take(request, stream, head) })
    } else {
      leftovers.add(request, stream, handshakeTimeout)
    }
  }
  const take = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    if (head.length > 0) stream.unshift(head)
    afterEarlier(request, stream, limit, handshakeTimeout, () => dispatch(request, stream))
  }
  server.prependListener('upgrade', onUpgrade)
  app.addHook('onClose', async () => { server.removeListener('upgrade', onUpgrade) })
}

/** The seconds after which a client may try again when a limit of connections is reached. */
const RETRY_AFTER = 10

/**
 * An onRequest hook: only valid WebSocket requests from allowed origins reach WebSocket routes, and no WebSocket request reaches
 * another route.
 */
export function checkUpgrade (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void | Promise<void> {
  const handshake = Handshake.of(request.raw)
  if (handshake === undefined) return done()
  handshake.fastifyRequest = request
  if (request.is404) return done()
  const route = routeOf(request)
  if (route === undefined) return reply.callNotFound() as never
  try {
    handshake.check()
    route.admit(handshake)
  } catch (error) {
    const { statusCode } = error as WebSocketError
    if (statusCode === 426) offerUpgrade(request, reply.header('sec-websocket-version', '13'))
    if (statusCode === 503) reply.header('retry-after', RETRY_AFTER)
    return done(error as Error)
  }
  const { origin } = request.headers
  if (origin === undefined) return done() // not from a browser
  return checkOrigin(route, origin, request) // a promise, since `done` takes a thrown `undefined` for no error
}

/**
 * Throws `WebSocketHandshakeError` with status 403 unless a page of `origin` may connect. The log gets the reason and the way out,
 * even if Fastify logs no requests. The response does not: a stranger need not know the options.
 */
async function checkOrigin (route: Route, origin: string, request: FastifyRequest): Promise<void> {
  if (await route.allowsOrigin(origin, request)) return
  logSafely(request, 'info', `the origin ${show(origin)} may not connect to ${request.routeOptions.url}: to allow it, set the option origins of the route or of the plugin`)
  throw new WebSocketHandshakeError('Forbidden', { statusCode: 403 })
}
