import { Codec } from './codec'
import { WebSocketHandshakeError, WebSocketOptionError } from './errors'
import { Handshake } from './handshake'
import { ConnectionLimit } from './limit'
import { createOriginCheck, type OriginCheck } from './origins'
import { checkRouteOptions, routeSettings, type PluginSettings, type RouteSettings } from './options'
import { createRefusalHook, refusesByClosing, type Refuser } from './refusal'
import { keepHookError } from './response'
import { compiledSerialize, compiledValidate, placeMessageSchemas, type SchemaErrorFormatter } from './schema'
import { guardListeners } from './raw'
import { accepting, disconnectAll, ended, fail, serve, sessionHandlers, type Life } from './serve'
import { guard, logSafely, readable } from './thrown'
import { serverIsClosing } from './shutdown'
import { Session, type SessionRoute } from './session'
import { Upgrader } from './upgrader'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { JsonParse } from './decode'
import type { Hub } from './hub'
import type { Service } from './service'
import type { RawWebSocket } from '../types/raw'

/** Where the WebSocket route stands in the `config` of a route of Fastify's. */
const kRoute = Symbol('fastify-async-websocket.route')

type Handler = (this: FastifyInstance, ...args: any[]) => unknown

/** The options of a route as the hooks of Fastify see them, before their types are narrowed. */
export type AnyRouteOptions = Omit<RouteOptions, 'handler' | 'schema'> & {
  handler: Handler
  schema?: any
  wsHandler?: Handler
  websocket?: boolean | Record<string, unknown>
  schemaErrorFormatter?: SchemaErrorFormatter
}

/** One WebSocket route. */
export class Route implements SessionRoute, Refuser {
  readonly options: RouteSettings
  readonly hub: Hub<Session>
  /** Whether the handler gets the plain `ws` socket. */
  readonly raw: boolean
  readonly allowsOrigin: OriginCheck
  readonly #limit: ConnectionLimit
  readonly #service: Service
  readonly #instance: FastifyInstance
  readonly #life: Life
  readonly #http: Handler
  readonly #upgrader: Upgrader
  /** The handler of a route with `raw: true`: it completes the handshake. */
  readonly #handOver: Handler
  readonly #parse: JsonParse
  readonly #format: SchemaErrorFormatter
  #codec: Codec | null = null

  /** Takes the options of a route with `websocket` or `wsHandler`. Throws `WebSocketOptionError` for what cannot be. */
  constructor (service: Service, instance: FastifyInstance, route: AnyRouteOptions) {
    const { websocket, wsHandler, handler, schema } = route
    const place = `${String(route.method)} ${route.url}`
    const options: Record<string, unknown> = attempt(place, () => {
      const own = ownOptions(websocket === false ? undefined : websocket) // `false` beside a `wsHandler`
      return { ...own, raw: own.raw ?? isRaw(service.settings.rawRoutes, route) }
    })
    attempt(place, () => checkRoute(instance, route, options))
    attempt(place, () => checkRouteOptions(options))

    this.#service = service
    this.#instance = instance
    this.hub = service.hub
    this.options = routeSettings(service.options, options, { receive: schema?.receive !== undefined, send: schema?.send !== undefined })
    this.raw = options.raw === true
    this.allowsOrigin = createOriginCheck(this.options.origins)
    this.#limit = new ConnectionLimit(this.options.maxConnections)
    const handlers = options.onMessage === undefined ? { handle: wsHandler ?? handler } : sessionHandlers(options as never)
    this.#life = {
      instance,
      handlers: this.options.autoAccept && !this.raw ? accepting(handlers) : handlers,
      catchDisconnect: this.options.catchDisconnect,
      errorHandler: service.settings.errorHandler,
      closeTimeout: service.settings.closeTimeout,
      onEnd: () => service.served(),
      untold: new Map()
    }
    this.#http = wsHandler === undefined ? answerUpgradeRequired : handler
    this.#parse = jsonParse(instance)
    this.#format = route.schemaErrorFormatter

    this.#upgrader = new Upgrader({ ...service.settings })
    this.#handOver = service.fastifyWebsocket.upgrading((raw, request) => this.#adopt(raw, request))
    service.routes.push(this)
  }

  /** The handler of Fastify's. */
  dispatch (request: FastifyRequest, reply: FastifyReply): unknown {
    const handshake = Handshake.of(request.raw)
    if (handshake === undefined) {
      if (!Handshake.isFor(request.raw)) return this.#http.call(this.#instance, request, reply)
      reply.hijack() // a hook has taken the connection over
      return
    }
    if (this.#service.closing) throw serverIsClosing()
    if (this.raw) return this.#giveAway(handshake, request, reply)
    const session = new Session(this, handshake, request, reply)
    serve(this.#life, session)
    return session.answer // not the handler's, so that Fastify keeps nothing of the request for as long as the connection is open
  }

  /** Throws `WebSocketHandshakeError` with status 503 when the route, or the app, has as many connections as it may have. */
  admit (handshake: Handshake): void {
    this.#service.limit.admit(handshake)
    this.#limit.admit(handshake)
  }

  refusesByClosing (request: FastifyRequest): boolean {
    return refusesByClosing(this.options.refusal, request)
  }

  codec (request: FastifyRequest, reply: FastifyReply): Codec {
    this.#codec ??= new Codec({
      ...this.options,
      parse: this.#parse,
      validate: compiledValidate(request, this.#format),
      serialize: compiledSerialize(reply)
    })
    return this.#codec
  }

  upgrade (request: IncomingMessage): RawWebSocket | null {
    return this.#upgrader.upgrade(request)
  }

  opened (raw: RawWebSocket): void {
    this.#service.opened(raw)
  }

  begun (): void {
    this.#service.begun()
  }

  accepted (raw: RawWebSocket): void {
    this.#service.accepted(raw)
  }

  ended (session: Session): void {
    this.#service.ended(session)
    ended(this.#life, session)
  }

  failed (session: Session, error: unknown): void {
    fail(this.#life, session, error)
  }

  disconnectAll (): Promise<void> {
    return disconnectAll(this.#life)
  }

  #giveAway (handshake: Handshake, request: FastifyRequest, reply: FastifyReply): void {
    handshake.release()
    try {
      this.#handOver.call(this.#instance, request, reply)
    } catch (error) { // nobody knows whether there is a connection
      logSafely(request, 'error', 'a listener on app.websocketServer threw', error)
      handshake.stream.destroy()
    }
  }

  #adopt (raw: RawWebSocket, request: FastifyRequest): void {
    this.opened(raw)
    const fail = (thrown: unknown): void => { // what @fastify/websocket does with an error of the handler
      const error = readable(thrown)
      logSafely(request, 'error', error?.message, error)
      raw.terminate()
    }
    guardListeners(raw, fail)
    raw.resume()
    guard(() => this.#life.handlers.handle.call(this.#instance, raw as never, request), fail)
  }
}

/** Puts `route` behind options of Fastify's that stand for it. */
export function mount (options: AnyRouteOptions, route: Route): void {
  const { config, schema = {}, wsHandler, onError = [], onSend = [] } = options
  Object.assign(options, {
    config: { ...config, [kRoute]: route },
    schema: { ...placeMessageSchemas(schema), ...(wsHandler === undefined && { hide: true }) },
    handler: (request: FastifyRequest, reply: FastifyReply) => route.dispatch(request, reply),
    onError: [onError, keepHookError].flat()
  })
  const { refusal } = route.options
  // The last of all, so that it is what would have been sent that it sees.
  if (refusal !== 'http') options.onSend = [onSend, createRefusalHook(route, refusal)].flat() as typeof options.onSend
}

/** The WebSocket route that `request` is for, if it is for one. */
export function routeOf (request: FastifyRequest): Route | undefined {
  return (request.routeOptions.config as { [kRoute]?: Route })[kRoute]
}

/** Whether options of Fastify's stand for a WebSocket route of this package. */
export function isMounted ({ config }: AnyRouteOptions): boolean {
  return (config as { [kRoute]?: Route } | undefined)?.[kRoute] !== undefined
}

/** Whether a route is one for this package: `websocket`, or `wsHandler` beside a handler for plain requests. */
export function isWebSocketRoute ({ websocket, wsHandler }: AnyRouteOptions): boolean {
  return (websocket !== undefined && websocket !== false) || wsHandler !== undefined
}

/** Whether the plugin's option `rawRoutes` names `route`. */
function isRaw (rawRoutes: PluginSettings['rawRoutes'], route: AnyRouteOptions): boolean {
  return typeof rawRoutes === 'function' ? Boolean(rawRoutes(route as never)) : rawRoutes.includes(route.url)
}

/** Says which route it is whose options are wrong. */
function attempt<T> (place: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw new WebSocketOptionError(`${place}: ${(error as Error).message}`, { cause: error })
  }
}

/** What the `websocket` option of a route sets: nothing, where it is only `true`. */
export function ownOptions (websocket: unknown = true): Record<string, unknown> {
  if (websocket === true) return {}
  if (typeof websocket !== 'object' || websocket === null || Array.isArray(websocket)) {
    throw new WebSocketOptionError('option websocket: use true or an object')
  }
  return websocket as Record<string, unknown>
}

function checkRoute (instance: FastifyInstance, { method, url, constraints, schema, handler, wsHandler }: AnyRouteOptions, options: Record<string, unknown>): void {
  const methods = [method].flat()
  const sessionHandlers = options.onConnect ?? options.onMessage ?? options.onDisconnect
  const hasHandler = wsHandler !== undefined || handler !== answerUpgradeRequired
  // Fastify adds a HEAD route to each GET route by itself.
  const isGet = methods.includes('GET') || instance.hasRoute({ method: 'GET', url, constraints })
  if (!isGet || !methods.every((m) => m === 'GET' || m === 'HEAD')) {
    throw new WebSocketOptionError(`a WebSocket route has the method GET, not ${methods.join()}`)
  }
  if (schema?.body !== undefined) throw new WebSocketOptionError('a handshake has no body: use schema.receive for messages instead of schema.body')
  if (wsHandler !== undefined && typeof wsHandler !== 'function') throw new WebSocketOptionError('wsHandler is not a function')
  if (sessionHandlers !== undefined && options.onMessage === undefined) throw new WebSocketOptionError('session handlers need onMessage')
  if (sessionHandlers !== undefined && (hasHandler || options.raw === true)) throw new WebSocketOptionError('session handlers take the place of the handler: give one or the other')
  if (sessionHandlers === undefined && !hasHandler) throw new WebSocketOptionError('the handler is missing: give a function, or onMessage')
}

/** Parses JSON as Fastify does the body of a request: with its protection against prototype poisoning. */
function jsonParse (instance: FastifyInstance): JsonParse {
  const { onProtoPoisoning = 'error', onConstructorPoisoning = 'error' } = instance.initialConfig
  const parse = instance.getDefaultJsonParser(onProtoPoisoning, onConstructorPoisoning) as unknown as
    (request: null, text: string, done: (error: Error | null, value?: unknown) => void) => void
  // One callback for all messages: it is called before `parse` returns.
  let error: Error | null
  let value: unknown
  const done = (e: Error | null, v?: unknown): void => {
    error = e
    value = v
  }
  return (text) => {
    parse(null, text, done)
    if (error !== null) throw error
    return value
  }
}

/**
 * Answers plain requests for a WebSocket route. It is also the handler that Fastify asks for, of a route that has
 * session handlers instead.
 */
export function answerUpgradeRequired (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.httpVersionMajor === 1) { // HTTP/2 has neither header (RFC 9113, section 8.2.2), and Node throws for them
    reply.header('upgrade', 'websocket').header('connection', reply.raw.shouldKeepAlive ? 'upgrade' : 'close, upgrade')
  }
  throw new WebSocketHandshakeError(`${request.url} is a WebSocket route`, { statusCode: 426 })
}
