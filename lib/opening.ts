import { End } from './end'
import { WebSocketHandshakeError, WebSocketOptionError } from './errors'
import { headerPairs, type Handshake, type HandshakeOwner, type HeaderPairs } from './handshake'
import { Deferred } from './promise'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RawWebSocket } from '../types/raw'
import type { HeadersLike } from '../types/message'

export interface AcceptOptions {
  subprotocol?: string | null
  headers?: HeadersLike
}

/** Whose handshake it is. */
export interface OpeningOwner {
  /** It has ended without a connection. */
  finish (end: End): void
}

/** What the handshake of a session needs of its route. */
export interface OpeningRoute {
  readonly options: { readonly subprotocols: readonly string[], readonly handshakeTimeout: number }
  /** Answers 101; returns null where the client is no longer there. */
  upgrade (request: FastifyRequest, reply: FastifyReply): RawWebSocket | null
  /** Whether it refuses `request` with a connection that is closed, not with a response. */
  refusesByClosing (request: FastifyRequest): boolean
  refuseByClosing (request: FastifyRequest, reply: FastifyReply, code: number, reason: string): void
}

/**
 * What a session is before it is open: a handshake that its handler completes or refuses, in time.
 * An open connection keeps nothing of it.
 */
export class Opening implements HandshakeOwner {
  readonly handshake: Handshake
  state: 'connecting' | 'closing' | 'closed' = 'connecting'
  /** Whether it has been told of as an event. */
  isReported = false
  readonly #route: OpeningRoute
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #owner: OpeningOwner
  #answer: Deferred<unknown> | null = null
  #timer: NodeJS.Timeout | null = null

  constructor (route: OpeningRoute, handshake: Handshake, request: FastifyRequest, reply: FastifyReply, owner: OpeningOwner) {
    this.handshake = handshake
    this.#route = route
    this.#request = request
    this.#reply = reply
    this.#owner = owner
  }

  /** The handler is about to run. */
  begin (): void {
    if (this.handshake.gone) this.over()
    else this.handshake.owner = this
  }

  /** Settled when the handshake is over: with the reply, if there is one to wait for, or with an error to answer with. */
  get answer (): Promise<unknown> {
    return this.#deferred.promise
  }

  get #deferred (): Deferred<unknown> {
    this.#answer ??= new Deferred()
    return this.#answer
  }

  /** The handler is running: it may take a while to decide, but not for ever. */
  limit (): void {
    if (this.state !== 'connecting') return
    this.#timer = setTimeout(() => this.#timeOut(), this.#route.options.handshakeTimeout)
  }

  /**
   * Completes the handshake. What the client has sent already is on the stream again.
   * Throws `WebSocketHandshakeError` for what cannot be answered, and where it has been refused or the client has left.
   */
  accept (options?: AcceptOptions): RawWebSocket {
    const { handshake } = this
    this.#mustBeOpen()
    handshake.decide(options?.subprotocol, this.#route.options.subprotocols, options?.headers)
    handshake.release()
    let raw: RawWebSocket | null = null
    try {
      raw = this.#route.upgrade(this.#request, this.#reply)
    } finally {
      if (raw === null) {
        handshake.gone = true
        this.over()
      }
    }
    if (raw === null) throw this.error
    handshake.complete(this.#reply.raw)
    this.#leave()
    this.#answer?.resolve(undefined)
    return raw
  }

  /**
   * Refuses the handshake with a response of the reply, which is then on its way.
   * Throws `WebSocketOptionError` for what is no status, and what `headerPairs` does for headers. What Fastify throws for
   * a payload that cannot be sent is the response, as on an HTTP route.
   */
  deny (statusCode: number, payload: unknown, headers: HeadersLike | undefined): void {
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
      throw new WebSocketOptionError(`deny: the status is ${String(statusCode)}: use one from 200 to 599`)
    }
    const pairs = headerPairs(headers)
    this.#mustBeOpen()
    this.#beginRefusal()
    this.#respond(statusCode, payload, pairs)
  }

  /** Refuses the handshake: with 403, or with a connection that is closed with `code` and `reason` at once. */
  close (code: number, reason: string): void {
    this.#beginRefusal()
    if (!this.#route.refusesByClosing(this.#request)) return this.#respond(403, undefined, [])
    this.#route.refuseByClosing(this.#request, this.#reply, code, reason)
    this.#deferred.resolve(undefined)
  }

  /** Answers a handshake that is still open with `error`, through Fastify's error handler. */
  refuse (error: unknown): void {
    this.#beginRefusal()
    this.#deferred.reject(error)
  }

  turnAway (error: Error): void {
    if (this.state === 'connecting') this.refuse(error)
  }

  over (end = new End(1006, '', false)): void {
    this.state = 'closed'
    this.#leave()
    this.#deferred.resolve(undefined)
    this.#owner.finish(end)
  }

  /** Why nothing can be sent or received. */
  get error (): WebSocketHandshakeError {
    if (this.state === 'connecting') return new WebSocketHandshakeError('the handshake is not complete: call accept() first')
    return new WebSocketHandshakeError(this.handshake.gone ? 'the client left during the handshake' : 'the handshake was refused')
  }

  #mustBeOpen (): void {
    if (this.state !== 'connecting') throw this.error
  }

  /** From here on the session is closing; it is closed when the response has been sent, or the connection has ended. */
  #beginRefusal (): void {
    this.state = 'closing'
    clearTimeout(this.#timer!)
    this.handshake.refuse()
    if (!this.#route.refusesByClosing(this.#request)) this.handshake.drop()
  }

  #respond (statusCode: number, payload: unknown, headers: HeaderPairs): void {
    const reply = this.#reply
    this.#deferred.resolve(reply)
    reply.code(statusCode)
    for (const [name, values] of byName(headers)) reply.header(name, values.length === 1 ? values[0] : values)
    try {
      reply.send(payload)
    } catch (error) {
      reply.send(error as Error)
    }
  }

  #timeOut (): void {
    const { handshakeTimeout } = this.#route.options
    this.refuse(new WebSocketHandshakeError(`neither accept() nor deny() within ${handshakeTimeout} ms (handshakeTimeout)`, { statusCode: 503 }))
  }

  #leave (): void {
    clearTimeout(this.#timer!)
    this.handshake.owner = null
  }
}

function byName (pairs: HeaderPairs): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    values.set(key, [...values.get(key) ?? [], value])
  }
  return values
}
