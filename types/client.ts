import type { Received, Sendable, ValueType } from './message'
import type { WebSocketClient } from './session'

/** The options of `connect`. */
export interface ConnectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Headers of the upgrade request. */
  headers?: Record<string, string | string[] | undefined>
  /** Subprotocols to offer, in order of preference. */
  subprotocols?: string[]
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: Value
  /** Default: `'text'`. */
  receiveType?: Receive
  /** Default: `'any'`. */
  sendType?: Send
  /** Milliseconds that a `receive` waits unless it is given a `timeout`. Default: no limit; 5 s with `injectWebSocket`. */
  receiveTimeout?: number
  /** Bytes. Default: 1 MiB. */
  maxPayload?: number
  /** Bytes. Default: 64 KiB. */
  receiveHighWaterMark?: number
  /** Bytes. Default: 64 KiB. */
  sendHighWaterMark?: number
  /** Milliseconds. Default: 30 s. */
  sendTimeout?: number
  /** Milliseconds. Default: 5 s. */
  closeTimeout?: number
  /** Milliseconds. Default: 10 s. */
  handshakeTimeout?: number
  /** As in `ws`. Default: false. */
  perMessageDeflate?: boolean | object
}

/** The options of `app.injectWebSocket`. */
export interface InjectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends Omit<ConnectOptions<Value, Receive, Send>, 'handshakeTimeout'> {
  /** Parameters of the URL; they replace those of the same name in it. */
  query?: string | Record<string, string | number | boolean | readonly (string | number | boolean)[]>
  cookies?: Record<string, string>
  /** The address that the request comes from (`request.ip`). Default: 127.0.0.1. */
  remoteAddress?: string
}

/**
 * Opens a connection to `url` (`ws:`, `wss:`, `http:` or `https:`). Resolves when the handshake is complete; messages
 * are kept from the first. Rejects with `WebSocketUpgradeError` when the server refuses (`statusCode`, `headers`,
 * `body`) or cannot be reached (`cause`).
 */
export type Connect = <V extends ValueType = never, R extends ValueType = [V] extends [never] ? 'text' : V, S extends ValueType = [V] extends [never] ? 'any' : V>(
  url: string | URL, options?: ConnectOptions<V, R, S>
) => Promise<WebSocketClient<Received[R], Sendable[S]>>

/** `app.injectWebSocket`. */
export type InjectWebSocket = <V extends ValueType = never, R extends ValueType = [V] extends [never] ? 'text' : V, S extends ValueType = [V] extends [never] ? 'any' : V>(
  url: string, options?: InjectOptions<V, R, S>
) => Promise<WebSocketClient<Received[R], Sendable[S]>>
