import { closeCodes as codes } from './base/close-codes'
import { connect as open } from './client/client'
import { defineWebSocket as define } from './plugin/define-route'
import * as errors from './base/errors'
import { websocket as plugin } from './plugin/plugin'
import type { FastifyPluginAsync, FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type * as brokers from '../types/broker'
import type * as client from '../types/client'
import type * as message from '../types/message'
import type * as observe from '../types/observe'
import type * as options from '../types/options'
import type * as raw from '../types/raw'
import type * as routes from '../types/fastify'
import type * as session from '../types/session'
import type * as typed from '../types/typed-route'

type Plugin = FastifyPluginAsync<options.WebSocketPluginOptions>

interface Exports {
  /** The plugin itself, for modules that import a default. */
  default: Plugin
  websocket: Plugin
  /** Every registered close code, by its name. */
  closeCodes: typeof codes
  connect: client.Connect
  /** Defines a WebSocket route apart from an app; `app.route` takes it. */
  defineWebSocket: routes.DefineWebSocket
}

const websocket: Plugin & Exports & typeof errors = Object.assign(plugin as never, {
  default: plugin,
  websocket: plugin,
  closeCodes: codes,
  connect: open,
  defineWebSocket: define,
  ...errors
} as never)

/* The types, under the names that the values have. `index.mts` has the same names for ES modules. */
declare namespace websocket {
  export type Broker = brokers.Broker
  export type BrokerEntry = brokers.BrokerEntry
  export type BrokerHistory = brokers.BrokerHistory
  export type BrokerListener = brokers.BrokerListener
  export type Retention = brokers.Retention
  export type Bytes = message.Bytes
  export type CloseInfo = message.CloseInfo
  export type HeadersLike = message.HeadersLike
  export type IncomingEvent = message.IncomingEvent
  export type JsonMode = message.JsonMode
  export type OutgoingEvent = message.OutgoingEvent
  export type ValueType = message.ValueType
  export type ObservedEvents = observe.ObservedEvents
  export type WebSocketCounters = observe.WebSocketCounters
  export type WebSocketStats = observe.WebSocketStats
  export type RawSendOptions = raw.RawSendOptions
  export type RawWebSocket = raw.RawWebSocket
  export type AcceptOptions = session.AcceptOptions
  export type PairOptions = session.PairOptions
  export type ReceiveJsonOptions = session.ReceiveJsonOptions
  export type ReceiveOptions = session.ReceiveOptions
  export type Publication = session.Publication
  export type ResyncEvent = session.ResyncEvent
  export type SubscribeOptions = session.SubscribeOptions
  export type TopicHistory = session.TopicHistory
  export type TopicStanding = session.TopicStanding
  export type WaitOptions = session.Patience
  export type WebSocketState = session.WebSocketState
  export type WebSocketSessions = session.WebSocketSessions
  export type WebSocketChannel<Receive = string, Send = any> = session.WebSocketChannel<Receive, Send>
  export type WebSocketSession<Receive = string, Send = any> = session.WebSocketSession<Receive, Send>
  export type WebSocketClient<Receive = string, Send = any> = session.WebSocketClient<Receive, Send>
  export type ConnectOptions = client.ConnectOptions
  export type InjectOptions = client.InjectOptions
  export type AllowedOrigins = options.AllowedOrigins
  export type HeartbeatOptions = options.HeartbeatOptions
  export type HistoryOptions = options.HistoryOptions
  export type RateLimitOptions = options.RateLimitOptions
  export type ShutdownOptions = options.ShutdownOptions
  export type WebSocketPluginOptions = options.WebSocketPluginOptions
  export type OnInvalid = options.OnInvalid
  export type WebSocketSettings = options.WebSocketSettings
  export type WebSocketSchema = options.WebSocketSchema
  export type WebSocketRouteGeneric = options.WebSocketRouteGeneric
  export type WebSocketRouteDefinition = routes.WebSocketRouteDefinition
  export type DefineWebSocket<Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> = routes.DefineWebSocket<Provider>
  export type TypedRoute<Receive = any, Send = any, Params = any, Query = any> = typed.TypedRoute<Receive, Send, Params, Query>
  export type WebSocketRouteOptions<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = options.WebSocketRouteOptions<Generic>
  export type WebSocketHandler<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = options.WebSocketHandler<options.TypesOf<Generic>>
  export type WebSocketSessionHandlers<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = options.WebSocketSessionHandlers<options.TypesOf<Generic>>
  export type RawWebSocketHandler<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = options.RawWebSocketHandler<options.TypesOf<Generic>>
  export type WebSocketError = errors.WebSocketError
  export type WebSocketHandshakeError = errors.WebSocketHandshakeError
  export type WebSocketDisconnect = errors.WebSocketDisconnect
  export type WebSocketDecodeError = errors.WebSocketDecodeError
  export type WebSocketEncodeError = errors.WebSocketEncodeError
  export type WebSocketExpectError = errors.WebSocketExpectError
  export type WebSocketValidationError = errors.WebSocketValidationError
  export type WebSocketTimeoutError = errors.WebSocketTimeoutError
  export type WebSocketUpgradeError = errors.WebSocketUpgradeError
  export type WebSocketTopicError = errors.WebSocketTopicError
  export type WebSocketBrokerError = errors.WebSocketBrokerError
  export type WebSocketOptionError = errors.WebSocketOptionError
}

export = websocket
