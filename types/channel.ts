import type { CloseInfo, JsonMode, ReceivedAs, Sendable, ValueType } from './value'

declare global {
  interface SymbolConstructor {
    /** For programs without `"lib": ["esnext.disposable"]`. */
    readonly asyncDispose: unique symbol
  }
}

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
 * One side of a connection. A session on the server, a client in Node and a client in a browser share these members.
 *
 * Type parameters: `receive()` without a type returns `Receive`, `send()` without a type takes `Send`. JSON messages have
 * the types `ReceiveJson` and `SendJson`, and received bytes the type `OwnBytes`.
 *
 * Every verb rejects with `WebSocketDisconnect` once the connection is gone. A rejected verb does not end the process,
 * even if nothing awaits the promise.
 */
export interface PlatformChannel<Receive, Send, ReceiveJson, SendJson, OwnBytes> extends AsyncIterable<Receive> {
  readonly state: WebSocketState
  /** The negotiated subprotocol, or `''`. */
  readonly protocol: string
  /** The bytes that have not yet been handed to the kernel. */
  readonly bufferedAmount: number
  /** Resolves when the connection has ended, whichever side ended it. Never rejects. */
  readonly closed: Promise<CloseInfo>
  /**
   * Aborts when the connection is gone. The reason is a `WebSocketDisconnect`. An error that a listener throws is
   * logged by a session and by a client in Node. The client for browsers leaves the error to the platform.
   */
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
  receive<Type extends ValueType> (type: Type): Promise<ReceivedAs<ReceiveJson, OwnBytes>[Type]>
  receive<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): Promise<ReceivedAs<ReceiveJson, OwnBytes>[Type]>
  receiveText (options?: Patience): Promise<string>
  receiveBytes (options?: Patience): Promise<OwnBytes>
  receiveJson (options?: ReceiveJsonOptions): Promise<ReceiveJson>

  /** Sends `message`, then receives one message and returns it. With `receiveFirst`, receives before sending. */
  pair (message: Send, options?: PairOptions & { type?: undefined }): Promise<Receive>
  pair<Type extends ValueType> (message: Send, options: PairOptions<Type> & { type: Type }): Promise<ReceivedAs<ReceiveJson, OwnBytes>[Type]>

  /** Receives one message of the type of `message` and discards it. Rejects with `WebSocketExpectError` unless both are equal. */
  expect (message: unknown, options?: Patience): Promise<void>

  /**
   * Iterates over messages. Each is received like `receive` with the same options: `timeout` limits the wait for each
   * message, and the iteration throws what `receive` rejects with. The iteration ends after a normal closure (1000, 1001,
   * 1005) and throws `WebSocketDisconnect` after any other end.
   */
  messages (options?: Patience & { type?: undefined }): AsyncIterableIterator<Receive>
  messages<Type extends ValueType> (type: Type): AsyncIterableIterator<ReceivedAs<ReceiveJson, OwnBytes>[Type]>
  messages<Type extends ValueType> (options: ReceiveOptions<Type> & { type: Type }): AsyncIterableIterator<ReceivedAs<ReceiveJson, OwnBytes>[Type]>

  /**
   * Starts the closing handshake. Resolves when the connection has ended; the end is forced after `closeTimeout`. Idempotent.
   * `code` is 1000 by default; `null` sends a close frame without a code, which the peer sees as 1005. `reason` is cut to
   * 123 bytes (RFC 6455, section 5.5). Rejects with `RangeError` for a code that may not be sent, and with
   * `WebSocketOptionError` for a reason without a code.
   */
  close (code?: number | null, reason?: string): Promise<void>

  /** Closes the connection, for `await using`. */
  [Symbol.asyncDispose] (): Promise<void>
}
