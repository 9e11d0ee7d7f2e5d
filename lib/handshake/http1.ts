import { IncomingMessage, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { WebSocketHandshakeError } from '../base/errors'
import { acceptKey } from '../protocol/accept-key'
import { abort } from './answered'
import type { Socket } from 'node:net'
import type { HandshakeKind } from './kind'

/** RFC 6455, section 4.1: the key is 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

const EMPTY = Buffer.alloc(0)

const { writeHead } = ServerResponse.prototype

/** The handshake of HTTP/1.1: the request upgrades its connection, which is the stream (RFC 6455, section 4.2). */
export const http1: HandshakeKind = {
  status: 101,
  isMultiplexed: false,

  check (request) {
    const { headers, method, httpVersion } = request
    if (method !== 'GET' || httpVersion !== '1.1') {
      throw new WebSocketHandshakeError('a WebSocket handshake is a GET request of HTTP/1.1', { statusCode: 400 })
    }
    // Node does not require `Host` in upgrade requests. Requests of `injectWS` of @fastify/websocket are no `IncomingMessage`
    // and need no `Host`.
    if (headers.host === undefined && request instanceof IncomingMessage) {
      throw new WebSocketHandshakeError('Host is missing', { statusCode: 400 })
    }
    if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Key is missing or invalid', { statusCode: 400 })
    }
  },

  prepare (response, stream, onResponded) {
    response.shouldKeepAlive = false // no further request can follow on this connection
    response.on(isInjected(stream) ? 'prefinish' : 'finish', onResponded)
    response.on('newListener', forwardDrains)
  },

  accept ({ headers }, stream, pairs) {
    let head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${acceptKey(headers['sec-websocket-key']!)}\r\n`
    for (const [name, value] of pairs) head += `${name}: ${value}\r\n`
    stream.write(`${head}\r\n`, 'latin1') // as Node writes headers
  },

  acceptRaw (server, request, _response, stream, then) {
    server.handleUpgrade(request, stream, EMPTY, then)
  },

  /** A response with a listener for 'close' stays attached, and emits 'close' with the connection. */
  detach (response, stream, onResponded) {
    response.removeListener('finish', onResponded)
    if (response.listenerCount('close') === 0) response.detachSocket(stream as Socket)
    return response.listenerCount('finish') === 0 ? null : response
  },

  writeRefusal (response, status, rest) {
    writeHead.call(response, status, ...rest as [])
    return status
  },

  abort
}

/**
 * Whether `stream` comes from `injectWS` of @fastify/websocket. A stream of `injectWS` does not close by itself when both sides
 * have ended, and Node does not learn when a response has been written to it.
 */
export function isInjected (stream: Duplex): boolean {
  return !(stream instanceof Duplex)
}

/**
 * Emits 'drain' on the response when the connection drains. Node has removed its own listener from a connection that asks for an
 * upgrade. Without a listener, the writer of a response that exceeds the buffer of the connection would wait for 'drain' for ever.
 * All responses share this function.
 */
function forwardDrains (this: ServerResponse, event: string | symbol): void {
  if (event !== 'drain') return
  this.removeListener('newListener', forwardDrains)
  this.socket?.on('drain', () => this.emit('drain'))
}
