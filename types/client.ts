import type { Agent as HttpAgent } from 'node:http'
import type { ConnectionOptions } from 'node:tls'
import type { Received, Sendable, ValueType } from './message'
import type { WebSocketClient } from './session'
import type { ClientReceive, ClientSend, TypedRoute } from './typed-route'
import type { TypeName } from './value'

/** A client with the message types that its options name. */
type ClientAs<V extends ValueType, R extends ValueType, S extends ValueType> =
  WebSocketClient<Received[TypeName<R, V, false, 'text'>], Sendable[TypeName<S, V, false, 'any'>]>

/** A client with the message types of a route. */
type ClientOf<Route extends TypedRoute> = WebSocketClient<ClientReceive<Route, Buffer>, ClientSend<Route>>

/** The options that `connect` and `app.injectWebSocket` share. */
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
  /** The milliseconds that a `receive` without a `timeout` waits. Default: no limit; 5 s with `injectWebSocket`. */
  receiveTimeout?: number
  /** The largest message in bytes. A larger one closes the connection with 1009. Default: 1 MiB. */
  maxPayload?: number
  /** The client pauses its socket when more bytes than this are received and not taken. Default: 64 KiB. */
  receiveHighWaterMark?: number
  /** `send` waits when at least so many bytes wait to be written. Default: 64 KiB. */
  sendHighWaterMark?: number
  /** Milliseconds. When `send` waits and the server drains nothing for so long, the client drops the connection. Default: 30 s. */
  sendTimeout?: number
  /** The milliseconds after which a closing handshake is forced to its end. Default: 5 s. */
  closeTimeout?: number
  /** Whether messages are compressed, or the options of `ws` for compression. Default: false. */
  perMessageDeflate?: boolean | object
  /** Whether the connection is a stream of HTTP/2 (RFC 8441), which the server has to offer. Default: false, HTTP/1.1. */
  http2?: boolean
}

/** The TLS options that `connect` passes to Node. Node documents them at `tls.connect` and `tls.createSecureContext`. */
type TlsOptions = Pick<ConnectionOptions,
  'rejectUnauthorized' | 'servername' | 'checkServerIdentity' | 'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'crl' | 'ciphers' | 'sigalgs' |
  'ecdhCurve' | 'minVersion' | 'maxVersion' | 'secureProtocol' | 'secureOptions'>

/** The options of `connect`. */
export interface ConnectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends ClientOptions<Value, Receive, Send>, TlsOptions {
  /** The milliseconds that the server has to answer the handshake. Default: 10 s. */
  handshakeTimeout?: number
  /** When the signal aborts before the handshake is complete, `connect` rejects with its reason. An open connection stays open. */
  signal?: AbortSignal
  /** The agent that makes the connection, as for `http.request`. `wss:` needs an agent of `node:https`. Default: no agent. */
  agent?: HttpAgent | false
}

/** The options of `app.injectWebSocket`. */
export interface InjectOptions<Value extends ValueType = ValueType, Receive extends ValueType = ValueType, Send extends ValueType = ValueType>
  extends ClientOptions<Value, Receive, Send> {
  /** Query parameters. They replace the parameters of the same name in the URL. */
  query?: string | Record<string, string | number | boolean | readonly (string | number | boolean)[] | undefined>
  /** Cookies, added to the `cookie` header. */
  cookies?: Record<string, string | undefined>
  /** The client's address (`request.ip`). Default: 127.0.0.1. */
  remoteAddress?: string
}

/**
 * Opens a connection to `url` (`ws:`, `wss:`, `http:` or `https:`). Resolves when the handshake is complete; the client
 * keeps messages from the first one on. Rejects
 *
 * - with `WebSocketUpgradeError` if the server refuses (`statusCode`, `responseHeaders`, `body`) or cannot be reached (`cause`),
 * - with the reason of `signal` if the signal aborts first,
 * - with `WebSocketOptionError` for a wrong option.
 *
 * `connect<typeof route>` types the messages by a route of `defineWebSocket`.
 */
export interface Connect {
  <V extends ValueType, R extends ValueType, S extends ValueType>(url: string | URL, options?: ConnectOptions<V, R, S>): Promise<ClientAs<V, R, S>>
  <Route extends TypedRoute>(url: string | URL, options?: ConnectOptions): Promise<ClientOf<Route>>
}

/** `app.injectWebSocket`: opens a connection to the app without a port. `injectWebSocket<typeof route>` types the messages like `Connect`. */
export interface InjectWebSocket {
  <V extends ValueType, R extends ValueType, S extends ValueType>(url: string, options?: InjectOptions<V, R, S>): Promise<ClientAs<V, R, S>>
  <Route extends TypedRoute>(url: string, options?: InjectOptions): Promise<ClientOf<Route>>
}
