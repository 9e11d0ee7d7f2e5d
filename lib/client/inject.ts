import { defined } from '../base/checks'
import { nextTurn } from '../base/clock'
import { WebSocketOptionError, WebSocketUpgradeError } from '../base/errors'
import { show } from '../base/show'
import { open, type Client } from './client'
import { checkUrl, injectSettings } from './client-options'
import { connectStreams, type InjectedStream } from './duplex-pair'
import type { Server } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { FastifyInstance } from 'fastify'
import type { ConnectOptions, InjectOptions } from '../../types/client'

/** Gives `stream` to `server` as a new connection. If the server takes HTTP/2 only, the other end of a stream of HTTP/1.1 fails. */
function connectTo (server: Server, stream: InjectedStream): void {
  const refuse = (): void => {
    nextTurn(() => stream.peer.destroy(new WebSocketUpgradeError('the server takes HTTP/2 only: inject with { http2: true }, or with the option https: { allowHTTP1: true } of Fastify, the server takes HTTP/1.1 as well')))
  }
  const describe = (session: ServerHttp2Session): void => describeSocket(session, stream)
  stream.server = server
  server.once('unknownProtocol', refuse)
  server.once('session', describe)
  server.emit(stream.encrypted ? 'secureConnection' : 'connection', stream)
  server.removeListener('unknownProtocol', refuse)
  server.removeListener('session', describe)
}

/**
 * Node gives an HTTP/2 session over a stream a socket of its own, which knows nothing of the stream. `session.socket` is a proxy;
 * `off` returns the socket itself.
 */
function describeSocket (session: ServerHttp2Session, { remoteAddress, remotePort, encrypted }: InjectedStream): void {
  const properties = Object.entries({ remoteAddress, remotePort, encrypted }).map(([name, value]) => [name, { value }])
  Object.defineProperties(session.socket.off('close', () => {}), Object.fromEntries(properties))
}

/**
 * Opens a connection to `path`, a path of the app, without a port. The connection is a stream within the process. It passes
 * through the HTTP server of the app, all of the app's hooks and the whole protocol.
 */
export async function injectWebSocket (app: FastifyInstance, clients: Set<Pick<Client, 'closed' | 'terminate'>>, path: unknown, options?: InjectOptions): Promise<Client> {
  const { query = {}, cookies = {}, remoteAddress = '127.0.0.1', ...settings } = injectSettings(options)
  if (settings.http2 === true && !('updateSettings' in app.server)) throw new WebSocketOptionError('option http2 of injectWebSocket is true, but the server does not speak HTTP/2: use Fastify({ http2: true })')
  const secure = 'setSecureContext' in app.server // the stream enters an https server as one that is already decrypted
  const url = target(checkUrl('injectWebSocket', path), query, secure)
  const headers = withCookies(settings.headers ?? {}, cookies)
  await app.ready()

  const client = await open(url, { ...settings, headers }, () => {
    const [near, far] = connectStreams(remoteAddress, secure, settings.http2 === true ? 'h2' : 'http/1.1')
    connectTo(app.server, far)
    return near
  })
  clients.add(client)
  client.closed.then(() => clients.delete(client))
  return client
}

/** Returns the URL of `path`. A parameter in `query` replaces the parameters of its name in `path`, as in `app.inject`. */
function target (path: string, query: NonNullable<InjectOptions['query']>, secure: boolean): string {
  const base = `${secure ? 'wss' : 'ws'}://localhost`
  const whole = path.startsWith('/') ? base + path : path
  if (!URL.canParse(whole, base)) throw new WebSocketOptionError(`the URL of injectWebSocket is ${show(path)}: use a path of the app`)
  const url = new URL(whole, base)
  const parameters = typeof query === 'string' ? new URLSearchParams(query) : Object.entries(defined(query))
  for (const [name] of parameters) url.searchParams.delete(name)
  for (const [name, values] of parameters) {
    for (const value of [values].flat()) url.searchParams.append(name, String(value))
  }
  return url.href
}

function withCookies (headers: NonNullable<ConnectOptions['headers']>, cookies: NonNullable<InjectOptions['cookies']>): ConnectOptions['headers'] {
  const pairs = Object.entries(defined(cookies)).map(([name, value]) => `${name}=${encodeURIComponent(value!)}`)
  const result = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  if (pairs.length > 0) result.cookie = [result.cookie ?? [], pairs].flat().join('; ')
  return result
}
