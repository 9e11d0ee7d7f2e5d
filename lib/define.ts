import { WebSocketOptionError } from './errors'
import { answerUpgradeRequired, kNoHandler, ownOptions } from './route'
import type { FastifyInstance, RouteOptions } from 'fastify'

type AnyOptions = Record<string, any>

function isSessionHandlers (value: unknown): value is AnyOptions {
  const { onConnect, onMessage, onDisconnect } = (value ?? {}) as AnyOptions
  return (onConnect ?? onMessage ?? onDisconnect) !== undefined
}

/** The options of a route, from its parts: a handler, or session handlers in `websocket` or in its place. */
function routeOptions (url: string, options: AnyOptions = {}, handler: unknown = options.handler): RouteOptions {
  const sessionHandlers = isSessionHandlers(handler) ? handler : isSessionHandlers(options) ? options : {}
  const { onConnect, onMessage, onDisconnect } = sessionHandlers
  const { onConnect: _c, onMessage: _m, onDisconnect: _d, websocket, ...rest } = options
  if (isSessionHandlers(sessionHandlers) && isSessionHandlers(websocket)) {
    throw new WebSocketOptionError(`GET ${url}: session handlers are given twice`)
  }
  return {
    method: 'GET',
    ...rest,
    url,
    websocket: { ...ownOptions(websocket), ...(isSessionHandlers(sessionHandlers) && { onConnect, onMessage, onDisconnect }) },
    handler: typeof handler === 'function' ? handler : undefined
  } as unknown as RouteOptions
}

/** `app.websocket(url, [options], handler)`; the handler may be session handlers. */
export function addWebSocketRoute (this: FastifyInstance, url: string, options: unknown, handler?: unknown): FastifyInstance {
  return handler === undefined && typeof options === 'function'
    ? this.route(routeOptions(url, {}, options))
    : this.route(routeOptions(url, options as AnyOptions, handler))
}

/** Options for `app.route`, of a WebSocket route that is defined apart from an app. */
export function defineWebSocket (definition: AnyOptions): RouteOptions {
  return routeOptions(definition.url, definition)
}

/** Fastify refuses a route without a handler before any hook sees it; one with session handlers needs none. */
export function allowSessionHandlers (app: FastifyInstance): void {
  const { get, route } = app as unknown as { get: Function, route: Function }
  // The first hook may wrap the handler already: that there is none is said by the options.
  const complete = (options: any): any =>
    options?.websocket && options.handler === undefined ? { ...options, handler: answerUpgradeRequired, [kNoHandler]: true } : options

  Object.assign(app, {
    get (this: FastifyInstance, url: string, options: unknown, handler?: unknown) {
      return get.call(this, url, handler === undefined ? complete(options) : options, handler)
    },
    route (this: FastifyInstance, options: unknown) {
      return route.call(this, complete(options))
    }
  })
}
