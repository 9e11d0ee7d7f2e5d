import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import type { HeaderPairs } from './headers'
import type { RawWebSocket } from '../../types/raw'

/** The request of a handshake, by the type that Fastify has for it. Over HTTP/2 it is an `Http2ServerRequest`. */
export type HandshakeRequest = IncomingMessage

/** The response to a handshake, by the type that Fastify has for it. Over HTTP/2 it is an `Http2ServerResponse`. */
export type HandshakeResponse = ServerResponse

/** The end of a request whose handshake is complete. */
export interface RequestEnd {
  /** Calls the listeners to 'finish' of the response, with which Fastify runs onResponse hooks and logs. */
  emit (event: 'finish'): unknown
}

/**
 * A kind of opening handshake: how a request asks for a WebSocket connection, and how a response opens or refuses it. HTTP/1.1
 * upgrades its connection (RFC 6455, section 4.2). HTTP/2 makes a stream of it the connection (RFC 8441).
 */
export interface HandshakeKind {
  /** The status of the response that completes the handshake. */
  readonly status: 101 | 200
  /**
   * Whether the stream shares its network connection with others. A stream that is destroyed then takes with it what has been written
   * and has not left, which a socket has in the kernel.
   */
  readonly isMultiplexed: boolean
  /** Throws `WebSocketHandshakeError` with status 400 unless `request` asks for a connection as this kind has to. */
  check (request: HandshakeRequest): void
  /** Prepares `response` to answer on `stream`. `onResponded` is called, with `response` as `this`, when it has been written. */
  prepare (response: HandshakeResponse, stream: Duplex, onResponded: (this: HandshakeResponse) => void): void
  /** Writes the response that completes the handshake, with `headers`. `stream` is the connection from then on. */
  accept (request: HandshakeRequest, stream: Duplex, headers: HeaderPairs): void
  /**
   * Completes the handshake of a route with `raw: true` with the options of `server`, which are those of the route, as
   * `server.handleUpgrade` does. An invalid offer of extensions is answered with 400.
   */
  acceptRaw (server: WebSocketServer, request: HandshakeRequest, response: HandshakeResponse, stream: Duplex, then: (raw: RawWebSocket) => void): void
  /** Detaches `response` from the connection, since the handshake is complete. Returns null if nobody waits for 'finish'. */
  detach (response: HandshakeResponse, stream: Duplex, onResponded: (this: HandshakeResponse) => void): RequestEnd | null
  /** Writes the head of a response that refuses the handshake. The arguments are those of `writeHead`. Returns the status that is sent. */
  writeRefusal (response: HandshakeResponse, status: number, rest: unknown[]): number
  /** Tells the listeners of `request` that its client has left before a response. */
  abort (request: HandshakeRequest): void
}
