import type { FastifyRequest } from 'fastify'
import type { CloseInfo } from './message'
import type { WebSocketSession } from './session'

/** A number of messages, and the bytes of their contents: without frame headers, before or after compression. */
export interface MessageCount {
  messages: number
  bytes: number
}

/** Counters since the start of the app. */
export interface WebSocketCounters {
  connections: {
    /** Those that are open now. */
    open: number
    /** All that have been accepted. */
    accepted: number
  }
  /** Refused handshakes by the status of the response. At most 64 statuses; the rest is under `other`. */
  refusals: Record<string, number>
  /**
   * Ended connections by close code: that of the client's close frame, 1005 for a frame without a code, 1006 without a frame. Where the
   * server has failed the connection, since the client violates the protocol or a message is too long, the code that the server has
   * sent. At most 64 codes; the rest is under `other`. A registered code is never under `other`.
   */
  closes: Record<string, number>
  /**
   * Received: messages that have arrived while the session took messages. Sent: messages that were handed to the connection, a
   * published one once for each recipient.
   */
  messages: { received: number, sent: number }
  /** The bytes of the contents of these messages. */
  bytes: { received: number, sent: number }
  /** Calls of `publish`, in this process. */
  publications: number
  /** Published messages that slow subscribers have missed (`slowSubscriber: 'skip'`). */
  skipped: number
  /** Subscribers that were closed with 1013 since they were too slow. */
  slowCloses: number
  /** Connections that the heartbeat has dropped. */
  heartbeatLosses: number
}

/** `app.websockets.stats()`. */
export interface WebSocketStats extends WebSocketCounters {
  /** As `app.websockets.brokerState`. */
  brokerState: 'up' | 'down'
  /** The counters of each WebSocket route, by its URL: with its prefix, and with parameters by name. */
  routes: Record<string, WebSocketCounters>
}

/** A WebSocket route. */
export interface ObservedRoute {
  /** The URL with its prefix, and with parameters by name, such as `/chat/:room`. */
  readonly url: string
}

/** What all channels publish. */
export interface ObservedEvent {
  /** Null where there is none: on `:refused` and `:broker`, for a publication of the app, and on routes with `raw: true`. */
  session: WebSocketSession<any> | null
  /** The upgrade request. Null on `:broker`, for a publication of the app, and for what Fastify could not route. */
  request: FastifyRequest | null
  /** Null where `session` and `request` are null, and for a request that is for no WebSocket route. */
  route: ObservedRoute | null
}

/** `fastify-async-websocket:accepted`: a handshake is complete. */
export interface AcceptedEvent extends ObservedEvent {
  /** 101; over HTTP/2, 200. */
  statusCode: number
  /** The negotiated subprotocol, or `''`. */
  protocol: string
}

/** `fastify-async-websocket:refused`: a handshake is refused, by a response or by a connection that is closed at once. */
export interface RefusedEvent extends ObservedEvent {
  /** The status of the response. */
  statusCode: number
  /** The code of the close frame, with `refusal: 'close'`; null for a response, and for a close frame without a code. */
  closeCode: number | null
}

/** `fastify-async-websocket:closed`: an accepted connection has ended. */
export interface ClosedEvent extends ObservedEvent, CloseInfo {
  /** As `closes` of `stats` counts it. */
  code: number
  /** The code with which this side has begun the close; null if it has not, or without a code. */
  sentCode: number | null
  /** Milliseconds from the handshake to the end. */
  duration: number
  /** Whether the heartbeat has dropped the connection. */
  isLost: boolean
  received: MessageCount
  sent: MessageCount
}

/** `fastify-async-websocket:message.received` and `:message.sent`: one message. For a published message, each recipient has its own event. */
export interface MessageEvent extends ObservedEvent {
  type: 'text' | 'bytes'
  /** The bytes of the content. */
  size: number
}

/** `fastify-async-websocket:published`: a session or the app has published a message, in this process. */
export interface PublishedEvent extends ObservedEvent {
  topic: string
  /** The bytes of the message. */
  size: number
}

/** `fastify-async-websocket:slow`: a subscriber is too slow. */
export interface SlowEvent extends ObservedEvent {
  /** Whether the subscriber misses messages, or is closed with 1013. */
  action: 'skip' | 'close'
  /** The number of messages that it misses now; 0 if it is closed. */
  messages: number
}

/** `fastify-async-websocket:broker`: the broker has come up or gone down. */
export interface BrokerEvent extends ObservedEvent {
  state: 'up' | 'down'
  /** Why the broker is down. */
  reason: Error | null
}

/** What each channel of `node:diagnostics_channel` publishes. */
export interface ObservedEvents {
  'fastify-async-websocket:accepted': AcceptedEvent
  'fastify-async-websocket:refused': RefusedEvent
  'fastify-async-websocket:closed': ClosedEvent
  'fastify-async-websocket:message.received': MessageEvent
  'fastify-async-websocket:message.sent': MessageEvent
  'fastify-async-websocket:published': PublishedEvent
  'fastify-async-websocket:slow': SlowEvent
  'fastify-async-websocket:broker': BrokerEvent
}
