import type { EventEmitter } from 'node:events'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { CloseInfo, HeadersLike, IncomingEvent, JsonMode, OutgoingEvent, Received, Sendable, ValueType } from './message'
import type { RawWebSocket } from './raw'

/** `'connecting' → 'open' → 'closing' → 'closed'`. */
export type WebSocketState = 'connecting' | 'open' | 'closing' | 'closed'

/** How long a `receive` waits. */
export interface Patience {
  /** Milliseconds; then it rejects with `WebSocketTimeoutError`, and no message is taken. */
  timeout?: number
  /** When it aborts, the `receive` rejects with its reason, and no message is taken. */
  signal?: AbortSignal
}

export interface ReceiveOptions<Type extends ValueType = ValueType> extends Patience {
  /** The type to decode to; the route's `receiveType` unless given. */
  type?: Type
}

export interface ReceiveJsonOptions extends Patience {
  /** Which frames to take; both unless given. */
  mode?: JsonMode
}

export interface PairOptions<Type extends ValueType = ValueType> extends ReceiveOptions<Type> {
  /** Receives first, then sends. */
  receiveFirst?: boolean
}

/**
 * One side of a connection: what a session on the server and a client have in common.
 *
 * `Receive` and `Send` are what `receive()` returns and `send()` takes without a type; `ReceiveJson` and `SendJson`
 * are what stands for JSON. Every verb rejects with `WebSocketDisconnect` once the connection is gone. A verb that
 * rejects without being awaited does not end the process.
 */
export interface WebSocketChannel<Receive = string, Send = any, ReceiveJson = any, SendJson = any> extends AsyncIterable<Receive> {
  readonly state: WebSocketState
  /** The negotiated subprotocol, or `''`. */
  readonly protocol: string
  /** Bytes that have not yet been handed to the kernel. */
  readonly bufferedAmount: number
  /** Resolves when the connection has ended, whoever ended it; never rejects. */
  readonly closed: Promise<CloseInfo>
  /** Aborted when the connection is gone, its reason a `WebSocketDisconnect`. What a listener on it throws is logged. */
  readonly signal: AbortSignal

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait to be written, else when they
   * have drained: until then bytes are not to be changed. Rejects with `WebSocketEncodeError`, nothing sent, for a value
   * that does not fit.
   */
  send (data: Send, options?: { type?: undefined }): Promise<void>
  send<Type extends ValueType> (data: Sendable<SendJson>[Type], options: Type | { type: Type }): Promise<void>
  sendText (data: string): Promise<void>
  sendBytes (data: Sendable['bytes']): Promise<void>
  /** Sends JSON, in a text frame unless `mode` is `'bytes'`. */
  sendJson (data: SendJson, options?: { mode?: JsonMode }): Promise<void>

  /**
   * Takes the next message. Rejects with `WebSocketDecodeError` or `WebSocketValidationError` for a message that does
   * not fit (that message is taken, the session goes on), and with `WebSocketTimeoutError` or the signal's reason.
   */
  receive (options?: Patience & { type?: undefined }): Promise<Receive>
  receive<Type extends ValueType> (type: Type): Promise<Received<ReceiveJson>[Type]>
  receive<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): Promise<Received<ReceiveJson>[Type]>
  receiveText (options?: Patience): Promise<string>
  receiveBytes (options?: Patience): Promise<Buffer>
  receiveJson (options?: ReceiveJsonOptions): Promise<ReceiveJson>

  /** Sends `message`, then receives one and returns it; the other way round with `receiveFirst`. */
  pair (message: Send, options?: PairOptions & { type?: undefined }): Promise<Receive>
  pair<Type extends ValueType> (message: Send, options: PairOptions<Type> & { type: Type }): Promise<Received<ReceiveJson>[Type]>

  /** Receives one message of `message`'s type and discards it. Rejects with `WebSocketExpectError` unless the two are equal. */
  expect (message: unknown, options?: Patience): Promise<void>

  /**
   * Iterates over messages, which are received as `receive` does with the same options: `timeout` is how long it waits for
   * each. Ends after a normal closure (1000, 1001, 1005); throws `WebSocketDisconnect` after any other, and what `receive`
   * rejects with.
   */
  messages (options?: Patience & { type?: undefined }): AsyncIterableIterator<Receive>
  messages<Type extends ValueType> (type: Type): AsyncIterableIterator<Received<ReceiveJson>[Type]>
  messages<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): AsyncIterableIterator<Received<ReceiveJson>[Type]>

  /** The next event of the raw level: neither decoded nor validated. */
  receiveEvent (): Promise<IncomingEvent>
  sendEvent (event: OutgoingEvent): Promise<void>

  /** Resolves with the round trip in milliseconds. */
  ping (): Promise<number>

  /**
   * Starts the closing handshake and resolves when the connection has ended, forced after `closeTimeout`. Idempotent.
   * `null` sends a close frame without a code, of which the peer is told as 1005. Default: 1000.
   * Rejects with `RangeError` for a code that may not be sent, and with `WebSocketOptionError` for a reason without a code;
   * the reason is cut to 123 bytes (RFC 6455, section 5.5).
   */
  close (code?: number | null, reason?: string): Promise<void>

  /** Drops the connection at once. */
  terminate (): void

  /** Closes, so that `await using` works. */
  [Symbol.asyncDispose] (): Promise<void>
}

export interface AcceptOptions {
  /** One that the client offers; the first of the route's `subprotocols` that it offers unless given. */
  subprotocol?: string | null
  /** Headers of the 101 response; arrays for repeated ones. */
  headers?: HeadersLike
}

/** What a handler holds. */
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
  /** Those that the client offers, in its order. A list of its own each time. */
  readonly subprotocols: string[]
  /** The underlying `ws` socket; null before `accept`. What a listener on it throws is as if it had left the handler. */
  readonly raw: RawWebSocket | null
  readonly topics: ReadonlySet<string>
  /** How many published messages were dropped for this session (`slowSubscriber: 'skip'`). */
  readonly skipped: number

  /**
   * Completes the handshake: `onSend` hooks run, then 101 is answered with their headers and those of `options`. Resolves
   * with the session itself when messages can flow. Rejects with `WebSocketHandshakeError` after a first `accept` or a
   * refusal, when the client has left, for a subprotocol that it did not offer, for headers that cannot be sent, and where
   * hooks have made it another response (`cause`: what one has failed with).
   */
  accept (options?: AcceptOptions): Promise<this>

  /**
   * Refuses the handshake with an HTTP response, through Fastify's reply. Resolves when it has been sent.
   * `statusCode` is 403 unless given, and from 200 to 599.
   */
  deny (statusCode?: number, payload?: unknown, headers?: HeadersLike): Promise<void>

  /**
   * With a broker, resolves when that has confirmed it; while the broker is down, at once. Rejects with `WebSocketTopicError`
   * for what cannot be a topic, and with `WebSocketBrokerError`, to no effect, where the broker refuses.
   */
  subscribe (topic: string): Promise<void>
  unsubscribe (topic: string): Promise<void>
  /**
   * Sends `message` to every subscriber of `topic` but this session; encoded once, with the route's `sendType` or `type`.
   * Waits for no subscriber: resolves at once, once in 32 KiB in the next turn of the event loop. With a broker, resolves
   * when that has taken it, and rejects with `WebSocketBrokerError` where it has reached the subscribers in this process only.
   */
  publish (topic: string, message: Send, options?: { type?: undefined }): Promise<void>
  publish<Type extends ValueType> (topic: string, message: Sendable<SendJson>[Type], options: Type | { type: Type }): Promise<void>
}

/** What `connect` and `injectWebSocket` resolve with. */
export interface WebSocketClient<Receive = string, Send = any> extends WebSocketChannel<Receive, Send> {
  /** The headers of the response to the handshake. */
  readonly headers: Record<string, string | string[] | undefined>
  /** The underlying `ws` socket. */
  readonly raw: RawWebSocket
}

/** What `'resync'` tells: the broker was down, and is up again. */
export interface ResyncEvent {
  /** The topics that sessions of this process have subscribed to: they may have missed messages of other processes. */
  topics: string[]
}

/** `app.websockets`: the open sessions. */
export interface WebSocketSessions extends EventEmitter, Iterable<WebSocketSession<any>> {
  readonly size: number
  /** Whether what is published reaches other processes. `'up'` without a broker. */
  readonly brokerState: 'up' | 'down'
  has (session: WebSocketSession<any, any, any, any, any>): boolean
  /** The sessions of this process that have subscribed to `topic`. */
  subscribers (topic: string): ReadonlySet<WebSocketSession<any>>
  /**
   * Sends `message` to all subscribers of `topic`: strings, bytes, or anything else as JSON, unless a `type` is given.
   * Resolves and rejects as that of a session does.
   */
  publish<Message = unknown> (topic: string, message: Message, options?: { type?: ValueType }): Promise<void>
  /** The broker is up again after it was down, and all topics are subscribed to. What a listener throws is logged. */
  on (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  on (event: string | symbol, listener: (...args: any[]) => void): this
  once (event: 'resync', listener: (event: ResyncEvent) => unknown): this
  once (event: string | symbol, listener: (...args: any[]) => void): this
}
