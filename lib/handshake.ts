import { validateHeaderName, validateHeaderValue, type IncomingMessage, type ServerResponse } from 'node:http'
import { WebSocketHandshakeError } from './errors'
import { Deferred } from './promise'
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

/** How much of what a client sends too early is kept, in bytes; beyond that the socket is paused. */
const MAX_EARLY_BYTES = 64 * 1024

/** How long a client may go on sending after it has been refused, in milliseconds. */
const LINGER = 1_000

const kHandshake = Symbol('fastify-async-websocket.handshake')

interface UpgradeRequest extends IncomingMessage { [kHandshake]?: Handshake }

export type HeaderPairs = [name: string, value: string][]

const NONE: HeaderPairs = []

/** A handshake that is not complete: it watches the client, and knows what it asked for. */
export class Handshake {
  readonly stream: Duplex
  /** Whether the client has left before it was answered. */
  gone = false
  /**
   * Called when it ends without having been completed: the client has left, or it has been refused with a response, or
   * with a connection, whose end is given then.
   */
  onOver: ((end?: End) => void) | null = null
  /** Whether the request is what RFC 6455, section 4.2.1, asks for. */
  isSound = false
  /** Whether it has been decided that it is not to be completed. */
  isRefused = false
  /** What the 101 response says; undefined until it has been decided. */
  protocol: string | undefined
  headers: HeaderPairs = NONE
  readonly #request: UpgradeRequest
  readonly #pending: Set<Handshake>
  #early: Buffer[] | null = null
  #earlyBytes = 0
  #over: Deferred<void> | null = null
  #isWatching = false
  #isDropping = false
  #linger?: NodeJS.Timeout
  readonly #onData = (chunk: Buffer): void => this.#keep(chunk)
  readonly #onEnd = (): void => { this.stream.destroy() } // who has ended its side cannot take part in a closing handshake
  readonly #onClose = (): void => this.#leave()

  /** The handshake of an upgrade request; `undefined` for any other request. */
  static of (request: UpgradeRequest): Handshake | undefined {
    return request[kHandshake]
  }

  /**
   * Watches the client until the handshake is over, when it leaves `pending`: from the end of this turn on, since most
   * handlers accept at once.
   */
  constructor (request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>) {
    this.#request = request
    this.#pending = pending
    this.stream = stream
    request[kHandshake] = this
    process.nextTick(watch, this)
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
    if (!offered.every((protocol) => TOKEN.test(protocol)) || new Set(offered).size !== offered.length) {
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

  /** The stream is read meanwhile: only a stream that is read tells of its end. */
  watch (): void {
    if (!this.#pending.has(this)) return
    if (this.stream.destroyed) return this.#leave()
    this.#isWatching = true
    if (!this.#isDropping) this.stream.on('data', this.#onData)
    this.stream.on('end', this.#onEnd)
    this.stream.on('close', this.#onClose)
  }

  /**
   * Stops watching and gives back what the client has sent so far. A stream that was being read is paused: only one that
   * is resumed goes on with what was given back.
   */
  release (): void {
    this.#unwatch()
    if (this.#isWatching) this.stream.pause()
    if (this.#early !== null) for (const chunk of this.#early.reverse()) this.stream.unshift(chunk)
    this.#early = null
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
    this.stream.removeListener('data', this.#onData)
    this.#early = null
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
    this.onOver?.()
  }

  #keep (chunk: Buffer): void {
    this.#early ??= []
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.stream.pause()
  }

  #leave (): void {
    this.#unwatch()
    clearTimeout(this.#linger)
    this.#early = null
    this.gone = !this.isRefused
    this.onOver?.()
  }

  #unwatch (): void {
    this.#pending.delete(this)
    this.#over?.resolve()
    if (!this.#isWatching) return
    this.stream.removeListener('data', this.#onData)
    this.stream.removeListener('end', this.#onEnd)
    this.stream.removeListener('close', this.#onClose)
  }
}

function watch (handshake: Handshake): void {
  handshake.watch()
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
