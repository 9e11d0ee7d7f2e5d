import { Duplex } from 'node:stream'
import { defined } from '../base/checks'
import { nextTurn } from '../base/clock'
import { WebSocketOptionError, WebSocketUpgradeError } from '../base/errors'
import { show } from '../base/show'
import { open, type Client } from './client'
import { checkUrl, injectSettings } from './client-options'
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { ConnectOptions, InjectOptions } from '../../types/client'

type Written = (error?: Error | null) => void

/**
 * One end of a connection within the process: what one end writes, the other reads, no faster than it does. As with a
 * socket, what there is room for is on its way when `write` returns, and arrives even if this end is destroyed then.
 */
class InjectedStream extends Duplex {
  peer!: InjectedStream
  /** What Node's HTTP server reads of a socket. */
  readonly remoteAddress: string
  readonly remotePort = 0
  readonly encrypted: boolean
  /** What Node's HTTP/2 server reads of a socket that may be one of HTTP/1.1. */
  readonly alpnProtocol = 'http/1.1'
  server: object | null = null
  /** As of a socket. */
  bytesRead = 0
  /** Bytes that have been written and have not arrived. */
  #underWay = 0
  /** A write for which there is no room yet: others wait behind it. */
  #waiting: Written | null = null

  constructor (remoteAddress: string, encrypted: boolean) {
    super()
    this.remoteAddress = remoteAddress
    this.encrypted = encrypted
  }

  // This end has room for more, except for what is still to arrive.
  override _read (): void {
    if (this.peer.#underWay === 0) this.peer.#goOn()
  }

  // What was corked leaves as one, as from a socket, and as a copy: both ends are one memory here, and `ws` unmasks in
  // place what it reads.
  override _writev (writes: { chunk: Buffer }[], callback: Written): void {
    const chunk = Buffer.concat(writes.map(({ chunk }) => chunk))
    this.#waiting = callback
    this.#underWay += chunk.length
    nextTurn(() => this.#deliver(chunk))
    this.#goOnIfRoomy()
  }

  override _final (callback: Written): void {
    nextTurn(() => {
      this.#deliverEnd()
      callback()
    })
  }

  // As with a socket, the other end reads what was written before, then finds the end; what it writes fails.
  override _destroy (error: Error | null, callback: Written): void {
    nextTurn(() => this.#deliverEnd())
    callback(error)
  }

  // In a turn of its own, as over a network: no end is given an answer before its `write` has returned.
  #deliver (chunk: Buffer): void {
    const { peer } = this
    this.#underWay -= chunk.length
    if (peer.destroyed) {
      this.destroy(brokenPipe())
      return
    }
    peer.bytesRead += chunk.length
    peer.push(chunk)
    this.#goOnIfRoomy()
  }

  #deliverEnd (): void {
    const { peer } = this
    if (!peer.destroyed) peer.push(null)
    if (!this.destroyed) return
    this.#goOn(brokenPipe())
    peer.#goOn(brokenPipe())
  }

  #goOnIfRoomy (): void {
    const { readableLength, readableHighWaterMark } = this.peer
    if (this.#underWay + readableLength < readableHighWaterMark) this.#goOn()
  }

  #goOn (error?: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.(error)
  }
}

/** Both ends of a connection: that of a client, who is seen to come from `remoteAddress`, and that of the server. */
export function connectStreams (remoteAddress: string, encrypted: boolean): [near: InjectedStream, far: InjectedStream] {
  const near = new InjectedStream('127.0.0.1', encrypted)
  const far = new InjectedStream(remoteAddress, encrypted)
  near.peer = far
  far.peer = near
  return [near, far]
}

/** Gives `server` the stream of a connection, whose other end fails where that server takes nothing but HTTP/2. */
function enter (server: Server, stream: InjectedStream): void {
  const refuse = (): void => {
    nextTurn(() => stream.peer.destroy(new WebSocketUpgradeError('the server takes HTTP/2 only: with the option https: { allowHTTP1: true } of Fastify it takes HTTP/1.1 as well')))
  }
  stream.server = server
  server.once('unknownProtocol', refuse)
  server.emit(stream.encrypted ? 'secureConnection' : 'connection', stream)
  server.removeListener('unknownProtocol', refuse)
}

function brokenPipe (): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
}

/**
 * Opens a connection to `url`, a path of the app, without a port: through the HTTP server of the app, all of its hooks
 * and the whole protocol, over a stream within the process.
 */
export async function injectWebSocket (app: FastifyInstance, clients: Set<Pick<Client, 'terminate'>>, path: unknown, options?: InjectOptions): Promise<Client> {
  const { query = {}, cookies = {}, remoteAddress = '127.0.0.1', ...settings } = injectSettings(options)
  const secure = 'setSecureContext' in app.server // an https server takes streams that have been decrypted already
  const url = target(checkUrl('injectWebSocket', path), query, secure)
  const headers = withCookies(settings.headers ?? {}, cookies)
  await app.ready()

  const client = await open(url, { ...settings, headers }, () => {
    const [near, far] = connectStreams(remoteAddress, secure)
    enter(app.server, far)
    return near
  })
  clients.add(client)
  client.closed.then(() => clients.delete(client))
  return client
}

/** The URL of `path`; parameters in `query` take the place of those of the same name, as with `app.inject`. */
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
