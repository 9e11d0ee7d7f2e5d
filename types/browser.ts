import type { PlatformChannel } from './channel'
import type { ClientReceive, ClientSend, TypedRoute } from './typed-route'
import type { CloseInfo, ReceivedAs, Sendable, TypeName, ValueType } from './value'

/** Bytes that a page receives. */
type OwnBytes = Uint8Array<ArrayBuffer>
type Received = ReceivedAs<any, OwnBytes>

/** The client's side of a connection, over the platform's own `WebSocket`. */
export interface WebSocketClient<Receive = string, Send = any> extends PlatformChannel<Receive, Send, any, any, OwnBytes> {}

/** A client with the message types that its options name. */
type ClientAs<V extends ValueType, R extends ValueType, S extends ValueType> =
  WebSocketClient<Received[TypeName<R, V, false, 'text'>], Sendable[TypeName<S, V, false, 'any'>]>

/** A client with the message types of a route. */
type ClientOf<Route extends TypedRoute> = WebSocketClient<ClientReceive<Route, OwnBytes>, ClientSend<Route>>

/** The options of `connect`. */
export interface ConnectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Subprotocols to offer, in order of preference. */
  subprotocols?: readonly string[]
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: Value
  /** Default: `'text'`. */
  receiveType?: Receive
  /** Default: `'any'`. */
  sendType?: Send
  /** The milliseconds that a `receive` without a `timeout` waits. Default: no limit. */
  receiveTimeout?: number
  /** The milliseconds that the connection has to open. Default: 10 s. */
  connectTimeout?: number
  /** Bytes. `send` waits while more are buffered. Default: 64 KiB. */
  sendHighWaterMark?: number
  /**
   * Bytes. When more are received and not taken, the client closes the connection with 4008: a page cannot make the server wait.
   * Default: 1 MiB.
   */
  receiveLimit?: number
  /** When the signal aborts before the connection is open, `connect` rejects with its reason. An open connection stays open. */
  signal?: AbortSignal
}

/**
 * Opens a connection to `url`, which is relative to the page, or absolute (`ws:`, `wss:`, `http:` or `https:`). Resolves when the
 * connection is open; the client keeps messages from the first one on. Rejects
 *
 * - with `WebSocketUpgradeError` if the server refuses or cannot be reached (the platform does not tell which),
 * - with `WebSocketTimeoutError` after `connectTimeout`,
 * - with the reason of `signal` if the signal aborts first,
 * - with `WebSocketOptionError` for a wrong option or URL.
 *
 * `connect<typeof route>` types the messages by a route of `defineWebSocket`.
 */
export interface Connect {
  <V extends ValueType, R extends ValueType, S extends ValueType>(url: string | URL, options?: ConnectOptions<V, R, S>): Promise<ClientAs<V, R, S>>
  <Route extends TypedRoute>(url: string | URL, options?: ConnectOptions): Promise<ClientOf<Route>>
}

/** What `reconnect` is doing: it opens a connection, has one, waits before the next attempt, or has ended. */
export type ReconnectStatus = 'connecting' | 'open' | 'waiting' | 'ended'

/** The details of the status `'waiting'`. */
export interface ReconnectDetails {
  /** Milliseconds before the next attempt. The attempt comes earlier when the network or the page comes back. */
  delay: number
  /** Why the last connection ended or did not open: a `WebSocketDisconnect`, or the error of `connect` or of `url`. */
  why: unknown
}

/** The options of `reconnect`. */
export interface ReconnectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends Omit<ConnectOptions<Value, Receive, Send>, 'subprotocols'> {
  /** Subprotocols to offer, or a function that is asked for them before every attempt. */
  subprotocols?: readonly string[] | (() => readonly string[] | Promise<readonly string[]>)
  /** The milliseconds that an iteration waits for a message. Then the server counts as gone, and the next connection follows. Default: no limit. */
  receiveTimeout?: number
  /** Milliseconds. A wait before an attempt is a random time, at first from 0 to `baseDelay`. Each wait doubles this bound, up to `maxDelay`. Default: 500 ms. */
  baseDelay?: number
  /** Milliseconds. Default: 30 s. */
  maxDelay?: number
  /** Milliseconds. A connection that lasted so long sets the delay back. Default: 5 s. */
  stableAfter?: number
  /**
   * How many attempts in a row may fail before the loop throws the last error. An attempt whose connection ends before `stableAfter`
   * has failed. Default: `Infinity`.
   */
  attempts?: number
  /**
   * Whether another attempt may succeed after this end. A connection that did not open has the code 1006. The loop ends after 1000
   * without asking. Default: not after 1002, 1003, 1007 to 1010, and 4400 to 4499 except 4408, 4425 and 4429.
   */
  retry?: (info: CloseInfo) => boolean
  /** Is told each change. `details` come with `'waiting'`. */
  onStatus?: (status: ReconnectStatus, details?: ReconnectDetails) => void
  /** When the signal aborts, the connection is closed, and the loop throws the signal's reason. */
  signal?: AbortSignal
  /**
   * Keeps the last position of each topic in the messages that the page has taken: JSON with the texts `topic` and `position`, as a
   * session that has subscribed with `positions` gets them. The function `url` gets the positions. Default: false.
   */
  resume?: boolean
}

/** Where a page stands: what `url` gets before every attempt. */
export interface Resumption {
  /** The last position of each topic, over all connections of the loop. Empty at first, and without `resume`. */
  positions: Record<string, string>
}

/** A URL, or a function that is asked for it before every attempt, so that a token in it is fresh. */
export type ReconnectUrl = string | URL | ((resumption: Resumption) => string | URL | Promise<string | URL>)

/**
 * Returns an async iterable of clients, one at a time: the next one when the last has ended. The iteration of a client ends without
 * an error at every end. The loop ends after the close code 1000. It throws
 *
 * - `WebSocketDisconnect` after a close code that `retry` refuses,
 * - the error of the last attempt after `attempts`,
 * - the reason of `signal`,
 * - `WebSocketOptionError` for a wrong option or URL.
 *
 * Leaving the loop closes the connection.
 */
export interface Reconnect {
  <V extends ValueType, R extends ValueType, S extends ValueType>(
    url: ReconnectUrl, options?: ReconnectOptions<V, R, S>
  ): AsyncGenerator<ClientAs<V, R, S>, void, undefined>
  <Route extends TypedRoute>(url: ReconnectUrl, options?: ReconnectOptions): AsyncGenerator<ClientOf<Route>, void, undefined>
}
