import { WebSocketOptionError } from '../base/errors'
import { FASTIFY_WEBSOCKET, hasFastifyWebsocket, rejectFastifyWebsocket } from './adapter'
import type { FastifyInstance } from 'fastify'

/*
 * A server has one plugin that answers WebSocket handshakes. Of a second one, Fastify would say that a decorator is there
 * already, or nothing at all, where it is in another context: then each handshake would be answered twice.
 */

export const NAME = 'fastify-async-websocket'

const WAY_OUT = `register ${NAME} once, and ${FASTIFY_WEBSOCKET}, which it brings along, not at all: ` +
  'routes written for that take `websocket: { raw: true }`, those that libraries add by themselves are named in the option rawRoutes'

/** The servers that have one. */
const reserved = new WeakSet<object>()

/** Throws `WebSocketOptionError` where there is such a plugin already, in whatever context. */
export function checkRegistration (app: FastifyInstance): void {
  if (reserved.has(app.server)) throw new WebSocketOptionError(`${NAME} is registered twice for one server: ${WAY_OUT}`)
  if (hasFastifyWebsocket(app)) {
    throw new WebSocketOptionError(`${FASTIFY_WEBSOCKET} is registered for the server of ${NAME}: ${WAY_OUT}`)
  }
}

/** Sees to it that none is registered after this one, until `app` has closed. */
export function reserve (app: FastifyInstance): void {
  reserved.add(app.server)
  app.addHook('onClose', async () => { reserved.delete(app.server) })

  rejectFastifyWebsocket(app, () => new WebSocketOptionError(
    `request.ws is set by ${NAME} already. If it is ${FASTIFY_WEBSOCKET} that is registered besides: ${WAY_OUT}`
  ))
}
