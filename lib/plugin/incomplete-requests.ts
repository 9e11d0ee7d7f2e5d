import { constants } from 'node:http2'
import { destroyAfterLinger } from '../base/linger'
import { responseOn, whenAnswered } from '../handshake/answered'
import { hasOtherConnects, ownListener } from './other-listeners'
import type { IncomingMessage, Server } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/*
 * A server of Node that closes ends idle connections and waits for all others. A connection with half a request, or without any
 * bytes yet, is not idle, and has no time limit any more once the server has begun to close. A client that never sends the rest
 * would keep the app from closing, and the process from ending.
 */

const kNext = Symbol('fastify-async-websocket.next')
const kPrevious = Symbol('fastify-async-websocket.previous')

/** An entry of a list, and the list itself. They form a ring. V8's `Set` would keep removed entries for a while. */
interface Link {
  [kNext]?: Link | null
  [kPrevious]?: Link | null
}

interface Listed extends Link {
  on (event: 'close', listener: (this: Link) => void): unknown
  removeListener (event: 'close', listener: (this: Link) => void): unknown
}

/** A list of connections, or of HTTP/2 sessions, that have not ended. */
class List<T extends Listed> implements Link {
  [kNext]: Link = this;
  [kPrevious]: Link = this

  /** Adds `item` at the end, unless it is in a list. The item leaves the list when it closes. */
  add (item: T): void {
    if (item[kNext] != null) return
    item[kPrevious] = this[kPrevious]
    item[kNext] = this
    this[kPrevious][kNext] = item
    this[kPrevious] = item
    item.on('close', unlink)
  }

  /** Yields the newest item first. The caller may remove the current item. */
  * [Symbol.iterator] (): Iterator<T> {
    let item = this[kPrevious]
    while (item !== this) {
      const next = item[kPrevious]!
      yield item as T
      item = next
    }
  }
}

/** Removes a connection, or an HTTP/2 session, from its list. A connection that has been upgraded no longer belongs to the server. */
export function release (item: Listed): void {
  unlink.call(item)
  item.removeListener('close', unlink)
}

function unlink (this: Link): void {
  const { [kPrevious]: previous, [kNext]: next } = this
  if (previous == null || next == null) return
  previous[kNext] = next
  next[kPrevious] = previous
  this[kPrevious] = this[kNext] = null
}

/** Ends the connections of a server that would keep the server from closing. Upgraded connections are not among them. */
export class IncompleteRequests {
  readonly #server: Server
  /** The connections whose TLS handshake is not complete. */
  readonly #inTlsHandshake = new List<Socket>()
  readonly #connections = new List<Socket>()
  readonly #sessions = new List<ServerHttp2Session>()
  /** The requests of HTTP/2, without those that ask for a connection. */
  readonly #streams = new List<ServerHttp2Stream>()
  /** The requests of HTTP/2 that ask for a connection, until the connection has ended. */
  readonly #tunnels = new List<ServerHttp2Stream>()
  /** The connection of each session, which the session forgets before it ends. */
  readonly #sockets = new WeakMap<ServerHttp2Session, Socket>()
  readonly #timeout: number
  #timer?: NodeJS.Timeout
  #isClosing = false
  readonly #listeners: Record<string, (...args: any[]) => void>
  readonly #restoreClose: () => void

  /** `timeout`: the milliseconds for which a server that closes waits for the rest of a body. */
  constructor (server: Server, timeout: number) {
    this.#server = server
    this.#timeout = timeout
    this.#listeners = this.#createListeners()
    for (const [event, listener] of Object.entries(this.#listeners)) {
      if (event !== 'connect' || server.listenerCount('connect') > 0) server.prependListener(event, listener)
    }
    this.#restoreClose = onceClosing(server, () => this.#close())
  }

  /** Removes all listeners from the server, and restores its `close`. */
  stop (): void {
    for (const [event, listener] of Object.entries(this.#listeners)) this.#server.removeListener(event, listener)
    this.#restoreClose()
    clearInterval(this.#timer)
    for (const list of [this.#inTlsHandshake, this.#connections, this.#sessions, this.#streams, this.#tunnels]) {
      for (const item of list) release(item)
    }
  }

  #createListeners (): Record<string, (...args: any[]) => void> {
    const server = this.#server
    const isHttp2 = 'updateSettings' in server
    const session = (session: ServerHttp2Session): void => {
      this.#sessions.add(session)
      this.#sockets.set(session, session.socket.off('close', unlink) as Socket) // `session.socket` is a proxy; `off` returns the socket itself
    }
    const stream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
      (headers[':method'] === 'CONNECT' ? this.#tunnels : this.#streams).add(stream)
    }
    const connect = ownListener((request: IncomingMessage, socket: Socket): void => {
      if (request.httpVersionMajor === 2) return
      release(socket)
      if (!hasOtherConnects(server)) socket.destroy() // as Node does without a listener
    })
    // Without a listener for 'connect', Node closes the connection of a CONNECT request. So this listener comes only beside
    // another one.
    const newListener = (event: string, listener: unknown): void => {
      if (event === 'connect' && listener !== connect && !server.listeners('connect').includes(connect)) server.prependListener('connect', connect)
    }
    const listeners = { ...isHttp2 && { session, stream }, connect, newListener }
    if ('setSecureContext' in server) {
      // The connections of a Unix socket have no addresses to distinguish them.
      const connection = (socket: Socket): void => { if (socket.remotePort !== undefined) this.#add(this.#inTlsHandshake, socket) }
      return { ...listeners, connection, secureConnection: (socket: TLSSocket) => this.#secured(socket) }
    }
    return { ...listeners, ...!isHttp2 && { connection: (socket: Socket) => this.#add(this.#connections, socket) } }
  }

  #add (list: List<Socket>, socket: Socket): void {
    if (this.#isClosing) socket.destroy()
    else list.add(socket)
  }

  /** The TLS handshake is complete, and `socket` replaces the raw connection. No public API tells which raw connection it was. */
  #secured (socket: TLSSocket): void {
    for (const raw of this.#inTlsHandshake) {
      if (raw.remotePort === socket.remotePort && raw.remoteAddress === socket.remoteAddress) {
        release(raw)
        break
      }
    }
    if (socket.alpnProtocol !== 'h2') this.#add(this.#connections, socket)
  }

  /** The server has begun to close. */
  #close (): void {
    this.#isClosing = true
    for (const socket of this.#inTlsHandshake) socket.destroy()
    const busy = this.#busySessions()
    for (const session of this.#sessions) {
      session.close() // the session ends when its requests have been answered
      if (!busy.has(session)) session.destroy() // `close` alone would wait for the rest of a HEADERS frame
      const socket = this.#sockets.get(session)!
      if (socket.writableFinished) destroyAfterLinger.call(socket) // the session had ended before
      else socket.once('finish', destroyAfterLinger)
    }
    for (const socket of this.#connections) {
      whenAnswered(socket, () => { if (isListed(socket)) socket.destroy() })
    }
    this.#timer ??= setInterval(() => this.#drop(), this.#timeout) // again and again: a session may end later, too
  }

  /** The sessions with a stream. Node tells of a stream when its headers are complete. */
  #busySessions (): Set<unknown> {
    return new Set([...this.#streams, ...this.#tunnels].map(({ session }) => session))
  }

  /** Stops waiting for requests whose headers or body are incomplete, and for clients that do not read the rest of a session. */
  #drop (): void {
    for (const socket of this.#connections) {
      if (responseOn(socket)?.req.complete === false) socket.destroy()
    }
    for (const stream of this.#streams) {
      if (SENDING.includes(stream.state.state!)) stream.close(constants.NGHTTP2_CANCEL)
    }
    const busy = this.#busySessions()
    for (const session of this.#sessions) {
      if (!busy.has(session)) this.#sockets.get(session)!.destroy()
    }
  }
}

/** The states of a stream whose client has not sent the end of its request. */
const SENDING: number[] = [constants.NGHTTP2_STREAM_STATE_OPEN, constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL]

function isListed (item: Listed & Link): boolean {
  return item[kNext] != null
}

/** Calls `then` after `server.close`. Returns a function that undoes this. */
function onceClosing (server: Server, then: () => void): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'close')
  const { close } = server
  const closing: Server['close'] = function (this: Server, ...args) {
    const result = close.apply(this, args)
    then()
    return result
  }
  server.close = closing
  return () => {
    if (server.close !== closing) return // another module has replaced `close`, and its function calls this one
    if (own === undefined) delete (server as { close?: unknown }).close
    else server.close = close
  }
}
