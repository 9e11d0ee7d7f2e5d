import { isObject, readOptions } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { checkPlacement, checkRouteOptions, sessionHandlersIn, type PluginSettings } from './options'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { SchemaErrorFormatter } from '../codec/message-schema'

/** Marks the options of a route without a handler. The route gets `answerUpgradeRequired`, since Fastify requires a handler. */
export const kNoHandler = Symbol('fastify-async-websocket.noHandler')

export type Handler = (this: FastifyInstance, ...args: any[]) => unknown

/** The options of a route in the hooks of Fastify, before their types are narrowed. */
export type AnyRouteOptions = Omit<RouteOptions, 'handler' | 'schema'> & {
  handler: Handler
  schema?: any
  wsHandler?: Handler
  onInvalid?: unknown
  websocket?: boolean | Record<string, unknown>
  schemaErrorFormatter?: SchemaErrorFormatter
  [kNoHandler]?: true
}

/** Whether a route is a WebSocket route: it has `websocket`, or `wsHandler` beside a handler for plain requests. */
export function isWebSocketRoute ({ websocket, wsHandler }: AnyRouteOptions): boolean {
  return (websocket !== undefined && websocket !== false) || wsHandler !== undefined
}

/** Whether the plugin's option `rawRoutes` names `route`. */
function isRaw (rawRoutes: PluginSettings['rawRoutes'], route: AnyRouteOptions): boolean {
  return typeof rawRoutes === 'function' ? Boolean(rawRoutes(route as never)) : rawRoutes.includes(route.url)
}

/** Returns the options in the `websocket` of a route. `true` has none. */
export function ownOptions (websocket: unknown = true): Record<string, unknown> {
  if (websocket === true) return {}
  if (!isObject(websocket)) throw new WebSocketOptionError('option websocket: use true or an object')
  return readOptions('websocket', websocket)
}

/**
 * Reads and checks the options of `route`. `urls` are the URLs of the earlier WebSocket routes. Throws `WebSocketOptionError` for
 * invalid options; the message begins with the method and the URL of the route.
 */
export function readRoute (route: AnyRouteOptions, urls: ReadonlySet<string>, rawRoutes: PluginSettings['rawRoutes']): Record<string, unknown> {
  try {
    const options = settingsOf(route, rawRoutes)
    checkRoute(urls, route, options)
    checkRouteOptions(options)
    return options
  } catch (error) {
    throw new WebSocketOptionError(`${String(route.method)} ${route.url}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Returns the options of `route`: the options in `websocket`, which may be `false` beside a `wsHandler`, and the session handlers
 * and `onInvalid` beside `websocket`.
 */
function settingsOf (route: AnyRouteOptions, rawRoutes: PluginSettings['rawRoutes']): Record<string, unknown> {
  checkPlacement(route)
  const own = ownOptions(route.websocket === false ? undefined : route.websocket)
  const sessionHandlers = sessionHandlersIn(route)
  if (sessionHandlers && sessionHandlersIn(own)) throw new WebSocketOptionError('session handlers are given twice')
  if (route.onInvalid !== undefined && own.onInvalid !== undefined) throw new WebSocketOptionError('onInvalid is given twice')
  return { ...own, raw: own.raw ?? isRaw(rawRoutes, route), ...sessionHandlers, ...(route.onInvalid !== undefined && { onInvalid: route.onInvalid }) }
}

/**
 * Returns `url` without a slash at its end. The hook onRoute runs once for the route '/' below a prefix, but for the HEAD routes of
 * both forms of its URL.
 */
export function withoutSlash (url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url
}

/** `urls`: the URLs of the earlier WebSocket routes. */
function checkRoute (urls: ReadonlySet<string>, { method, url, schema, wsHandler, [kNoHandler]: noHandler }: AnyRouteOptions, options: Record<string, unknown>): void {
  const methods = [method].flat()
  const sessionHandlers = options.onConnect ?? options.onMessage ?? options.onDisconnect
  const hasHandler = wsHandler !== undefined || noHandler === undefined
  // Fastify itself adds a HEAD route to each GET route. `urls` has the GET route; `findRoute` would not find '*' and '/:a?'.
  const isGet = methods.includes('GET') || urls.has(withoutSlash(url))
  if (!isGet || !methods.every((m) => m === 'GET' || m === 'HEAD')) {
    throw new WebSocketOptionError(`a WebSocket route has the method GET, not ${methods.join()}`)
  }
  if (schema?.body !== undefined) throw new WebSocketOptionError('a handshake has no body: use schema.receive for messages instead of schema.body')
  if (options.raw === true && (schema?.receive ?? schema?.send) !== undefined) throw new WebSocketOptionError('schema.receive and schema.send need a session: they have no effect with raw: true')
  if (wsHandler !== undefined && typeof wsHandler !== 'function') throw new WebSocketOptionError('wsHandler is not a function')
  if (sessionHandlers !== undefined && options.onMessage === undefined) throw new WebSocketOptionError('session handlers need onMessage')
  if (sessionHandlers !== undefined && (hasHandler || options.raw === true)) throw new WebSocketOptionError('session handlers take the place of the handler: give one or the other')
  if (sessionHandlers === undefined && !hasHandler) throw new WebSocketOptionError('the handler is missing: give a function, or onMessage')
}
