import { logSafely } from '../base/user-code'
import { Handshake, type HandshakeObserver } from '../handshake/handshake'
import { answerBy } from '../handshake/response'
import { limitRouting } from './adapter'
import { routeOf } from './route'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { HandshakeKind, HandshakeRequest, HandshakeResponse } from '../handshake/kind'
import type { AppState } from './app-state'

/**
 * Routes a WebSocket request, and watches its client until the request is answered. `respond` makes the response, when the
 * handshake has begun.
 */
export type Dispatch = (kind: HandshakeKind, request: HandshakeRequest, stream: Duplex, respond: () => HandshakeResponse) => void

/** Returns the dispatch of `app`. Has `app` itself route no WebSocket request: no request may be served twice. */
export function createDispatch (app: FastifyInstance, appState: AppState): Dispatch {
  // @fastify/http-proxy routes all upgrade requests of its prefixes as well.
  const routing = limitRouting(app, (request) => !Handshake.isFor(request))
  const observer: HandshakeObserver = {
    refused ({ fastifyRequest: request }, statusCode, closeCode) {
      const route = request === null ? undefined : routeOf(request)
      const { other } = appState.observer
      ;(route?.observer ?? other).refused(request, statusCode, closeCode)
    }
  }
  return (kind, request, stream, respond) => {
    const handshake = Handshake.begin(kind, request, stream, appState.handshakes)
    handshake.observer = observer
    const response = respond()
    answerBy(response, handshake)
    try {
      routing(request, response)
    } catch (error) { // `rewriteUrl` and `genReqId` run before there is an error handler
      logSafely(app, 'error', 'a WebSocket request could not be routed', error)
      response.writeHead(500).end()
    }
    handshake.watch() // usually the handshake is over: a handler that accepts at once has completed it
  }
}
