import { openHttp2 } from './http2'
import { openTcp } from './tcp'
import { HTTP2_SERVERS } from '../helpers/http2-servers'
import type { Duplex } from 'node:stream'
import type { FastifyServerOptions } from 'fastify'

/** The server's answer to a handshake. */
export interface Answer {
  /** The status, if the server has refused the handshake. */
  refusal?: number
  /** The value of Sec-WebSocket-Extensions. */
  extensions: string
  /** The bytes behind the handshake. A server that does not end its side in order makes it fail. */
  stream: Duplex
}

/** Opens WebSocket connections to one server. */
export interface Client {
  /**
   * Sends a handshake. Throws `ProtocolViolation` for an invalid response. `offer` is the value of Sec-WebSocket-Extensions.
   * `deadline` destroys the stream.
   */
  open (path: string, offer: string | undefined, deadline: AbortSignal): Promise<Answer>
  close (): void
}

/** What WebSocket connections are made of. */
export interface Transport {
  name: string
  /** The options of Fastify for a server. */
  server: FastifyServerOptions
  /** Makes a client of the server on this port of 127.0.0.1. */
  connect (port: number): Promise<Client>
}

export const TRANSPORTS: readonly Transport[] = [
  { name: 'TCP', server: {}, connect: openTcp },
  { name: 'HTTP/2 in the clear', server: HTTP2_SERVERS['in the clear'], connect: (port) => openHttp2(`http://127.0.0.1:${port}`) },
  { name: 'HTTP/2 with TLS', server: HTTP2_SERVERS['with TLS'], connect: (port) => openHttp2(`https://127.0.0.1:${port}`) }
]
