import { HTTP2_SERVERS } from './http2-servers'
import type { ClientHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyServerOptions } from 'fastify'

/*
 * The tests of this process run over HTTP/1.1, or over the transport that the variable TRANSPORT names: apps then have a server that
 * speaks HTTP/2 only, and the clients of the helpers, `connect` and `injectWebSocket` open their connections over HTTP/2. A helper
 * that has no meaning over HTTP/2, such as the bytes of an upgrade request, throws.
 */

const SERVERS: Record<string, FastifyServerOptions> = { http2: HTTP2_SERVERS['in the clear'], 'http2-tls': HTTP2_SERVERS['with TLS'] }

const name = process.env.TRANSPORT ?? 'http1'

/** The options of the servers of apps; undefined over HTTP/1.1. */
export const http2Server: FastifyServerOptions | undefined = SERVERS[name]

/** The status with which a server accepts a handshake. */
export const ACCEPTED = http2Server === undefined ? 101 : 200

/** The status that a client gets for a refusal with `status`. Over HTTP/2, a status from 200 to 299 would accept. */
export function refusedWith (status: number): number {
  return http2Server !== undefined && status >= 200 && status < 300 ? 403 : status
}

/** The event of a server that gets a handshake. */
export const HANDSHAKE_EVENT = http2Server === undefined ? 'upgrade' : 'connect'

/** The header `Connection` of an answer after which the server ends the connection. HTTP/2 does not have it. */
export const CONNECTION_CLOSE = http2Server === undefined ? 'close' : undefined

/** Whether the servers of apps have TLS. */
export const IS_SECURE = name === 'http2-tls'

/** The bytes that were read of the connection that carries `stream`, as over HTTP/2 also those of its frames. */
export function bytesReadOf (stream: Duplex): number {
  const { socket } = (stream as ClientHttp2Stream).session ?? { socket: stream as Socket }
  return socket.bytesRead
}

/** The URL of a server of an app as clients have to call it. */
export function urlOver (url: string): string {
  return IS_SECURE ? url.replace(/^(ws|http):/, '$1s:') : url
}

/** Throws unless the tests run over HTTP/1.1. `what` names what HTTP/2 does not have. */
export function http1Only (what: string): void {
  if (http2Server !== undefined) throw new Error(`HTTP/2 does not have this: ${what}`)
}

if (http2Server !== undefined) {
  // Apps have such a server, unless a test says which server. This module has to be loaded before the test imports Fastify.
  const fastify = require('fastify')
  const create = (own: object = {}): unknown => fastify('http2' in own ? own : { ...http2Server, ...own })
  require.cache[require.resolve('fastify')]!.exports = Object.assign(create, fastify, { default: create, fastify: create })
  // The clients of the package connect over HTTP/2, unless a test says how to connect.
  const options = require('../../lib/client/client-options')
  const target = require('../../lib/client/target')
  const { connectSettings, injectSettings } = options
  const { targetIn } = target
  options.connectSettings = (own: unknown) => connectSettings(withDefaults({ http2: true, rejectUnauthorized: false }, own))
  options.injectSettings = (own: unknown) => injectSettings(withDefaults({ http2: true }, own))
  target.targetIn = (url: string) => targetIn(urlOver(url))
}

/** Adds `defaults` to the options of a client. Leaves what are no options as they are. */
function withDefaults (defaults: object, own: unknown): unknown {
  try {
    return own === undefined || Object.getPrototypeOf(own) === Object.prototype ? { ...defaults, ...own as object } : own
  } catch {
    return own // the package has to find out
  }
}
