import { responseOn, whenAnswered } from '../handshake/answered'
import type { Server } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/*
 * A server of Node that closes ends the connections that are idle and waits for all others. One on which half a request
 * has come, or nothing yet, is no idle one, and nothing limits its time any more once the server has begun to close: a
 * client that never sends the rest would keep the app from closing, and the process from ending.
 */

const kNext = Symbol('fastify-async-websocket.next')
const kPrevious = Symbol('fastify-async-websocket.previous')

/** What is in a list, and the list itself: a ring. V8's `Set` would keep what has left it for a while. */
interface Link {
  [kNext]?: Link | null
  [kPrevious]?: Link | null
}

interface Listed extends Link {
  on (event: 'close', listener: (this: Link) => void): unknown
  removeListener (event: 'close', listener: (this: Link) => void): unknown
}

/** Connections that have not ended. */
class List<T extends Listed> implements Link {
  [kNext]: Link = this;
  [kPrevious]: Link = this

  /** Puts `item` at the end, unless it is in a list, until it has closed. */
  add (item: T): void {
    if (item[kNext] != null) return
    item[kPrevious] = this[kPrevious]
    item[kNext] = this
    this[kPrevious][kNext] = item
    this[kPrevious] = item
    item.on('close', unlink)
  }

  /** The newest first; the one that is looked at may be taken out meanwhile. */
  * [Symbol.iterator] (): Iterator<T> {
    let item = this[kPrevious]
    while (item !== this) {
      const next = item[kPrevious]!
      yield item as T
      item = next
    }
  }
}

/** Takes a connection, or a session of HTTP/2, out of its list: it has been upgraded, and is not the server's any more. */
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

/** The connections of a server on which requests come. Those that have been upgraded, by whomever, are none of them. */
export class IncompleteRequests {
  readonly #server: Server
  /** Over TLS: those whose handshake is not complete. */
  readonly #beginning = new List<Socket>()
  readonly #connections = new List<Socket>()
  readonly #sessions = new List<ServerHttp2Session>()
  readonly #timeout: number
  #timer?: NodeJS.Timeout
  #isClosing = false
  readonly #listeners: Record<string, (...args: any[]) => void>
  readonly #restoreClose: () => void

  /** `timeout`: how long the rest of a body is waited for when the server closes, in milliseconds. */
  constructor (server: Server, timeout: number) {
    this.#server = server
    this.#timeout = timeout
    this.#listeners = this.#createListeners()
    for (const [event, listener] of Object.entries(this.#listeners)) {
      if (event !== 'connect' || server.listenerCount('connect') > 0) server.prependListener(event, listener)
    }
    this.#restoreClose = onceClosing(server, () => this.#close())
  }

  /** Leaves the server as if there had never been such a list. */
  stop (): void {
    for (const [event, listener] of Object.entries(this.#listeners)) this.#server.removeListener(event, listener)
    this.#restoreClose()
    clearTimeout(this.#timer)
    for (const list of [this.#beginning, this.#connections, this.#sessions]) {
      for (const item of list) release(item)
    }
  }

  #createListeners (): Record<string, (...args: any[]) => void> {
    const server = this.#server
    const isHttp2 = 'updateSettings' in server
    const session = (session: ServerHttp2Session): void => this.#sessions.add(session)
    const connect = (_request: unknown, socket: Socket): void => {
      release(socket)
      if (server.listenerCount('connect') === 1) socket.destroy() // as Node does where nobody listens
    }
    // One for `connect` where nobody else has any would change what Node does.
    const newListener = (event: string, listener: unknown): void => {
      if (event === 'connect' && listener !== connect && !server.listeners('connect').includes(connect)) server.prependListener('connect', connect)
    }
    const listeners = { ...isHttp2 && { session }, connect, newListener }
    if ('setSecureContext' in server) {
      // Those of a Unix socket have no addresses by which to tell them apart.
      const connection = (socket: Socket): void => { if (socket.remotePort !== undefined) this.#add(this.#beginning, socket) }
      return { ...listeners, connection, secureConnection: (socket: TLSSocket) => this.#secured(socket) }
    }
    return { ...listeners, ...!isHttp2 && { connection: (socket: Socket) => this.#add(this.#connections, socket) } }
  }

  #add (list: List<Socket>, socket: Socket): void {
    if (this.#isClosing) socket.destroy()
    else list.add(socket)
  }

  /** The TLS handshake is complete: `socket` stands for the connection from now on. Nothing public tells which one it was. */
  #secured (socket: TLSSocket): void {
    for (const raw of this.#beginning) {
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
    for (const socket of this.#beginning) socket.destroy()
    for (const session of this.#sessions) session.close() // which ends it when its requests have been answered
    for (const socket of this.#connections) {
      whenAnswered(socket, () => { if (isListed(socket)) socket.destroy() })
    }
    this.#timer ??= setTimeout(() => this.#drop(), this.#timeout)
  }

  /** A request whose body has not come to its end yet is not waited for any longer. */
  #drop (): void {
    for (const socket of this.#connections) {
      if (responseOn(socket)?.req.complete === false) socket.destroy()
    }
  }
}

function isListed (item: Listed & Link): boolean {
  return item[kNext] != null
}

/** Has `then` called as soon as `server.close` has been. Returns a function that undoes it. */
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
    if (server.close !== closing) return // somebody else has put another in its place, which calls this one
    if (own === undefined) delete (server as { close?: unknown }).close
    else server.close = close
  }
}
