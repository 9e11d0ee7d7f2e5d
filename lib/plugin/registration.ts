import { WebSocketOptionError } from '../base/errors'
import { rootOf } from './fastify-internals'
import type { FastifyInstance } from 'fastify'

/*
 * A server has one plugin that answers WebSocket handshakes. Of a second one, Fastify would say that a decorator is there
 * already, or nothing at all, where it is in another context: then each handshake would be answered twice.
 */

export const NAME = 'fastify-async-websocket'
const FASTIFY_WEBSOCKET = '@fastify/websocket'

const WAY_OUT = `register ${NAME} once, and ${FASTIFY_WEBSOCKET}, which it brings along, not at all: ` +
  'routes written for that take `websocket: { raw: true }`, those that libraries add by themselves are named in the option rawRoutes'

/** The servers that have one. */
const reserved = new WeakSet<object>()

/** Throws `WebSocketOptionError` where there is such a plugin already, in whatever context. */
export function checkRegistration (app: FastifyInstance): void {
  if (reserved.has(app.server)) throw new WebSocketOptionError(`${NAME} is registered twice for one server: ${WAY_OUT}`)
  if (app.hasDecorator('websocketServer') || hasFastifyWebsocket(app)) {
    throw new WebSocketOptionError(`${FASTIFY_WEBSOCKET} is registered for the server of ${NAME}: ${WAY_OUT}`)
  }
}

/** Sees to it that none is registered after this one, until `app` has closed. */
export function reserve (app: FastifyInstance): void {
  reserved.add(app.server)
  app.addHook('onClose', async () => { reserved.delete(app.server) })

  const root = rootOf(app)
  const { decorate, decorateRequest } = root as { decorate: Function, decorateRequest: Function }
  let error: Error | undefined
  Object.assign(root, {
    // The first thing that @fastify/websocket does. It is not an async function: what it throws would end the process.
    decorateRequest (this: FastifyInstance, name: string, ...rest: unknown[]) {
      if (name !== 'ws' || !root.hasRequestDecorator('ws')) return decorateRequest.call(this, name, ...rest)
      error ??= new WebSocketOptionError(`request.ws is set by ${NAME} already. If it is ${FASTIFY_WEBSOCKET} that is registered besides: ${WAY_OUT}`)
      this.register(async () => { throw error })
      return this
    },
    decorate (this: FastifyInstance, name: string, ...rest: unknown[]) {
      return error !== undefined && this.hasDecorator(name) ? this : decorate.call(this, name, ...rest)
    }
  })
}

/** Whether any context of the app has @fastify/websocket: its decorators show in that context only, Fastify's list of plugins in all. */
function hasFastifyWebsocket (app: FastifyInstance): boolean {
  return new RegExp(` ${FASTIFY_WEBSOCKET} -?\\d+ ms$`, 'm').test(app.printPlugins())
}
