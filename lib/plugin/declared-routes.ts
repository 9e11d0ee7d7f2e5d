import { subscribe } from 'node:diagnostics_channel'
import { WebSocketOptionError } from '../base/errors'
import { rootOf } from './adapter'
import { NAME } from './registration'
import { isWebSocketRoute, type AnyRouteOptions } from './route-options'
import type { FastifyInstance } from 'fastify'

/*
 * A route that is declared before the plugin has loaded, or outside of its context, would be an HTTP route, whatever its
 * `websocket` option says: Fastify does not know it. So each app notes those routes from its beginning on.
 */

const declared = new WeakMap<FastifyInstance, AnyRouteOptions[]>()

/** The routes that the plugin has been told of, whether it has refused them or not. */
const seen = new WeakSet<AnyRouteOptions>()

// Fastify tells of each app that it makes.
subscribe('fastify.initialization', (message) => note((message as { fastify: FastifyInstance }).fastify))

function note (root: FastifyInstance): AnyRouteOptions[] {
  const routes: AnyRouteOptions[] = []
  declared.set(root, routes)
  root.addHook('onRoute', (options) => {
    const route = options as unknown as AnyRouteOptions
    if (isWebSocketRoute(route)) routes.push(route)
  })
  return routes
}

/** The plugin has been told of `route`. */
export function see (route: AnyRouteOptions): void {
  seen.add(route)
}

/** Throws `WebSocketOptionError` for WebSocket routes that are there before the plugin; `app` does not get ready with one outside of its context. */
export function checkDeclared (app: FastifyInstance): void {
  const root = rootOf(app)
  const routes = declared.get(root) ?? note(root) // this package may have been imported after the app was made
  refuse(routes, `is declared before ${NAME} has loaded: await app.register(…) first`)
  app.addHook('onReady', async () => {
    refuse(routes, `is declared outside of the context in which ${NAME} is registered: register that further up, or with fastify-plugin`)
  })
}

function refuse (routes: AnyRouteOptions[], why: string): void {
  const route = routes.find((route) => !seen.has(route))
  if (route !== undefined) throw new WebSocketOptionError(`the WebSocket route ${String(route.method)} ${route.url} ${why}`)
}
