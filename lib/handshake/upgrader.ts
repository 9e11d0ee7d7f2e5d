import { WebSocketHandshakeError } from '../base/errors'
import { messageOf } from '../base/show'
import { Compression } from '../protocol/compression'
import { acceptOffer } from '../protocol/extension'
import { Handshake, offeredBy } from './handshake'
import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import type { HeaderPairs } from './headers'
import type { HandshakeResponse } from './kind'
import type { RawWebSocket } from '../../types/raw'

/** The options of the connections of a route: `maxPayload` in bytes. */
export interface UpgraderOptions {
  maxPayload: number
  perMessageDeflate: boolean | object
}

/** What the server answers to the extensions that a client offers. */
export interface Negotiation {
  /** The value of Sec-WebSocket-Extensions; undefined without an extension. */
  extensions?: string
  compression: Compression | null
}

const NO_COMPRESSION: Negotiation = { compression: null }

/**
 * Agrees on compression. `header`: the value of Sec-WebSocket-Extensions in the request, if any. Throws `WebSocketHandshakeError`
 * with status 400 for an offer that cannot be read.
 */
export function acceptCompression (header: string | undefined, perMessageDeflate: boolean | object, maxPayload: number): Negotiation {
  if (header === undefined || perMessageDeflate === false) return NO_COMPRESSION
  const options = perMessageDeflate === true ? {} : perMessageDeflate
  try {
    const accepted = acceptOffer(header, options)
    if (accepted === null) return NO_COMPRESSION
    return { extensions: accepted.response, compression: new Compression(accepted.agreement, true, options, maxPayload) }
  } catch (error) {
    throw new WebSocketHandshakeError(messageOf(error), { statusCode: 400, cause: error })
  }
}

/**
 * Writes the response that accepts `request` (RFC 6455, section 4.2.2) with the decided subprotocol and headers. A refusal with a
 * connection decides no subprotocol. It takes the first offered one: without one, a browser fails the connection by itself.
 * `extensions`: the value of Sec-WebSocket-Extensions, if any. Returns the subprotocol, or null if the client has left.
 */
export function switchProtocols (request: IncomingMessage, extensions?: string): string | null {
  const handshake = Handshake.of(request)!
  const { stream, protocol = offeredBy(request)[0] ?? '' } = handshake
  if (!stream.readable || !stream.writable) {
    stream.destroy()
    return null
  }
  const headers: HeaderPairs = []
  if (protocol !== '') headers.push(['Sec-WebSocket-Protocol', protocol])
  if (extensions !== undefined) headers.push(['Sec-WebSocket-Extensions', extensions])
  headers.push(...handshake.headers)
  handshake.kind.accept(request, stream, headers)
  return protocol
}

/** The options of `WebSocketServer` for `options`. */
export function serverOptions ({ maxPayload, perMessageDeflate, closeTimeout }: UpgraderOptions & { closeTimeout: number }): object {
  return { maxPayload, perMessageDeflate, closeTimeout }
}

/**
 * Completes the handshake of a route with `raw: true` through `app.websocketServer`, as @fastify/websocket does. The server has
 * the `options` of the route only during the call, since other routes have other values.
 */
export function upgradeRaw (server: WebSocketServer, request: IncomingMessage, response: HandshakeResponse, options: UpgraderOptions, then: (raw: RawWebSocket) => void): void {
  const handshake = Handshake.of(request)!
  const { maxPayload, perMessageDeflate } = server.options
  const ofRoute = { maxPayload: options.maxPayload, perMessageDeflate: options.perMessageDeflate as boolean }
  Object.assign(server.options, ofRoute)
  try {
    handshake.kind.acceptRaw(server, request, response, handshake.stream, (raw) => {
      handshake.complete(true)
      server.emit('connection', raw, request)
      then(raw)
    })
  } finally {
    Object.assign(server.options, { maxPayload, perMessageDeflate })
  }
}
