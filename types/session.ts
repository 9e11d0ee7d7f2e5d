import type { EventEmitter } from 'node:events'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { PlatformChannel } from './channel'
import type { HeadersLike, IncomingEvent, OutgoingEvent, Sendable, ValueType } from './message'
import type { WebSocketStats } from './observe'
import type { RawWebSocket } from './raw'

export type { Patience, PairOptions, ReceiveJsonOptions, ReceiveOptions, WebSocketState } from './channel'

/** One side of a connection over a byte stream: a session on the server, or a client in Node. */
export interface WebSocketChannel<Receive = string, Send = any, ReceiveJson = any, SendJson = any>
  extends PlatformChannel<Receive, Send, ReceiveJson, SendJson, Buffer> {
  /** Takes the next event of the raw level. Its message is neither decoded nor validated. */
  receiveEvent (): Promise<IncomingEvent>
  sendEvent (event: OutgoingEvent): Promise<void>

  /** Sends a ping. Resolves with the round trip in milliseconds. */
  ping (): Promise<number>

  /** Drops the connection at once. */
  terminate (): void
}

export interface AcceptOptions {
  /** A subprotocol that the client offers. Default: the first of the route's `subprotocols` that the client offers. */
  subprotocol?: string | null
  /** Headers of the 101 response. An array repeats a header. */
  headers?: HeadersLike
}

/** The server's side of a connection: the `ws` of a handler. */
export interface WebSocketSession<Receive = string, Send = any, ReceiveJson = any, SendJson = any, Request extends FastifyRequest<any, any, any, any, any, any, any> = FastifyRequest>
  extends WebSocketChannel<Receive, Send, ReceiveJson, SendJson> {
  readonly id: string
  readonly request: Request
  /** The logger of the request, with the session's `id` bound as `ws`. */
  readonly log: FastifyBaseLogger
  readonly url: URL
  readonly headers: Request['headers']
  readonly params: Request['params']
  readonly query: Request['query']
  /** The subprotocols that the client offers, in the client's order. Each read returns a new list. */
  readonly subprotocols: string[]
  /** The underlying `ws` socket; null before `accept`. An error that a listener throws counts as thrown by the handler. */
  readonly raw: RawWebSocket | null
  readonly topics: ReadonlySet<string>
  /** The number of published messages that this session has missed (`slowSubscriber: 'skip'`). */
  readonly skipped: number

  /**
   * Completes the handshake: runs the `onSend` hooks, then sends the 101 response with the headers of the hooks and of
   * `options`. Resolves with the session itself when messages can flow. Rejects with `WebSocketHandshakeError`
   *
   * - after a first `accept` or a refusal,
   * - if the client has left,
   * - for a subprotocol that the client did not offer,
   * - for headers that cannot be sent,
   * - if a hook fails (`cause` is its error) or sets another status: then that response is the answer.
   */
  accept (options?: AcceptOptions): Promise<this>

  /**
   * Refuses the handshake with an HTTP response, through Fastify's reply. Resolves when the response has been sent.
   * `statusCode` is from 200 to 599. Default: 403.
   */
  deny (statusCode?: number, payload?: unknown, headers?: HeadersLike): Promise<void>

  /**
   * Subscribes this session to `topic`. With a broker, resolves when the broker has confirmed the subscription, or at once
   * while the broker is down. Rejects with `WebSocketTopicError` if `topic` is no valid topic. Rejects with
   * `WebSocketBrokerError`, and subscribes to nothing, if the broker refuses.
   *
   * For a topic with history, resolves when the messages that `options` ask for are in the send queue. Rejects with
   * `WebSocketTopicError` for an `after` that is no position, for `after` and `last` together, and for options on a topic without
   * history; with `WebSocketBrokerError` if the history cannot be read.
   */
  subscribe (topic: string, options?: SubscribeOptions): Promise<TopicStanding>
  unsubscribe (topic: string): Promise<void>
  /**
   * Sends `message` to every subscriber of `topic` except this session. The message is encoded once, with `type` or the
   * route's `sendType`. `publish` waits for no subscriber: it resolves at once, and after every 32 KiB in the next turn of the
   * event loop. With a broker, `publish` resolves when the broker has taken the message, and rejects with
   * `WebSocketBrokerError` if the message has reached only the subscribers in this process. A message of a topic with history
   * reaches nobody if `publish` rejects.
   */
  publish (topic: string, message: Send, options?: { type?: undefined }): Promise<Publication>
  publish<Type extends ValueType> (topic: string, message: Sendable<SendJson>[Type], options: Type | { type: Type }): Promise<Publication>
}

/** The options of `subscribe` for a topic with history. */
export interface SubscribeOptions {
  /** A position that the client had. The messages that were published after it come first. */
  after?: string | undefined
  /** So many of the newest messages come first. */
  last?: number | undefined
  /** Sends each message of the topic as JSON: `{ "topic", "position", "data" }`, for bytes in base64 with `"encoding": "base64"`. */
  positions?: boolean | undefined
}

/** Where a session stands in a topic. */
export interface TopicStanding {
  /** The position of the topic's newest message; null without history, and while the broker is down. */
  position: string | null
  /**
   * Whether the session gets every message since `after`. False without `after`, and if messages may be missing: then none has been
   * replayed.
   */
  recovered: boolean
}

/** What `publish` resolves with. */
export interface Publication {
  /** The position of the message; null if the topic has no history. */
  readonly position: string | null
}

/** What `app.websockets.history` resolves with. */
export interface TopicHistory {
  /** The messages, the oldest first. `data` is a string, a parsed JSON value, or a `Buffer`, as it was published. */
  messages: { position: string, data: any }[]
  /** Whether these are all messages since `after`. False without `after`; if messages may be missing, there are none. */
  recovered: boolean
}

/** The client's side of a connection. `connect` and `injectWebSocket` resolve with a client. */
export interface WebSocketClient<Receive = string, Send = any> extends WebSocketChannel<Receive, Send> {
  /** The headers of the response to the handshake. */
  readonly headers: Record<string, string | string[] | undefined>
  /** The underlying `ws` socket. */
  readonly raw: RawWebSocket
}

/** The event `'resync'`: the broker was down and is up again. */
export interface ResyncEvent {
  /** The topics that sessions of this process have subscribed to. They may have missed messages of other processes. */
  topics: string[]
  /** Those of `topics` whose sessions have got all messages from the history meanwhile. */
  recovered: string[]
  /** The others. */
  missed: string[]
}

/** `app.websockets`: the open sessions of this process. */
export interface WebSocketSessions extends EventEmitter, Iterable<WebSocketSession<any>> {
  readonly size: number
  /** Whether published messages reach other processes. Without a broker: `'up'`. */
  readonly brokerState: 'up' | 'down'
  /** Returns a snapshot of the counters since the start of the app. */
  stats (): WebSocketStats
  has (session: WebSocketSession<any, any, any, any, any>): boolean
  /** The sessions of this process that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<WebSocketSession<any>>
  /**
   * Sends `message` to all subscribers of `topic`. Without a `type`, strings are sent as text, bytes as bytes, and anything
   * else as JSON. Resolves and rejects like the `publish` of a session.
   */
  publish<Message = unknown> (topic: string, message: Message, options?: { type?: ValueType }): Promise<Publication>
  /**
   * Returns the kept messages of `topic`: all, those after the position `after`, or the newest `last`. Rejects with
   * `WebSocketTopicError` if the topic has no history, and for an `after` that is no position; with `WebSocketBrokerError` if the
   * history cannot be read.
   */
  history (topic: string, options?: Pick<SubscribeOptions, 'after' | 'last'>): Promise<TopicHistory>
  /** Emitted when the broker is up again and every topic is subscribed again. An error that a listener throws is logged. */
  on (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  on (event: string | symbol, listener: (...args: any[]) => void): this
  once (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  once (event: string | symbol, listener: (...args: any[]) => void): this
}
