import { readOptions, type Options } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'
import { withoutDepartures } from '../session/handlers'
import { completeRoutes } from './adapter'
import { onInvalidIn, sessionHandlersIn } from './options'
import { answerUpgradeRequired } from './route'
import { kNoHandler, ownOptions } from './route-options'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Returns the options of a route for Fastify. `owner` is the name of the caller, for errors. `handler` may be session handlers. */
function routeOptions (owner: string, options: Options, handler?: unknown): RouteOptions {
  const url = options.url === undefined ? options.path : options.url
  if (typeof url !== 'string') throw new WebSocketOptionError(`the URL of ${owner} is ${show(url)}: use a string`)
  const sessionHandlers = sessionHandlersIn(handler)
  if (sessionHandlers && sessionHandlersIn(options)) throw new WebSocketOptionError(`GET ${url}: session handlers are given twice`)
  if (handler !== undefined && options.handler !== undefined) throw new WebSocketOptionError(`GET ${url}: the handler is given twice`)
  const handle = handler ?? options.handler
  const onInvalid = onInvalidIn(handler)
  if (onInvalid !== undefined && options.onInvalid !== undefined) throw new WebSocketOptionError(`GET ${url}: onInvalid is given twice`)
  return {
    method: 'GET',
    ...options,
    ...sessionHandlers,
    ...(onInvalid !== undefined && { onInvalid }),
    url,
    websocket: ownOptions(options.websocket),
    handler: typeof handle === 'function' ? handle : undefined
  } as unknown as RouteOptions
}

/** `app.websocket(url, [options], handler)`. The handler may be session handlers. */
export function addWebSocketRoute (this: FastifyInstance, url: unknown, options: unknown, handler?: unknown): FastifyInstance {
  const owner = 'app.websocket'
  if (handler === undefined && typeof options === 'function') return this.route(routeOptions(owner, { url }, options))
  return this.route(routeOptions(owner, { ...readOptions(owner, options), url, path: undefined }, handler))
}

/** Returns the options for `app.route` of a WebSocket route that is defined apart from an app. */
export function defineWebSocket (definition: unknown): RouteOptions {
  return routeOptions('defineWebSocket', readOptions('defineWebSocket', definition))
}

/** A type provider has an effect on types alone. */
defineWebSocket.withTypeProvider = () => defineWebSocket

/**
 * Prepares WebSocket routes before the hooks of others get them, which may wrap the handlers:
 *
 * - A route without a handler gets one. Fastify refuses a route without a handler before any hook runs. `kNoHandler` marks the options.
 * - No error leaves the handler that only says that the client has left.
 */
export function prepareRoutes (app: FastifyInstance): void {
  completeRoutes(app, (options, handler) => {
    if (options?.wsHandler !== undefined) return { options: { ...options, wsHandler: withoutDepartures(options.wsHandler) }, handler }
    if (!options?.websocket) return { options, handler }
    if (handler === undefined) return { options: { ...options, [kNoHandler]: true }, handler: answerUpgradeRequired }
    return { options, handler: withoutDepartures(handler) }
  })
}
