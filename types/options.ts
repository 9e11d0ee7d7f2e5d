import type {
  ContextConfigDefault, FastifyBaseLogger, FastifyInstance, FastifyRequest, FastifySchema, FastifyTypeProvider, FastifyTypeProviderDefault,
  RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerBase, RawServerDefault, RouteGenericInterface, RouteHandlerMethod, RouteOptions, RouteShorthandOptions
} from 'fastify'
import type { Broker } from './broker'
import type { CloseInfo, Received, Sendable, ValueType } from './message'
import type { RawWebSocket } from './raw'
import type { WebSocketSession } from './session'

/**
 * The origins whose pages may connect from a browser: `'same-origin'`, the host and port that the request is for; `'*'`,
 * all; a list of origins such as `'https://app.example.com'` or `'https://*.example.com'` (names at any depth below
 * example.com, not itself); what a RegExp finds in the Origin header; or what a function says of it.
 */
export type AllowedOrigins = 'same-origin' | '*' | readonly string[] | RegExp |
  ((this: FastifyInstance, origin: string, request: FastifyRequest) => boolean | Promise<boolean>)
/** Clients are pinged, and one from which nothing arrives is terminated, which its handler sees as 1006. */
export interface HeartbeatOptions {
  /** Milliseconds from one ping to the next. */
  interval?: number
  /** Milliseconds after a ping in which something has to arrive: a pong, or any other byte. */
  timeout?: number
}

/** So many messages may come at once; from then on they may come as they would if spread evenly over the interval. */
export interface RateLimitOptions {
  messages: number
  /** Milliseconds. */
  interval: number
}

/** Gets what does not decode or validate, as its error: `WebSocketDecodeError` or `WebSocketValidationError`. */
export type OnInvalid = (this: FastifyInstance, ws: WebSocketSession<any>, error: any, request: FastifyRequest) => unknown

/** What can be set for a route, or for all routes in the options of the plugin. */
export interface WebSocketSettings<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: Value
  /** Default: `'text'`; `'json'` where there is a `schema.receive`. */
  receiveType?: Receive
  /** Default: `'any'`; `'json'` where there is a `schema.send`. */
  sendType?: Send
  /** In the server's order of preference. */
  subprotocols?: readonly string[]
  /** Completes the handshake before the handler runs. Default: false. */
  autoAccept?: boolean
  /** Whether a disconnect that leaves the handler, or a normal one that ends an iteration, is silent. Default: true. */
  catchDisconnect?: boolean
  /** Which pages may connect; others get 403. A request without an Origin header passes: it is from no browser. Default: `'same-origin'`. */
  origins?: AllowedOrigins
  /** Bytes received and not yet taken above which the socket is paused. Default: 64 KiB. */
  receiveHighWaterMark?: number
  /** Bytes waiting to be written from which on `send` waits. Default: 64 KiB. */
  sendHighWaterMark?: number
  /** Milliseconds after which a client that drains nothing is terminated. Default: 30 s. */
  sendTimeout?: number
  /** Milliseconds that the handler has to accept or deny; then 503. Default: 10 s. */
  handshakeTimeout?: number
  /**
   * How a handshake is refused: `'http'`, with its HTTP response; `'close'`, with a connection that is closed at once, with
   * 4000 and the status as the code and the error's message as the reason, which a browser's script can read; `'auto'`,
   * with the latter for requests with an Origin header. Default: `'http'`.
   */
  refusal?: 'http' | 'close' | 'auto'
  /** How many connections there may be at once, of all routes or of this one; over it: 503 with `Retry-After`. Default: any number. */
  maxConnections?: number
  /** Finds out which clients are gone. Default: `{ interval: 25_000, timeout: 10_000 }`; what is left out is as in the plugin, or the default. */
  heartbeat?: HeartbeatOptions | false
  /** Milliseconds without a message either way after which a connection is closed with 1001. Default: false, none. */
  idleTimeout?: number | false
  /** How much a client may send; one that sends more is closed with 1008. Default: false, no limit. */
  rateLimit?: RateLimitOptions | false
  /**
   * What happens to a subscriber that drains nothing: `'close'`, with 1013 beyond `maxBufferedAmount`; `'skip'`, it misses
   * what is published beyond `sendHighWaterMark`, until it drains. Default: `'close'`.
   */
  slowSubscriber?: 'close' | 'skip'
  /**
   * Bytes published to a subscriber since it last drained anything beyond which it is closed with 1013. Of one that drains,
   * 16 times as many more may wait. Default: 1 MiB.
   */
  maxBufferedAmount?: number
  /** Bytes; the connection of a larger message is closed with 1009. Default: 1 MiB. */
  maxPayload?: number
  /**
   * Gets a message that does not decode or validate, as its error (`WebSocketDecodeError`, `WebSocketValidationError`), where
   * the session is iterated or has an `onMessage`: it is left out there, and the session goes on. Awaited; what it throws is
   * thrown by the iteration. `receive`, `pair` and `expect` reject. On a route it may stand beside `websocket`, too.
   * Default: none, the iteration throws.
   */
  onInvalid?: OnInvalid
  /** Whether messages are compressed, or the options of `ws` for that, by their names there. Default: false. */
  perMessageDeflate?: boolean | object
}

/** How `app.close()` ends the connections: new handshakes get 503, sessions a closing handshake, and handlers are awaited. */
export interface ShutdownOptions {
  /** The close code. Default: 1001. */
  code?: number
  /** The reason; at most 123 bytes of it are sent. Default: `''`. */
  reason?: string
  /** Milliseconds over which the closes are spread, so that clients do not all come back at once. Default: 0. */
  spread?: number
  /** Milliseconds after which whatever is left is dropped, and `app.close()` resolves. Default: 10 s. */
  timeout?: number
  /** Told of each session before it is closed; what it returns is awaited, what it throws is logged. */
  notify?: (ws: WebSocketSession<any>) => unknown
}

/** The options of the plugin. */
export interface WebSocketPluginOptions extends WebSocketSettings {
  /** Milliseconds after which a closing handshake is forced to its end. Default: 5 s. */
  closeTimeout?: number
  /**
   * Routes whose handlers get the plain socket, as with `raw: true`: those that libraries for @fastify/websocket add by
   * themselves. A list of URLs, with their prefixes, or a function that tells of the options of a WebSocket route. Default: none.
   */
  rawRoutes?: readonly string[] | ((route: RouteOptions) => boolean)
  /** How `app.close()` ends the connections. */
  shutdown?: ShutdownOptions
  /** Connects the topics of this process to those of others. Default: none, there is one process. */
  broker?: Broker
  /** Sees what leaves a handler after the handshake, in place of the log; may send and close. */
  errorHandler?: (this: FastifyInstance, error: any, ws: WebSocketSession<any>, request: FastifyRequest) => unknown
}

/** A route's schema: Fastify's, and what every message is validated against and serialized through. */
export interface WebSocketSchema extends FastifySchema {
  receive?: unknown
  send?: unknown
}

/** The generics of a route, as on HTTP routes, with `Receive` and `Send` for its messages. */
export interface WebSocketRouteGeneric extends RouteGenericInterface {
  Receive?: unknown
  Send?: unknown
}

/** JSON is `any` until something says more. */
type Known<T> = unknown extends T ? any : T

type ReceiveJson<Provider extends FastifyTypeProvider, Schema> =
  Schema extends { receive: infer S extends {} } ? Known<(Provider & { schema: S })['validator']> : any

type SendJson<Provider extends FastifyTypeProvider, Schema> =
  Schema extends { send: infer S extends {} } ? Known<(Provider & { schema: S })['serializer']> : any

/** A type that has not been named: nothing was inferred, or generics were given and inference did not take place. */
type IsNamed<Type extends ValueType> = [Type] extends [never] ? false : [ValueType] extends [Type] ? false : true

/** `Own` over `Value` over `'json'` for a side with a schema over `Default`. */
type TypeName<Own extends ValueType, Value extends ValueType, HasSchema extends boolean, Default extends ValueType> =
  IsNamed<Own> extends true ? Own : IsNamed<Value> extends true ? Value : HasSchema extends true ? 'json' : Default

type HasReceive<Schema> = Schema extends { receive: {} } ? true : false
type HasSend<Schema> = Schema extends { send: {} } ? true : false

type ReceiveValue<Generic, Provider extends FastifyTypeProvider, Schema, Own extends ValueType, Value extends ValueType> =
  Generic extends { Receive: infer T } ? T : Received<ReceiveJson<Provider, Schema>>[TypeName<Own, Value, HasReceive<Schema>, 'text'>]

type SendValue<Generic, Provider extends FastifyTypeProvider, Schema, Own extends ValueType, Value extends ValueType> =
  Generic extends { Send: infer T } ? T : Sendable<SendJson<Provider, Schema>>[TypeName<Own, Value, HasSend<Schema>, 'any'>]

/** The environment of a route: what Fastify's own types carry along. */
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
  ReceiveValue<T['Generic'], T['Provider'], T['Schema'], Receive, Value>,
  SendValue<T['Generic'], T['Provider'], T['Schema'], Send, Value>,
  ReceiveJson<T['Provider'], T['Schema']>,
  SendJson<T['Provider'], T['Schema']>,
  RequestOf<T>
>

/** What iterating over a session, or `onMessage`, gives. */
export type MessageOf<T extends RouteTypes, Value extends ValueType, Receive extends ValueType> =
  ReceiveValue<T['Generic'], T['Provider'], T['Schema'], Receive, Value>

/** The handler of a WebSocket route. What it returns is ignored. */
export type WebSocketHandler<T extends RouteTypes, Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> =
  (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, request: RequestOf<T>) => unknown

/** A handler for the plain socket, as @fastify/websocket calls it. Declared as a method, so that it may ask for the `WebSocket` of `ws`. */
export type RawWebSocketHandler<T extends RouteTypes> = {
  handler (this: InstanceOf<T>, socket: RawWebSocket, request: RequestOf<T>): unknown
}['handler']

/** In place of one handler. */
export interface WebSocketSessionHandlers<T extends RouteTypes, Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Accepts or refuses; without it the connection is accepted. */
  onConnect?: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, request: RequestOf<T>) => unknown
  /** Gets one message at a time: the next one when the promise that it returned has settled. */
  onMessage: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, data: MessageOf<T, Value, Receive>, request: RequestOf<T>) => unknown
  /**
   * Runs once for every accepted connection, however it ended, when the messages that came before have been handled; without
   * waiting for an `onMessage` that gets nothing done for `closeTimeout` after the end.
   */
  onDisconnect?: (this: InstanceOf<T>, ws: SessionOf<T, Value, Receive, Send>, info: CloseInfo, request: RequestOf<T>) => unknown
  /** Gets what does not decode or validate, in place of `onMessage`. */
  onInvalid?: OnInvalid
}

/** A handshake has no body. A schema that is only known to be Fastify's may have one, which registration refuses. */
type Bodyless<Schema> = Schema extends { body: {} } ? { body?: never } : unknown

/** The options of any Fastify route, but for what is different on a WebSocket route. */
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

/** The types of a route that is known by its generics alone. */
export type TypesOf<Generic extends WebSocketRouteGeneric> =
  Types<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, FastifyTypeProviderDefault, Generic>

/** What `app.websocket` takes between the URL and the handler. */
export type WebSocketRouteOptions<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> =
  WebSocketShorthandOptions<TypesOf<Generic>> & { schema?: WebSocketSchema, websocket?: true | WebSocketSettings }
