import type { Agent as HttpAgent } from 'node:http'
import type { ConnectionOptions } from 'node:tls'
import type { Received, Sendable, ValueType } from './message'
import type { WebSocketClient } from './session'

/** What a client is connected with, by `connect` or by `app.injectWebSocket`. */
interface ClientOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType> {
  /** Headers of the upgrade request. */
  headers?: Record<string, string | number | readonly string[] | undefined>
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
  /** As in `ws`. Default: false. */
  perMessageDeflate?: boolean | object
}

/** The options of TLS that `connect` hands to Node, which documents them with `tls.connect` and `tls.createSecureContext`. */
type TlsOptions = Pick<ConnectionOptions,
  'rejectUnauthorized' | 'servername' | 'checkServerIdentity' | 'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'crl' | 'ciphers' | 'sigalgs' |
  'ecdhCurve' | 'minVersion' | 'maxVersion' | 'secureProtocol' | 'secureOptions'>

/** The options of `connect`. */
export interface ConnectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends ClientOptions<Value, Receive, Send>, TlsOptions {
  /** Milliseconds. Default: 10 s. */
  handshakeTimeout?: number
  /** When it aborts before the handshake is complete, `connect` rejects with its reason. A connection that is open it leaves alone. */
  signal?: AbortSignal
  /** Makes the connection, as for `http.request`: one of `node:https` for `wss:`. Default: none, a connection of its own. */
  agent?: HttpAgent | false
}

/** The options of `app.injectWebSocket`. */
export interface InjectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends ClientOptions<Value, Receive, Send> {
  /** Parameters of the URL; they replace those of the same name in it. */
  query?: string | Record<string, string | number | boolean | readonly (string | number | boolean)[] | undefined>
  cookies?: Record<string, string | undefined>
  /** The address that the request comes from (`request.ip`). Default: 127.0.0.1. */
  remoteAddress?: string
}

/**
 * Opens a connection to `url` (`ws:`, `wss:`, `http:` or `https:`). Resolves when the handshake is complete; messages
 * are kept from the first. Rejects with `WebSocketUpgradeError` when the server refuses (`statusCode`, `responseHeaders`,
 * `body`) or cannot be reached (`cause`), with the reason of `signal`, and with `WebSocketOptionError` for wrong options.
 */
export type Connect = <V extends ValueType = never, R extends ValueType = [V] extends [never] ? 'text' : V, S extends ValueType = [V] extends [never] ? 'any' : V>(
  url: string | URL, options?: ConnectOptions<V, R, S>
) => Promise<WebSocketClient<Received[R], Sendable[S]>>

/** `app.injectWebSocket`. */
export type InjectWebSocket = <V extends ValueType = never, R extends ValueType = [V] extends [never] ? 'text' : V, S extends ValueType = [V] extends [never] ? 'any' : V>(
  url: string, options?: InjectOptions<V, R, S>
) => Promise<WebSocketClient<Received[R], Sendable[S]>>
