import { WebSocketOptionError } from '../base/errors'
import { FASTIFY_WEBSOCKET, hasFastifyWebsocket, rejectFastifyWebsocket } from './adapter'
import type { FastifyInstance } from 'fastify'
import type { AppState } from './app-state'

/*
 * A server has one plugin that answers WebSocket handshakes. For a second plugin in the same context, Fastify would only say that
 * a decorator exists already. In another context Fastify would say nothing, and each handshake would be answered twice.
 */

export const NAME = 'fastify-async-websocket'

const WAY_OUT = `register ${NAME} once, and do not register ${FASTIFY_WEBSOCKET}, which ${NAME} registers: ` +
  `give routes for ${FASTIFY_WEBSOCKET} \`websocket: { raw: true }\`, and name the routes that libraries add in the option rawRoutes`

/** The servers that have such a plugin, with its state. */
const reserved = new WeakMap<object, AppState>()

/** Throws `WebSocketOptionError` if the server has such a plugin already, in any context. */
export function checkRegistration (app: FastifyInstance): void {
  if (reserved.has(app.server)) throw new WebSocketOptionError(`${NAME} is registered twice for one server: ${WAY_OUT}`)
  if (hasFastifyWebsocket(app)) {
    throw new WebSocketOptionError(`${FASTIFY_WEBSOCKET} is registered for the server of ${NAME}: ${WAY_OUT}`)
  }
}

/** The state of the plugin that is registered for the server of `app`, in any context. */
export function stateOf (app: FastifyInstance): AppState | undefined {
  return reserved.get(app.server)
}

/** Prevents the registration of another such plugin, until `app` has closed. */
export function reserve (app: FastifyInstance, appState: AppState): void {
  reserved.set(app.server, appState)
  app.addHook('onClose', async () => { reserved.delete(app.server) })

  rejectFastifyWebsocket(app, () => new WebSocketOptionError(
    `request.ws is set by ${NAME} already. If ${FASTIFY_WEBSOCKET} is registered as well: ${WAY_OUT}`
  ))
}
