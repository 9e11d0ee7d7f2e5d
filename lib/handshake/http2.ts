import { WebSocketHandshakeError } from '../base/errors'
import { destroyAfterLinger } from '../base/linger'
import { endWhenReset } from '../protocol/http2-stream'
import { http1 } from './http1'
import { upgradeStream } from './raw-upgrade'
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { HeaderPairs } from './headers'
import type { HandshakeKind, HandshakeResponse } from './kind'

/**
 * Headers that belong to a connection, which HTTP/2 does not have (RFC 9113, section 8.2.2), and for which Node throws. The answer to
 * a key has no meaning either (RFC 8441, section 5).
 */
const OF_CONNECTION = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings|te|sec-websocket-accept)$/i

/** The status of a refusal whose own status would open the connection. */
const FORBIDDEN = 403

/** The status that a refusal with `status` is sent with. A status from 200 to 299 would open the connection (RFC 8441, section 5). */
const refusalStatus = (status: number): number => status >= 200 && status < 300 ? FORBIDDEN : status

/** The handshake of HTTP/2: an extended CONNECT request, whose stream is the connection (RFC 8441, section 5). */
export const http2: HandshakeKind = {
  status: 200,
  isMultiplexed: true,

  check ({ headers }) {
    // A request that has passed a proxy may have `Host` in place of `:authority` (RFC 9113, section 8.3.1).
    if (!headers[':authority'] && headers.host === undefined) {
      throw new WebSocketHandshakeError('the pseudo-header :authority is missing', { statusCode: 400 })
    }
  },

  // The response itself emits 'finish' only when the stream has closed. The stream emits it also when the client's connection has gone.
  prepare (response, stream, onResponded) {
    endWhenReset(stream)
    stream.on('finish', () => { if (response.headersSent) onResponded.call(response) })
  },

  accept (request, stream, headers) {
    respond(stream as ServerHttp2Stream, headers)
    // A client that resets an open connection does not abort its request, as over HTTP/1.1: the request has been answered.
    Object.defineProperty(request, 'aborted', { value: false })
  },

  acceptRaw (server, request, response, stream, then) {
    upgradeStream(server, request, stream, ({ status, headers, body }) => {
      if (status !== http1.status) return refuse(stream as ServerHttp2Stream, status, headers, body)
      this.accept(request, stream, headers)
      this.detach(response, stream, () => {}) // without an end: as over HTTP/1.1, onResponse hooks of raw routes do not run
    }, then)
  },

  detach (response) {
    const listeners = response.rawListeners('finish')
    response.removeAllListeners('finish') // the stream emits it when it has closed, which may be before the session is over
    Object.assign(response, SILENT)
    return listeners.length === 0 ? null : { emit: () => listeners.forEach((listener) => listener.call(response)) }
  },

  writeRefusal (response, status, rest) {
    for (const name of response.getHeaderNames().filter(isOfConnection)) response.removeHeader(name)
    const headers = Object.entries(rest.at(-1) ?? {}).filter(([name]) => !isOfConnection(name))
    const { writeHead } = Object.getPrototypeOf(response) as HandshakeResponse
    const sent = refusalStatus(status)
    writeHead.call(response, sent, Object.fromEntries(headers) as OutgoingHttpHeaders)
    return sent
  },

  /** Node does it. */
  abort () {}
}

/** The methods of a response that would write to the connection. */
const SILENT: Partial<HandshakeResponse> = {
  writeHead () { return this as never },
  write: () => true,
  end () { return this as never },
  destroy () { return this as never }
}

function isOfConnection (name: string): boolean {
  return OF_CONNECTION.test(name)
}

/**
 * Opens the connection. When the server has ended its side, it waits for the client to do the same. Firefox often does not. A reset that
 * comes at once would hide a clean close from Chromium.
 */
function respond (stream: ServerHttp2Stream, pairs: HeaderPairs): void {
  stream.respond(headersOf(http2.status, pairs))
  stream.on('finish', destroyAfterLinger)
}

/** Refuses the handshake of a route with `raw: true`. A client that does not take the body would keep the stream. */
function refuse (stream: ServerHttp2Stream, status: number, pairs: HeaderPairs, body: string): void {
  stream.respond(headersOf(refusalStatus(status), pairs))
  stream.end(body)
  destroyAfterLinger.call(stream)
}

/** Values of one name become one value, except for cookies (RFC 9110, section 5.3). */
function headersOf (status: number, pairs: HeaderPairs): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.assign(Object.create(null), { ':status': status }) // a header may be called `constructor`
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    if (isOfConnection(key)) continue
    const before = headers[key] as string[] | string | undefined
    if (key === 'set-cookie') headers[key] = [before ?? [], value].flat()
    else headers[key] = before === undefined ? value : `${before as string}, ${value}`
  }
  return headers
}
