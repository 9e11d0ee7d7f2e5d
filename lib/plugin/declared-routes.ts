import { subscribe } from 'node:diagnostics_channel'
import { WebSocketOptionError } from '../base/errors'
import { rootOf } from './adapter'
import { NAME } from './registration'
import { isWebSocketRoute, type AnyRouteOptions } from './route-options'
import type { FastifyInstance } from 'fastify'

/*
 * A route that is declared before the plugin has loaded, or outside of the plugin's context, would be an HTTP route, whatever its
 * option `websocket` says: Fastify does not know that option. So this module records the WebSocket routes of each app from the
 * app's beginning.
 */

const declared = new WeakMap<FastifyInstance, AnyRouteOptions[]>()

/** The routes that the plugin has received, including the routes that it has refused. */
const seen = new WeakSet<AnyRouteOptions>()

// Fastify publishes each new app on this channel.
subscribe('fastify.initialization', (message) => recordRoutes((message as { fastify: FastifyInstance }).fastify))

function recordRoutes (root: FastifyInstance): AnyRouteOptions[] {
  const routes: AnyRouteOptions[] = []
  declared.set(root, routes)
  root.addHook('onRoute', (options) => {
    const route = options as unknown as AnyRouteOptions
    if (isWebSocketRoute(route)) routes.push(route)
  })
  return routes
}

/** The plugin has received `route`. */
export function markSeen (route: AnyRouteOptions): void {
  seen.add(route)
}

/**
 * Throws `WebSocketOptionError` if a WebSocket route is declared before the plugin has loaded. `app` fails to get ready, with a
 * `WebSocketOptionError`, if one is declared outside of the plugin's context.
 */
export function checkDeclared (app: FastifyInstance): void {
  const root = rootOf(app)
  const routes = declared.get(root) ?? recordRoutes(root) // this package may have been imported after the app was created
  refuse(routes, `is declared before ${NAME} has loaded: await app.register(…) first`)
  app.addHook('onReady', async () => {
    refuse(routes, `is declared outside of the context in which ${NAME} is registered: register ${NAME} further up, or with fastify-plugin`)
  })
}

function refuse (routes: AnyRouteOptions[], why: string): void {
  const route = routes.find((route) => !seen.has(route))
  if (route !== undefined) throw new WebSocketOptionError(`the WebSocket route ${String(route.method)} ${route.url} ${why}`)
}
