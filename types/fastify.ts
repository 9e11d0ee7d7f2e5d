import type {
  ContextConfigDefault, FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, FastifyTypeProviderDefault, RawReplyDefaultExpression,
  RawRequestDefaultExpression, RawServerBase, RawServerDefault, RouteGenericInterface, RouteOptions
} from 'fastify'
import type { ValueType } from './message'
import type {
  ClientMessageOf, HttpHandler, RawWebSocketHandler, RequestOf, RouteTypes, Types, WebSocketHandler, WebSocketRouteGeneric, WebSocketSchema, WebSocketSessionHandlers,
  WebSocketSettings, WebSocketShorthandOptions
} from './options'
import type { InjectWebSocket } from './client'
import type { SendValue } from './route-messages'
import type { WebSocketSessions } from './session'
import type { TypedRoute } from './typed-route'

/*
 * What the options of a route add to those of a Fastify route, form by form. They are given to Fastify as overloads,
 * since the types of @fastify/websocket, which may be in the same program, declare `websocket?: boolean` for good.
 */

/** `websocket: true`, or settings, with a handler. */
type Settings<V extends ValueType, R extends ValueType, S extends ValueType> = { websocket: true | (WebSocketSettings<V, R, S> & { raw?: false }) }
/** The same where it may be left out; `false`, which the type of @fastify/websocket's has, is as if it were, beside a `wsHandler`. */
type OptionalSettings<V extends ValueType, R extends ValueType, S extends ValueType> = { websocket?: boolean | Settings<V, R, S>['websocket'] }
type Raw = { websocket: WebSocketSettings & { raw: true } }

/* The options of a route by its form. `T` are its types, `Types<…>`. */

type WithSettings<T extends RouteTypes, V extends ValueType, R extends ValueType, S extends ValueType> = WebSocketShorthandOptions<T> & Settings<V, R, S>
type WithOptionalSettings<T extends RouteTypes, V extends ValueType, R extends ValueType, S extends ValueType> = WebSocketShorthandOptions<T> & OptionalSettings<V, R, S>
type WithRaw<T extends RouteTypes> = WebSocketShorthandOptions<T> & Raw
type WithHandlers<T extends RouteTypes, V extends ValueType, R extends ValueType, S extends ValueType> =
  WebSocketShorthandOptions<T> & { websocket: WebSocketSettings<V, R, S> & WebSocketSessionHandlers<T, V, R, S> }

/* A whole route by its form, with its handlers, for `app.route`. */

type SessionRoute<T extends RouteTypes, V extends ValueType, R extends ValueType, S extends ValueType> = WithSettings<T, V, R, S> & { handler: WebSocketHandler<T, V, R, S> }
type BothRoutes<T extends RouteTypes, V extends ValueType, R extends ValueType, S extends ValueType> =
  WithOptionalSettings<T, V, R, S> & { handler: HttpHandler<T>, wsHandler: WebSocketHandler<T, V, R, S> }
type RawRoute<T extends RouteTypes> = WithRaw<T> & { handler: RawWebSocketHandler<T> }
type Place = { method: RouteOptions['method'], url: string }

/** `app.websocket`. */
export interface WebSocketMethod<
  RawServer extends RawServerBase,
  RawRequest extends RawRequestDefaultExpression<RawServer>,
  RawReply extends RawReplyDefaultExpression<RawServer>,
  Logger extends FastifyBaseLogger,
  Provider extends FastifyTypeProvider
> {
  /** Adds a WebSocket route. */
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault>(
    url: string,
    handler: WebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config>>
  ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, Provider>
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault>(
    url: string,
    handlers: WebSocketSessionHandlers<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config>>
  ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, Provider>
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema>(
    url: string,
    options: WithRaw<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config, Schema>>,
    handler: RawWebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config, Schema>>
  ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, Provider>
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
    V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
    url: string,
    options: WithOptionalSettings<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config, Schema>, V, R, S>,
    handler: WebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config, Schema>, V, R, S>
  ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, Provider>
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
    V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
    url: string,
    options: WithHandlers<Types<RawServer, RawRequest, RawReply, Logger, Provider, Generic, Config, Schema>, V, R, S>
  ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, Provider>
}

/** The declarations of a program have this type in full, where they cannot name a type of this package. */
type Definition = RouteOptions<any, any, any, any, any, any, any, any>

/** A route that is defined apart from an app, for `app.route`. */
export type WebSocketRouteDefinition = Definition

/** The types of a route, for its clients. */
type TypedRouteOf<T extends RouteTypes, Value extends ValueType, Receive extends ValueType, Send extends ValueType> = TypedRoute<
  ClientMessageOf<T, Value, Receive>,
  SendValue<T['Generic'], T['Provider'], T['Schema'], Send, Value>,
  RequestOf<T>['params'],
  RequestOf<T>['query']
>

/** `defineWebSocket`. What it returns carries the types of the route, for `connect<typeof route>`. */
export interface DefineWebSocket<OwnProvider extends FastifyTypeProvider = FastifyTypeProviderDefault> {
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
    V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType, Provider extends FastifyTypeProvider = OwnProvider>(
    definition: { url: string } & WithOptionalSettings<Define<Provider, Generic, Config, Schema>, V, R, S> & {
      handler: WebSocketHandler<Define<Provider, Generic, Config, Schema>, V, R, S>
    }
  ): Definition & TypedRouteOf<Define<Provider, Generic, Config, Schema>, V, R, S>
  <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
    V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType, Provider extends FastifyTypeProvider = OwnProvider>(
    definition: { url: string } & WithHandlers<Define<Provider, Generic, Config, Schema>, V, R, S>
  ): Definition & TypedRouteOf<Define<Provider, Generic, Config, Schema>, V, R, S>
  /** Returns `defineWebSocket` for schemas that the type provider `P` reads, such as `TypeBoxTypeProvider`. */
  withTypeProvider<P extends FastifyTypeProvider> (): DefineWebSocket<P>
}

type Define<Provider extends FastifyTypeProvider, Generic extends RouteGenericInterface, Config, Schema extends WebSocketSchema> =
  Types<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, Provider, Generic, Config, Schema>

/**
 * The `wsHandler` of a route whose options are of the type `RouteOptions`, unless the types of @fastify/websocket, which
 * declare it as well, are in the program. What it is called with is known where the route stands in a call of `app.route`.
 */
type AnyWsHandler = 'injectWS' extends keyof FastifyInstance ? {} : { wsHandler?: (this: any, ws: any, request: any) => any }

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether this is a WebSocket request. */
    ws: boolean
  }

  interface FastifySchema {
    /** Every message from the client is validated against it. */
    receive?: unknown
    /** Every JSON message to the client is serialized through it. */
    send?: unknown
  }

  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- a merged interface has the same type parameters
  interface RouteOptions<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, SchemaCompiler, TypeProvider, Logger> extends AnyWsHandler {}

  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    websocket: WebSocketMethod<RawServer, RawRequest, RawReply, Logger, TypeProvider>

    /** The open sessions. */
    websockets: WebSocketSessions

    /**
     * Opens a connection to `url`, a path of the app, without a port. Goes through `app.ready()`; `app.close()` ends it.
     * Rejects with `WebSocketUpgradeError` (`statusCode`, `responseHeaders`, `body`) when the handshake is refused.
     */
    injectWebSocket: InjectWebSocket

    route<Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      options: Place & BothRoutes<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    route<Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema>(
      options: Place & RawRoute<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    route<Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      options: Place & SessionRoute<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    route<Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      options: Place & WithHandlers<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
  }

  interface RouteShorthandMethod<RawServer, RawRequest, RawReply, TypeProvider, Logger> {
    <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      url: string,
      options: WithOptionalSettings<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S> & {
        wsHandler: WebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
      },
      handler: HttpHandler<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema>(
      url: string,
      options: WithRaw<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>>,
      handler: RawWebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      url: string,
      options: WithSettings<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>,
      handler: WebSocketHandler<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
    <Generic extends WebSocketRouteGeneric = RouteGenericInterface, Config = ContextConfigDefault, const Schema extends WebSocketSchema = WebSocketSchema,
      V extends ValueType = ValueType, R extends ValueType = ValueType, S extends ValueType = ValueType>(
      url: string,
      options: WithHandlers<Types<RawServer, RawRequest, RawReply, Logger, TypeProvider, Generic, Config, Schema>, V, R, S>
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
  }
}
