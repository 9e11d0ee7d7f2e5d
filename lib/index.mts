import websocket from './index.js'
import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'

// The same names as in `index.ts`: values, and the types that go with them.
export default websocket
export { websocket }
export const {
  closeCodes,
  connect,
  defineWebSocket,
  WebSocketError,
  WebSocketHandshakeError,
  WebSocketDisconnect,
  WebSocketDecodeError,
  WebSocketEncodeError,
  WebSocketExpectError,
  WebSocketValidationError,
  WebSocketTimeoutError,
  WebSocketUpgradeError,
  WebSocketTopicError,
  WebSocketBrokerError,
  WebSocketOptionError
} = websocket

export type Broker = websocket.Broker
export type BrokerEntry = websocket.BrokerEntry
export type BrokerHistory = websocket.BrokerHistory
export type BrokerListener = websocket.BrokerListener
export type Retention = websocket.Retention
export type Bytes = websocket.Bytes
export type CloseInfo = websocket.CloseInfo
export type HeadersLike = websocket.HeadersLike
export type IncomingEvent = websocket.IncomingEvent
export type JsonMode = websocket.JsonMode
export type OutgoingEvent = websocket.OutgoingEvent
export type ValueType = websocket.ValueType
export type ObservedEvents = websocket.ObservedEvents
export type WebSocketCounters = websocket.WebSocketCounters
export type WebSocketStats = websocket.WebSocketStats
export type RawSendOptions = websocket.RawSendOptions
export type RawWebSocket = websocket.RawWebSocket
export type AcceptOptions = websocket.AcceptOptions
export type PairOptions = websocket.PairOptions
export type ReceiveJsonOptions = websocket.ReceiveJsonOptions
export type ReceiveOptions = websocket.ReceiveOptions
export type Publication = websocket.Publication
export type ResyncEvent = websocket.ResyncEvent
export type SubscribeOptions = websocket.SubscribeOptions
export type TopicHistory = websocket.TopicHistory
export type TopicStanding = websocket.TopicStanding
export type WaitOptions = websocket.WaitOptions
export type WebSocketState = websocket.WebSocketState
export type WebSocketSessions = websocket.WebSocketSessions
export type WebSocketChannel<Receive = string, Send = any> = websocket.WebSocketChannel<Receive, Send>
export type WebSocketSession<Receive = string, Send = any> = websocket.WebSocketSession<Receive, Send>
export type WebSocketClient<Receive = string, Send = any> = websocket.WebSocketClient<Receive, Send>
export type ConnectOptions = websocket.ConnectOptions
export type InjectOptions = websocket.InjectOptions
export type AllowedOrigins = websocket.AllowedOrigins
export type HeartbeatOptions = websocket.HeartbeatOptions
export type HistoryOptions = websocket.HistoryOptions
export type RateLimitOptions = websocket.RateLimitOptions
export type ShutdownOptions = websocket.ShutdownOptions
export type WebSocketPluginOptions = websocket.WebSocketPluginOptions
export type OnInvalid = websocket.OnInvalid
export type WebSocketSettings = websocket.WebSocketSettings
export type WebSocketSchema = websocket.WebSocketSchema
export type WebSocketRouteGeneric = websocket.WebSocketRouteGeneric
export type WebSocketRouteDefinition = websocket.WebSocketRouteDefinition
export type DefineWebSocket<Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> = websocket.DefineWebSocket<Provider>
export type TypedRoute<Receive = any, Send = any, Params = any, Query = any> = websocket.TypedRoute<Receive, Send, Params, Query>
export type WebSocketRouteOptions<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = websocket.WebSocketRouteOptions<Generic>
export type WebSocketHandler<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = websocket.WebSocketHandler<Generic>
export type WebSocketSessionHandlers<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = websocket.WebSocketSessionHandlers<Generic>
export type RawWebSocketHandler<Generic extends WebSocketRouteGeneric = WebSocketRouteGeneric> = websocket.RawWebSocketHandler<Generic>
export type WebSocketError = websocket.WebSocketError
export type WebSocketHandshakeError = websocket.WebSocketHandshakeError
export type WebSocketDisconnect = websocket.WebSocketDisconnect
export type WebSocketDecodeError = websocket.WebSocketDecodeError
export type WebSocketEncodeError = websocket.WebSocketEncodeError
export type WebSocketExpectError = websocket.WebSocketExpectError
export type WebSocketValidationError = websocket.WebSocketValidationError
export type WebSocketTimeoutError = websocket.WebSocketTimeoutError
export type WebSocketUpgradeError = websocket.WebSocketUpgradeError
export type WebSocketTopicError = websocket.WebSocketTopicError
export type WebSocketBrokerError = websocket.WebSocketBrokerError
export type WebSocketOptionError = websocket.WebSocketOptionError
