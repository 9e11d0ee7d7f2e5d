import { validateHeaderName, validateHeaderValue, type IncomingMessage, type ServerResponse } from 'node:http'
import { WebSocketHandshakeError } from './errors'
import { Deferred } from './promise'
import { Watch } from './watch'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { End } from './end'
import type { HeadersLike } from '../types/message'

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/

/** RFC 6455, section 4.1: the key is 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** What belongs to the handshake itself, or would change how the response is read (RFC 9110, sections 7.6.1 and 8.6). */
const RESERVED = /^(?:connection|upgrade|keep-alive|trailer|transfer-encoding|content-length|sec-websocket-.*)$/i

/** How long a client may go on sending after it has been refused, in milliseconds. */
const LINGER = 1_000

const kHandshake = Symbol('fastify-async-websocket.handshake')

interface UpgradeRequest extends IncomingMessage { [kHandshake]?: Handshake }

export type HeaderPairs = [name: string, value: string][]

const NONE: HeaderPairs = []

/** Whose handshake it is. */
export interface HandshakeOwner {
  /** It has ended without having been completed: the client has left, or has been refused, perhaps with a connection, whose end is given then. */
  over (end?: End): void
  /** The server does not wait any longer for it to be decided. */
  turnAway (error: Error): void
}

/** A handshake that is not complete: it watches the client, and knows what it asked for. */
export class Handshake {
  readonly stream: Duplex
  /** Whether the client has left before it was answered. */
  gone = false
  owner: HandshakeOwner | null = null
  /** Whether the request is what RFC 6455, section 4.2.1, asks for. */
  isSound = false
  /** Whether it has been decided that it is not to be completed. */
  isRefused = false
  /** What the 101 response says; undefined until it has been decided. */
  protocol: string | undefined
  headers: HeaderPairs = NONE
  readonly #request: UpgradeRequest
  readonly #pending: Set<Handshake>
  #isOver = false
  #over: Deferred<void> | null = null
  #watch: Watch | null = null
  #isDropping = false
  #linger?: NodeJS.Timeout

  /** The handshake of an upgrade request; `undefined` for any other request. */
  static of (request: UpgradeRequest): Handshake | undefined {
    return request[kHandshake]
  }

  /** `pending`: where it is from when it is watched until it is over. */
  constructor (request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>) {
    this.#request = request
    this.#pending = pending
    this.stream = stream
    request[kHandshake] = this
  }

  /** Resolves when the handshake is over: completed or refused, or the client has left. */
  get over (): Promise<void> {
    this.#over ??= new Deferred()
    return this.#over.promise
  }

  /** Whether the request asks for the WebSocket protocol, and not for another one. */
  get isWebSocket (): boolean {
    return this.#request.headers.upgrade?.toLowerCase() === 'websocket'
  }

  /** The subprotocols that the client offers, in its order of preference. */
  get offered (): string[] {
    return this.#request.headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? []
  }

  /** Throws `WebSocketHandshakeError` with status 400 or 426 unless the request is what RFC 6455, section 4.2.1, asks for. */
  check (): void {
    const { headers, method, httpVersion } = this.#request
    // `injectWS` of @fastify/websocket gives a number.
    if (String(headers['sec-websocket-version']) !== '13') {
      throw new WebSocketHandshakeError('Sec-WebSocket-Version is not 13', { statusCode: 426 })
    }
    if (method !== 'GET' || httpVersion === '1.0') {
      throw new WebSocketHandshakeError('a WebSocket handshake is a GET request of HTTP/1.1', { statusCode: 400 })
    }
    if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Key is missing or invalid', { statusCode: 400 })
    }
    const { offered } = this
    if (offered.some((protocol, i) => !TOKEN.test(protocol) || offered.includes(protocol, i + 1))) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Protocol is invalid', { statusCode: 400 })
    }
    this.isSound = true
  }

  /**
   * Decides what the 101 response says: `subprotocol`, or the first of `supported` that the client offers.
   * Throws `WebSocketHandshakeError` for a subprotocol that was not offered and for headers that cannot be sent.
   */
  decide (subprotocol: string | null | undefined, supported: readonly string[], headers: HeadersLike | undefined): void {
    const { offered } = this
    if (subprotocol != null && !offered.includes(subprotocol)) {
      const offer = offered.length === 0 ? 'none' : offered.join(', ')
      throw new WebSocketHandshakeError(`accept: the client did not offer the subprotocol '${subprotocol}' (it offers ${offer})`)
    }
    this.headers = headerPairs(headers)
    this.protocol = subprotocol ?? supported.find((protocol) => offered.includes(protocol)) ?? ''
  }

  /** It takes its time: the client is watched until it is over. */
  watch (): void {
    if (this.#isOver) return
    if (this.stream.destroyed) return this.#leave()
    this.#pending.add(this)
    this.#watch = new Watch(this.stream, () => this.#leave())
    if (this.#isDropping) this.#watch.drop()
  }

  /** It is over for the client, whose stream is left as if nobody had read it. */
  release (): void {
    this.#settle()
    this.#watch?.giveBack()
  }

  /**
   * The handshake is complete: from here on nothing keeps it or `response`, which has not been used. Who listens to the
   * end of a response is still told of the connection's.
   */
  complete (response: ServerResponse): void {
    this.#request[kHandshake] = undefined
    if (response.listenerCount('close') === 0) response.detachSocket(this.stream as Socket)
  }

  /** It is not to be completed: a client that leaves from now on has not left too early. */
  refuse (): void {
    this.isRefused = true
  }

  /** What the client has sent, and goes on sending, is of no use: it does not stand in the way of a response. */
  drop (): void {
    this.#isDropping = true
    this.#watch?.drop()
    this.stream.resume()
  }

  /**
   * The response has been sent: ends the connection. What the client goes on sending is read, and dropped, for a while:
   * to close with bytes unread would take from it what it has not yet read of the response (RFC 9112, section 9.6).
   */
  end (): void {
    this.refuse()
    this.drop()
    this.stream.end()
    this.#linger = setTimeout(() => this.stream.destroy(), LINGER)
    this.#over?.resolve()
    this.owner?.over()
  }

  #leave (): void {
    this.#settle()
    this.#watch?.end()
    clearTimeout(this.#linger)
    this.gone = !this.isRefused
    this.owner?.over()
  }

  #settle (): void {
    this.#isOver = true
    this.#pending.delete(this)
    this.#over?.resolve()
  }
}

/**
 * Header names and values as pairs, one for each line.
 * Throws `WebSocketHandshakeError` for what would break out of a header, and for what belongs to the handshake itself.
 */
export function headerPairs (headers: HeadersLike | undefined): HeaderPairs {
  if (headers === undefined) return NONE
  const entries = Symbol.iterator in headers ? [...headers as Iterable<readonly [unknown, unknown]>] : Object.entries(headers)
  return entries.flatMap(([name, value]) => {
    const values = Array.isArray(value) ? value : [value]
    return values.filter((v) => v !== undefined).map((v) => headerPair(text(name), text(v)))
  })
}

// ASGI gives names and values as bytes.
function text (value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}

function headerPair (name: string, value: string): HeaderPairs[number] {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch (error) {
    throw new WebSocketHandshakeError(`invalid header ${JSON.stringify(name)}: ${(error as Error).message}`, { cause: error })
  }
  if (RESERVED.test(name)) throw new WebSocketHandshakeError(`the header '${name}' belongs to the handshake and cannot be set`)
  return [name, value]
}
