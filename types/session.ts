import type { EventEmitter } from 'node:events'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { CloseInfo, HeadersLike, IncomingEvent, JsonMode, OutgoingEvent, Received, Sendable, ValueType } from './message'
import type { RawWebSocket } from './raw'

/** The states of a connection, in order: `'connecting' → 'open' → 'closing' → 'closed'`. */
export type WebSocketState = 'connecting' | 'open' | 'closing' | 'closed'

/** How long a `receive` waits for its message. */
export interface Patience {
  /** Milliseconds. When they run out, the `receive` rejects with `WebSocketTimeoutError` and takes no message. */
  timeout?: number
  /** When the signal aborts, the `receive` rejects with the signal's reason and takes no message. */
  signal?: AbortSignal
}

export interface ReceiveOptions<Type extends ValueType = ValueType> extends Patience {
  /** The type to decode the message to. Default: the route's `receiveType`. */
  type?: Type
}

export interface ReceiveJsonOptions extends Patience {
  /** The frames in which JSON may come: text or binary. Default: both. */
  mode?: JsonMode
}

export interface PairOptions<Type extends ValueType = ValueType> extends ReceiveOptions<Type> {
  /** `true`: `pair` receives first, then sends. Default: false. */
  receiveFirst?: boolean
}

/**
 * One side of a connection. A session on the server and a client share these members.
 *
 * Type parameters: `receive()` without a type returns `Receive`, `send()` without a type takes `Send`. JSON messages have
 * the types `ReceiveJson` and `SendJson`.
 *
 * Every verb rejects with `WebSocketDisconnect` once the connection is gone. A rejected verb does not end the process,
 * even if nothing awaits the promise.
 */
export interface WebSocketChannel<Receive = string, Send = any, ReceiveJson = any, SendJson = any> extends AsyncIterable<Receive> {
  readonly state: WebSocketState
  /** The negotiated subprotocol, or `''`. */
  readonly protocol: string
  /** The bytes that have not yet been handed to the kernel. */
  readonly bufferedAmount: number
  /** Resolves when the connection has ended, whichever side ended it. Never rejects. */
  readonly closed: Promise<CloseInfo>
  /** Aborts when the connection is gone. The reason is a `WebSocketDisconnect`. An error that a listener throws is logged. */
  readonly signal: AbortSignal

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait to be written, otherwise when the
   * waiting bytes have drained. Do not change a buffer before its `send` has resolved. Rejects with `WebSocketEncodeError`,
   * and sends nothing, if the value does not fit the type.
   */
  send (data: Send, options?: { type?: undefined }): Promise<void>
  send<Type extends ValueType> (data: Sendable<SendJson>[Type], options: Type | { type: Type }): Promise<void>
  sendText (data: string): Promise<void>
  sendBytes (data: Sendable['bytes']): Promise<void>
  /** Sends `data` as JSON: in a binary frame if `mode` is `'bytes'`, otherwise in a text frame. */
  sendJson (data: SendJson, options?: { mode?: JsonMode }): Promise<void>

  /**
   * Takes the next message. Rejects with `WebSocketDecodeError` or `WebSocketValidationError` if the message does not decode
   * or validate; the message is taken, and the session goes on. Rejects with `WebSocketTimeoutError` when `timeout` runs out,
   * and with the signal's reason when `signal` aborts.
   */
  receive (options?: Patience & { type?: undefined }): Promise<Receive>
  receive<Type extends ValueType> (type: Type): Promise<Received<ReceiveJson>[Type]>
  receive<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): Promise<Received<ReceiveJson>[Type]>
  receiveText (options?: Patience): Promise<string>
  receiveBytes (options?: Patience): Promise<Buffer>
  receiveJson (options?: ReceiveJsonOptions): Promise<ReceiveJson>

  /** Sends `message`, then receives one message and returns it. With `receiveFirst`, receives before sending. */
  pair (message: Send, options?: PairOptions & { type?: undefined }): Promise<Receive>
  pair<Type extends ValueType> (message: Send, options: PairOptions<Type> & { type: Type }): Promise<Received<ReceiveJson>[Type]>

  /** Receives one message of the type of `message` and discards it. Rejects with `WebSocketExpectError` unless both are equal. */
  expect (message: unknown, options?: Patience): Promise<void>

  /**
   * Iterates over messages. Each is received like `receive` with the same options: `timeout` limits the wait for each
   * message, and the iteration throws what `receive` rejects with. The iteration ends after a normal closure (1000, 1001,
   * 1005) and throws `WebSocketDisconnect` after any other end.
   */
  messages (options?: Patience & { type?: undefined }): AsyncIterableIterator<Receive>
  messages<Type extends ValueType> (type: Type): AsyncIterableIterator<Received<ReceiveJson>[Type]>
  messages<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): AsyncIterableIterator<Received<ReceiveJson>[Type]>

  /** Takes the next event of the raw level. Its message is neither decoded nor validated. */
  receiveEvent (): Promise<IncomingEvent>
  sendEvent (event: OutgoingEvent): Promise<void>

  /** Sends a ping. Resolves with the round trip in milliseconds. */
  ping (): Promise<number>

  /**
   * Starts the closing handshake. Resolves when the connection has ended; the end is forced after `closeTimeout`. Idempotent.
   * `code` is 1000 by default; `null` sends a close frame without a code, which the peer sees as 1005. `reason` is cut to
   * 123 bytes (RFC 6455, section 5.5). Rejects with `RangeError` for a code that may not be sent, and with
   * `WebSocketOptionError` for a reason without a code.
   */
  close (code?: number | null, reason?: string): Promise<void>

  /** Drops the connection at once. */
  terminate (): void

  /** Closes the connection, for `await using`. */
  [Symbol.asyncDispose] (): Promise<void>
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
   */
  subscribe (topic: string): Promise<void>
  unsubscribe (topic: string): Promise<void>
  /**
   * Sends `message` to every subscriber of `topic` except this session. The message is encoded once, with `type` or the
   * route's `sendType`. `publish` waits for no subscriber: it resolves at once, and after every 32 KiB in the next turn of the
   * event loop. With a broker, `publish` resolves when the broker has taken the message, and rejects with
   * `WebSocketBrokerError` if the message has reached only the subscribers in this process.
   */
  publish (topic: string, message: Send, options?: { type?: undefined }): Promise<void>
  publish<Type extends ValueType> (topic: string, message: Sendable<SendJson>[Type], options: Type | { type: Type }): Promise<void>
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
}

/** `app.websockets`: the open sessions of this process. */
export interface WebSocketSessions extends EventEmitter, Iterable<WebSocketSession<any>> {
  readonly size: number
  /** Whether published messages reach other processes. Without a broker: `'up'`. */
  readonly brokerState: 'up' | 'down'
  has (session: WebSocketSession<any, any, any, any, any>): boolean
  /** The sessions of this process that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<WebSocketSession<any>>
  /**
   * Sends `message` to all subscribers of `topic`. Without a `type`, strings are sent as text, bytes as bytes, and anything
   * else as JSON. Resolves and rejects like the `publish` of a session.
   */
  publish<Message = unknown> (topic: string, message: Message, options?: { type?: ValueType }): Promise<void>
  /** Emitted when the broker is up again and every topic is subscribed again. An error that a listener throws is logged. */
  on (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  on (event: string | symbol, listener: (...args: any[]) => void): this
  once (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  once (event: string | symbol, listener: (...args: any[]) => void): this
}
