import type {
  ContextConfigDefault, FastifyBaseLogger, FastifyInstance, FastifyRequest, FastifySchema, FastifyTypeProvider, FastifyTypeProviderDefault,
  RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerBase, RawServerDefault, RouteGenericInterface, RouteHandlerMethod, RouteOptions, RouteShorthandOptions
} from 'fastify'
import type { Broker } from './broker'
import type { CloseInfo, ValueType } from './message'
import type { RawWebSocket } from './raw'
import type { ClientJson, ReceiveJson, ReceiveValue, SendJson, SendValue } from './route-messages'
import type { WebSocketSession } from './session'

/**
 * The origins whose pages may connect from a browser:
 *
 * - `'same-origin'`: the host and port of the request;
 * - `'*'`: all origins;
 * - a list of origins such as `'https://app.example.com'` or `'https://*.example.com'` (names at any depth below example.com,
 *   not example.com itself);
 * - a RegExp, tested on the Origin header;
 * - a function that gets the Origin header and returns whether the page may connect.
 */
export type AllowedOrigins = 'same-origin' | '*' | readonly string[] | RegExp |
  ((this: FastifyInstance, origin: string, request: FastifyRequest) => boolean | Promise<boolean>)

/** The plugin pings clients. It terminates a client from which nothing arrives; the handler sees 1006. */
export interface HeartbeatOptions {
  /** Milliseconds from one ping to the next. */
  interval?: number
  /** Milliseconds after a ping within which a pong, or any other byte, must arrive. */
  timeout?: number
}

/** A client may send `messages` at once. After that it may send as many per `interval`, spread evenly. */
export interface RateLimitOptions {
  messages: number
  /** Milliseconds. */
  interval: number
}

/** Gets the error of a message that does not decode or validate: `WebSocketDecodeError` or `WebSocketValidationError`. */
export type OnInvalid = (this: FastifyInstance, ws: WebSocketSession<any>, error: any, request: FastifyRequest) => unknown

/** The options of a route. In the options of the plugin they apply to all routes. */
export interface WebSocketSettings<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: Value
  /** The type that `receive` decodes messages to. Default: `'text'`; `'json'` if the route has a `schema.receive`. */
  receiveType?: Receive
  /** The type that `send` encodes messages as. Default: `'any'`; `'json'` if the route has a `schema.send`. */
  sendType?: Send
  /** The subprotocols of the route, in the server's order of preference. */
  subprotocols?: readonly string[]
  /** Whether the plugin completes the handshake before the handler runs. Default: false. */
  autoAccept?: boolean
  /**
   * Whether a `WebSocketDisconnect` that leaves the handler is silent, and an iteration ends without an error after a normal
   * closure. Default: true.
   */
  catchDisconnect?: boolean
  /**
   * The pages that may connect. Others get 403. A request without an Origin header passes: it does not come from a browser.
   * Default: `'same-origin'`.
   */
  origins?: AllowedOrigins
  /** The plugin pauses the socket when more bytes than this are received and not taken. Default: 64 KiB. */
  receiveHighWaterMark?: number
  /** `send` waits when at least so many bytes wait to be written. Default: 64 KiB. */
  sendHighWaterMark?: number
  /** Milliseconds. When `send` waits and the client drains nothing for so long, the plugin terminates it. Default: 30 s. */
  sendTimeout?: number
  /** Milliseconds within which the handler must accept or deny. After that the client gets 503. Default: 10 s. */
  handshakeTimeout?: number
  /**
   * How the plugin refuses a handshake. Default: `'http'`.
   *
   * - `'http'`: with the HTTP response.
   * - `'close'`: the plugin accepts and closes at once. The close code is 4000 + the status, the reason is the error's message.
   *   A browser's script can read both.
   * - `'auto'`: like `'close'` for a request with an Origin header, otherwise like `'http'`.
   */
  refusal?: 'http' | 'close' | 'auto'
  /**
   * The most connections at once. In the options of the plugin it counts all routes, on a route it counts the connections of
   * that route. A handshake over the limit gets 503 with `Retry-After`. Default: no limit.
   */
  maxConnections?: number
  /**
   * Finds out which clients are gone. Default: `{ interval: 25_000, timeout: 10_000 }`. A member that a route leaves out is that
   * of the plugin, or the default.
   */
  heartbeat?: HeartbeatOptions | false
  /** Milliseconds. After so long without a message either way, the plugin closes the connection with 1001. Default: false (off). */
  idleTimeout?: number | false
  /** The messages that a client may send. The plugin closes a client over the limit with 1008. Default: false (no limit). */
  rateLimit?: RateLimitOptions | false
  /**
   * What happens to a subscriber that drains nothing. Default: `'close'`.
   *
   * - `'close'`: the plugin closes it with 1013 beyond `maxBufferedAmount`.
   * - `'skip'`: it misses the messages published beyond `sendHighWaterMark`, until it drains.
   */
  slowSubscriber?: 'close' | 'skip'
  /**
   * Bytes. The plugin closes a subscriber with 1013 when more than this was published to it since it last drained anything. For
   * a subscriber that drains, 16 times as many more may wait. Default: 1 MiB.
   */
  maxBufferedAmount?: number
  /** The largest message in bytes. The plugin closes the connection of a larger one with 1009. Default: 1 MiB. */
  maxPayload?: number
  /**
   * Gets the error (`WebSocketDecodeError`, `WebSocketValidationError`) of a message that does not decode or validate. Iteration
   * and `onMessage` leave that message out, and the session goes on. The plugin awaits `onInvalid`; the iteration throws what
   * `onInvalid` throws. `receive`, `pair` and `expect` reject as without it. On a route, `onInvalid` may also stand beside
   * `websocket`. Default: none, the iteration throws.
   */
  onInvalid?: OnInvalid
  /** Whether messages are compressed, or the options of `ws` for compression, by their names there. Default: false. */
  perMessageDeflate?: boolean | object
}

/**
 * How `app.close()` ends the connections. New handshakes get 503, sessions get a closing handshake, and the plugin awaits the
 * handlers.
 */
export interface ShutdownOptions {
  /** The close code. Default: 1001. */
  code?: number
  /** The close reason, cut to 123 bytes. Default: `''`. */
  reason?: string
  /** Milliseconds over which the closes are spread, so that clients do not all come back at once. Default: 0. */
  spread?: number
  /** Milliseconds after which the plugin drops the connections that are left and `app.close()` resolves. Default: 10 s. */
  timeout?: number
  /** Runs for each session before the session is closed. The plugin awaits its promise and logs its errors. */
  notify?: (ws: WebSocketSession<any>) => unknown
}

/** How much of the messages of a topic is kept. What exceeds one of the limits goes, the oldest messages first. */
export interface HistoryOptions {
  /** The number of messages. */
  size: number
  /** Milliseconds for which a message is kept. */
  ttl: number
  /** Bytes of all messages of the topic. Default: 1 MiB. */
  maxBytes?: number
}

/** The options of the plugin. */
export interface WebSocketPluginOptions extends WebSocketSettings {
  /** Milliseconds after which a closing handshake is forced to its end. Default: 5 s. */
  closeTimeout?: number
  /**
   * The routes whose handlers get the plain socket, as with `raw: true`. For the routes that libraries for @fastify/websocket
   * register by themselves. A list of URLs with their prefixes, or a function that gets the options of a WebSocket route.
   * Default: none.
   */
  rawRoutes?: readonly string[] | ((route: RouteOptions) => boolean)
  /**
   * Whether WebSockets that come over HTTP/2 (RFC 8441) are served, and announced to clients. Default: true if the server of the
   * app speaks HTTP/2. True is an error if the server does not speak HTTP/2.
   */
  http2?: boolean
  /** How `app.close()` ends the connections. */
  shutdown?: ShutdownOptions
  /** Connects the topics of this process to the topics of other processes. Default: none. */
  broker?: Broker
  /**
   * How much of the messages of topics is kept, so that a client that was away gets what it has missed. A function tells it for each
   * topic: the same for a topic at all times and in all apps. Default: false, nothing.
   */
  history?: HistoryOptions | false | ((topic: string) => HistoryOptions | false)
  /** Gets the error that leaves a handler after the handshake, in place of the log. It may send and close. */
  errorHandler?: (this: FastifyInstance, error: any, ws: WebSocketSession<any>, request: FastifyRequest) => unknown
}

/** A route's schema: Fastify's, and the schemas of its messages. */
export interface WebSocketSchema extends FastifySchema {
  /** Every message from the client is validated against this schema. */
  receive?: unknown
  /** Every message to the client is serialized through this schema. */
  send?: unknown
}

/** The generics of a route: those of an HTTP route, and `Receive` and `Send` for its messages. */
export interface WebSocketRouteGeneric extends RouteGenericInterface {
  Receive?: unknown
  Send?: unknown
}

/** The types of a route: the type parameters that Fastify's own types carry along. */
export interface RouteTypes {
  RawServer: RawServerBase
  RawRequest: any
  RawReply: any
  Logger: FastifyBaseLogger
  Provider: FastifyTypeProvider
  Generic: RouteGenericInterface
  Config: any
  Schema: FastifySchema
}

export type RequestOf<T extends RouteTypes> =
  FastifyRequest<T['Generic'], T['RawServer'], T['RawRequest'], T['Schema'], T['Provider'], T['Config'], T['Logger']>

export type InstanceOf<T extends RouteTypes> =
  FastifyInstance<T['RawServer'], T['RawRequest'], T['RawReply'], T['Logger'], T['Provider']>

export type SessionOf<T extends RouteTypes, Value extends ValueType, Receive extends ValueType, Send extends ValueType> = WebSocketSession<
  MessageOf<T, Value, Receive>,
  SendValue<T['Generic'], T['Provider'], T['Schema'], Send, Value>,
  ReceiveJson<T['Provider'], T['Schema']>,
  SendJson<T['Provider'], T['Schema']>,
  RequestOf<T>
>

/** The type of a message that iteration or `onMessage` gets. */
export type MessageOf<T extends RouteTypes, Value extends ValueType, Receive extends ValueType> =
  ReceiveValue<T['Generic'], ReceiveJson<T['Provider'], T['Schema']>, T['Schema'], Receive, Value>

/** The type of a message that a client sends. */
export type ClientMessageOf<T extends RouteTypes, Value extends ValueType, Receive extends ValueType> =
  ReceiveValue<T['Generic'], ClientJson<T['Provider'], T['Schema']>, T['Schema'], Receive, Value>

/** The handler of a WebSocket route. What it returns is ignored. */
export type WebSocketHandler<T extends RouteTypes, Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> =
  (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, request: RequestOf<T>) => unknown

/**
 * A handler for the plain socket, as @fastify/websocket calls it. The type is that of a method, so that a handler may declare
 * its socket as the `WebSocket` of `ws`.
 */
export type RawWebSocketHandler<T extends RouteTypes> = {
  handler (this: InstanceOf<T>, socket: RawWebSocket, request: RequestOf<T>): unknown
}['handler']

/** Session handlers, in place of one handler. */
export interface WebSocketSessionHandlers<T extends RouteTypes, Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Accepts or refuses the connection. Without `onConnect` the plugin accepts. */
  onConnect?: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, request: RequestOf<T>) => unknown
  /** Gets one message at a time: the next one comes when the promise that `onMessage` returned has settled. */
  onMessage: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, data: MessageOf<T, Value, Receive>, request: RequestOf<T>) => unknown
  /**
   * Runs once for every accepted connection, however the connection ended, when the messages that came before the end have been
   * handled. `onDisconnect` does not wait for an `onMessage` that gets nothing done for `closeTimeout` after the end.
   */
  onDisconnect?: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, info: CloseInfo, request: RequestOf<T>) => unknown
  /** Gets the error of a message that does not decode or validate, in place of `onMessage`. */
  onInvalid?: OnInvalid
}

/**
 * Refuses a schema with a `body`: a handshake has no body. The type of a `FastifySchema` does not tell whether it has one, so
 * registration refuses such a schema at run time.
 */
type Bodyless<Schema> = Schema extends { body: {} } ? { body?: never } : unknown

/** The options of a Fastify route, without those that differ on a WebSocket route. */
export type WebSocketShorthandOptions<T extends RouteTypes> =
  Omit<RouteShorthandOptions<T['RawServer'], T['RawRequest'], T['RawReply'], T['Generic'], T['Config'], T['Schema'], T['Provider'], T['Logger']>,
    'websocket' | 'schema' | 'handler' | 'wsHandler'> & { schema?: T['Schema'] & Bodyless<T['Schema']>, onInvalid?: OnInvalid }

export type HttpHandler<T extends RouteTypes> =
  RouteHandlerMethod<T['RawServer'], T['RawRequest'], T['RawReply'], T['Generic'], T['Config'], T['Schema'], T['Provider'], T['Logger']>

/** The route types of an instance. */
export interface Types<
  RawServer extends RawServerBase = RawServerDefault,
  RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
  RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
  Logger extends FastifyBaseLogger = FastifyBaseLogger,
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Generic extends RouteGenericInterface = RouteGenericInterface,
  Config = ContextConfigDefault,
  Schema extends FastifySchema = FastifySchema
> extends RouteTypes {
  RawServer: RawServer
  RawRequest: RawRequest
  RawReply: RawReply
  Logger: Logger
  Provider: Provider
  Generic: Generic
  Config: Config
  Schema: Schema
}

/** The types of a route of which only the generics are known. */
export type TypesOf<Generic extends WebSocketRouteGeneric> =
  Types<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, FastifyTypeProviderDefault, Generic>

/** The options of `app.websocket`, between the URL and the handler. */
export type WebSocketRouteOptions<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> =
  WebSocketShorthandOptions<TypesOf<Generic>> & { schema?: WebSocketSchema, websocket?: true | WebSocketSettings }
