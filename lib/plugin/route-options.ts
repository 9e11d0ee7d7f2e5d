import { isObject, readOptions } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { checkBeside, checkRouteOptions, sessionHandlersIn, type PluginSettings } from './options'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { SchemaErrorFormatter } from '../codec/message-schema'

/** Stands in the options of a route that was given no handler, and has `answerUpgradeRequired` since Fastify asks for one. */
export const kNoHandler = Symbol('fastify-async-websocket.noHandler')

export type Handler = (this: FastifyInstance, ...args: any[]) => unknown

/** The options of a route as the hooks of Fastify see them, before their types are narrowed. */
export type AnyRouteOptions = Omit<RouteOptions, 'handler' | 'schema'> & {
  handler: Handler
  schema?: any
  wsHandler?: Handler
  onInvalid?: unknown
  websocket?: boolean | Record<string, unknown>
  schemaErrorFormatter?: SchemaErrorFormatter
  [kNoHandler]?: true
}

/** Whether a route is one for this package: `websocket`, or `wsHandler` beside a handler for plain requests. */
export function isWebSocketRoute ({ websocket, wsHandler }: AnyRouteOptions): boolean {
  return (websocket !== undefined && websocket !== false) || wsHandler !== undefined
}

/** Whether the plugin's option `rawRoutes` names `route`. */
function isRaw (rawRoutes: PluginSettings['rawRoutes'], route: AnyRouteOptions): boolean {
  return typeof rawRoutes === 'function' ? Boolean(rawRoutes(route as never)) : rawRoutes.includes(route.url)
}

/** What the `websocket` option of a route sets: nothing, where it is only `true`. */
export function ownOptions (websocket: unknown = true): Record<string, unknown> {
  if (websocket === true) return {}
  if (!isObject(websocket)) throw new WebSocketOptionError('option websocket: use true or an object')
  return readOptions('websocket', websocket)
}

/**
 * Reads and checks the options of `route`. `urls` are the URLs of the WebSocket routes before it. Throws
 * `WebSocketOptionError`, which begins with the method and the URL of the route, for what cannot be.
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

/** What `route` sets: in its `websocket`, which may be `false` beside a `wsHandler`, and beside it session handlers and `onInvalid`. */
function settingsOf (route: AnyRouteOptions, rawRoutes: PluginSettings['rawRoutes']): Record<string, unknown> {
  checkBeside(route)
  const own = ownOptions(route.websocket === false ? undefined : route.websocket)
  const sessionHandlers = sessionHandlersIn(route)
  if (sessionHandlers && sessionHandlersIn(own)) throw new WebSocketOptionError('session handlers are given twice')
  if (route.onInvalid !== undefined && own.onInvalid !== undefined) throw new WebSocketOptionError('onInvalid is given twice')
  return { ...own, raw: own.raw ?? isRaw(rawRoutes, route), ...sessionHandlers, ...(route.onInvalid !== undefined && { onInvalid: route.onInvalid }) }
}

/** Fastify tells of the route '/' below a prefix once, and adds the HEAD routes of both its forms. */
export function withoutSlash (url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url
}

/** `urls` are those of WebSocket routes. */
function checkRoute (urls: ReadonlySet<string>, { method, url, schema, wsHandler, [kNoHandler]: noHandler }: AnyRouteOptions, options: Record<string, unknown>): void {
  const methods = [method].flat()
  const sessionHandlers = options.onConnect ?? options.onMessage ?? options.onDisconnect
  const hasHandler = wsHandler !== undefined || noHandler === undefined
  // Fastify adds a HEAD route to each GET route by itself. It does not find all of its own routes: not '*', nor '/:a?'.
  const isGet = methods.includes('GET') || urls.has(withoutSlash(url))
  if (!isGet || !methods.every((m) => m === 'GET' || m === 'HEAD')) {
    throw new WebSocketOptionError(`a WebSocket route has the method GET, not ${methods.join()}`)
  }
  if (schema?.body !== undefined) throw new WebSocketOptionError('a handshake has no body: use schema.receive for messages instead of schema.body')
  if (options.raw === true && (schema?.receive ?? schema?.send) !== undefined) throw new WebSocketOptionError('schema.receive and schema.send need a session: with raw: true they have no effect')
  if (wsHandler !== undefined && typeof wsHandler !== 'function') throw new WebSocketOptionError('wsHandler is not a function')
  if (sessionHandlers !== undefined && options.onMessage === undefined) throw new WebSocketOptionError('session handlers need onMessage')
  if (sessionHandlers !== undefined && (hasHandler || options.raw === true)) throw new WebSocketOptionError('session handlers take the place of the handler: give one or the other')
  if (sessionHandlers === undefined && !hasHandler) throw new WebSocketOptionError('the handler is missing: give a function, or onMessage')
}
