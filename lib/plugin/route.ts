import { WebSocketHandshakeError } from '../base/errors'
import { guard, logSafely, readable } from '../base/user-code'
import { Codec } from '../codec/codec'
import { MessageSchemas } from '../codec/message-schema'
import { ConnectionLimit } from '../handshake/connection-limit'
import { Handshake } from '../handshake/handshake'
import { createOriginCheck, type OriginCheck } from '../handshake/origins'
import { createRefusalHook, refusesByClosing, type Refuser } from '../handshake/refusal'
import { keepHookError, noteRequest, sendNoBody } from '../handshake/response'
import { acceptCompression, upgradeRaw, type Negotiation } from '../handshake/upgrader'
import { observeRaw } from '../observe/raw-observer'
import { endRequestSpan } from '../observe/request-span'
import { guardListeners } from '../protocol/websocket'
import { acceptFirst, sessionHandlers, withoutWrapper, type Handlers } from '../session/handlers'
import { Lifecycle } from '../session/lifecycle'
import { Session, type SessionPubSub, type SessionRoute } from '../session/session'
import { contextCompilers, sendNull } from './adapter'
import { routeSettings, type RouteSettings } from './options'
import { readRoute, withoutSlash, type AnyRouteOptions, type Handler } from './route-options'
import { serverIsClosing } from './shutdown'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JsonParse } from '../codec/decode'
import type { Connection } from '../connection/connection'
import type { RouteObserver } from '../observe/route-observer'
import type { AppState, DeclaredRoute } from './app-state'
import type { RawWebSocket } from '../../types/raw'

/** The key of the WebSocket route in the `config` of a Fastify route. */
const kRoute = Symbol('fastify-async-websocket.route')

/** One WebSocket route. */
export class Route implements SessionRoute, Refuser, DeclaredRoute {
  readonly declared: AnyRouteOptions
  readonly instance: FastifyInstance
  readonly hide: boolean
  readonly options: RouteSettings
  readonly observer: RouteObserver
  readonly pubsub: SessionPubSub
  /** Whether the handler gets the `ws` socket. */
  readonly raw: boolean
  readonly allowsOrigin: OriginCheck
  readonly #limit: ConnectionLimit
  readonly #appState: AppState
  readonly #handlers: Handlers
  readonly #lifecycle: Lifecycle
  readonly #http: Handler
  readonly #parse: JsonParse
  readonly #schemas: MessageSchemas
  #codec: Codec | null = null

  /** `route`: the options of a route with `websocket` or `wsHandler`. Throws `WebSocketOptionError` for invalid options. */
  constructor (appState: AppState, instance: FastifyInstance, route: AnyRouteOptions) {
    const { wsHandler, handler, schema } = route
    const options = readRoute(route, appState.urls, appState.settings.rawRoutes)
    appState.urls.add(withoutSlash(route.url))

    this.#appState = appState
    this.declared = route
    this.instance = instance
    this.hide = Boolean(schema?.hide)
    this.pubsub = appState.pubsub
    const isGet = [route.method].flat().includes('GET')
    this.observer = isGet ? appState.observer.route(route.url) : appState.observer.headRoute(route.url)
    this.options = routeSettings(appState.options, options, { receive: schema?.receive !== undefined, send: schema?.send !== undefined })
    this.raw = options.raw === true
    this.allowsOrigin = createOriginCheck(this.options.origins)
    this.#limit = new ConnectionLimit(this.options.maxConnections)
    const handlers = options.onMessage === undefined ? { handle: withoutWrapper(wsHandler ?? handler) } : sessionHandlers(options as never)
    this.#handlers = this.options.autoAccept && !this.raw ? acceptFirst(handlers) : handlers
    this.#lifecycle = new Lifecycle({
      instance,
      handlers: this.#handlers,
      errorHandler: appState.settings.errorHandler,
      closeTimeout: appState.settings.closeTimeout,
      onEnd: () => appState.handlerEnded()
    })
    this.#http = wsHandler === undefined ? answerUpgradeRequired : handler
    this.#parse = jsonParse(instance)
    this.#schemas = new MessageSchemas(route)
    // The HEAD route that Fastify adds has no messages.
    if (isGet) instance.addHook('onReady', async () => this.#schemas.compile(contextCompilers(instance)))
    appState.routes.push(this)
  }

  /** The handler that Fastify calls. */
  dispatch (request: FastifyRequest, reply: FastifyReply): unknown {
    const handshake = Handshake.of(request.raw)
    if (handshake === undefined) {
      if (!Handshake.isFor(request.raw)) return this.#http.call(this.instance, request, reply)
      reply.hijack() // a hook has taken the connection over
      return
    }
    if (this.#appState.closing) throw serverIsClosing()
    handshake.restoreHeaders()
    if (this.raw) return this.#openRaw(handshake, request, reply)
    const session = new Session(this, handshake, request, reply)
    this.#lifecycle.begin(session)
    return session.answer // not the promise of the handler: Fastify would keep the request while the connection is open
  }

  /** Throws `WebSocketHandshakeError` with status 503 if the route or the app has reached its limit of connections. */
  admit (handshake: Handshake): void {
    this.#appState.limit.admit(handshake)
    this.#limit.admit(handshake)
  }

  refusesByClosing (request: FastifyRequest): boolean {
    return refusesByClosing(this.options.refusal, request)
  }

  codec (request: FastifyRequest, reply: FastifyReply): Codec {
    this.#codec ??= new Codec({
      ...this.options,
      parse: this.#parse,
      validate: this.#schemas.validate(request),
      serialize: this.#schemas.serialize(reply)
    })
    return this.#codec
  }

  sendNull (reply: FastifyReply): void {
    sendNull(reply)
  }

  negotiate ({ headers }: IncomingMessage): Negotiation {
    const { perMessageDeflate, maxPayload } = this.options
    return acceptCompression(headers['sec-websocket-extensions'], perMessageDeflate, maxPayload)
  }

  opened (connection: Connection): void {
    this.#appState.opened(connection)
  }

  closed (connection: Connection): void {
    this.#appState.closed(connection)
  }

  handlerBegun (): void {
    this.#appState.handlerBegun()
  }

  accepted (session: Session, statusCode: number): void {
    this.#appState.accepted(session.connection!)
    this.observer.accepted(session, statusCode, session.protocol)
  }

  ended (session: Session): void {
    const { connection } = session
    this.#appState.ended(session)
    if (connection !== null) this.observer.closed(session, connection.end!, connection)
    this.#lifecycle.disconnected(session)
  }

  failed (session: Session, error: unknown): void {
    this.#lifecycle.fail(session, error)
  }

  disconnectAll (): Promise<void> {
    return this.#lifecycle.disconnectAll()
  }

  /** Completes the handshake of a route with `raw: true`. */
  #openRaw (handshake: Handshake, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack()
    handshake.release()
    let isOpen = false
    try {
      upgradeRaw(this.#appState.websocketServer, request.raw, reply.raw, this.options, (raw) => {
        isOpen = true
        this.#handleRaw(raw, request, handshake.kind.status)
      })
    } catch (error) { // there may be a connection or not
      logSafely(request, 'error', 'a listener on app.websocketServer threw', error)
      handshake.stream.destroy()
    }
    // `ws` has answered by itself: it cannot read the offer of the client for compression.
    if (!isOpen && handshake.stream.writableEnded) handshake.refusedWith(400)
  }

  /** Calls the handler of a route with `raw: true`. */
  #handleRaw (raw: RawWebSocket, request: FastifyRequest, statusCode: number): void {
    this.#appState.openedRaw(raw)
    endRequestSpan(request, statusCode)
    observeRaw(raw, request, this.observer, statusCode, this.#appState.observer.sockets)
    const fail = (thrown: unknown): void => { // as @fastify/websocket handles an error of the handler
      const error = readable(thrown)
      logSafely(request, 'error', error?.message, error)
      raw.terminate()
    }
    raw.on('error', fail)
    guardListeners(raw, fail)
    raw.resume()
    guard(() => this.#handlers.handle.call(this.instance, raw as never, request), fail)
  }
}

/** Changes the options of a Fastify route so that its requests go to `route`. */
export function mount (options: AnyRouteOptions, route: Route): void {
  const { config, schema, wsHandler, onError = [], onSend = [] } = options
  Object.assign(options, {
    config: { ...config, [kRoute]: route },
    schema: wsHandler === undefined ? { ...schema, hide: true } : schema, // documents of HTTP APIs cannot describe a WebSocket route
    handler: (request: FastifyRequest, reply: FastifyReply) => route.dispatch(request, reply),
    onError: [onError, keepHookError].flat()
  })
  const { refusal } = route.options
  // The hook that refuses is the last one, so that it gets the payload that would have been sent.
  const last = refusal === 'http' ? [] : createRefusalHook(route, refusal)
  options.onSend = [noteRequest, onSend, sendNoBody, last].flat() as typeof options.onSend
}

/** Returns the WebSocket route of `request`; undefined if `request` is for another route. */
export function routeOf (request: FastifyRequest): Route | undefined {
  return (request.routeOptions.config as { [kRoute]?: Route })[kRoute]
}

/** Returns Fastify's parser of JSON bodies, with its protection against prototype poisoning. */
function jsonParse (instance: FastifyInstance): JsonParse {
  const { onProtoPoisoning = 'error', onConstructorPoisoning = 'error' } = instance.initialConfig
  const parse = instance.getDefaultJsonParser(onProtoPoisoning, onConstructorPoisoning) as unknown as
    (request: null, text: string, done: (error: Error | null, value?: unknown) => void) => void
  // One callback serves all messages, since `parse` calls it before it returns.
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
 * Answers plain requests for a WebSocket route. A route with session handlers has this function as its handler, since Fastify
 * requires one.
 */
export function answerUpgradeRequired (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply): void {
  offerUpgrade(request, reply)
  throw new WebSocketHandshakeError(`${request.url} is a WebSocket route`, { statusCode: 426 })
}

/** Adds the headers of a response with status 426 (RFC 9110, section 15.5.22). */
export function offerUpgrade (request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.httpVersionMajor === 2) return // HTTP/2 has neither header (RFC 9113, section 8.2.2), and Node throws for both
  reply.header('upgrade', 'websocket').header('connection', reply.raw.shouldKeepAlive ? 'upgrade' : 'close, upgrade')
}
