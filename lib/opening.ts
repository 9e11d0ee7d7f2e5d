import { WebSocketHandshakeError, WebSocketOptionError } from './errors'
import { headerPairs, type Handshake, type HeaderPairs } from './handshake'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Deferred } from './promise'
import type { RawWebSocket } from '../types/raw'
import type { HeadersLike } from '../types/message'

export interface AcceptOptions {
  subprotocol?: string | null
  headers?: HeadersLike
}

/** What the handshake of a session needs of its route. */
export interface OpeningRoute {
  readonly options: { readonly subprotocols: readonly string[], readonly handshakeTimeout: number }
  /** Answers 101; returns null where the client is no longer there. */
  upgrade (request: FastifyRequest, reply: FastifyReply): RawWebSocket | null
}

/**
 * What a session is before it is open: a handshake that its handler completes or refuses, in time.
 * An open connection keeps nothing of it.
 */
export class Opening {
  readonly handshake: Handshake
  state: 'connecting' | 'closing' | 'closed' = 'connecting'
  /** Whether it has been told of as an event. */
  isReported = false
  readonly #route: OpeningRoute
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #answer: Deferred<unknown>
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | null = null

  /**
   * `answer` is settled when the handshake is over: with the reply, if there is one to wait for, or with an error to
   * answer with. `onEnd` is called when it ends without a connection.
   */
  constructor (route: OpeningRoute, handshake: Handshake, request: FastifyRequest, reply: FastifyReply, answer: Deferred<unknown>, onEnd: () => void) {
    this.handshake = handshake
    this.#route = route
    this.#request = request
    this.#reply = reply
    this.#answer = answer
    this.#onEnd = onEnd
  }

  /** The handler is about to run. */
  begin (): void {
    if (this.handshake.gone) return this.#end()
    this.handshake.onOver = () => this.#end()
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
    const raw = this.#route.upgrade(this.#request, this.#reply)
    if (raw === null) {
      handshake.gone = true
      this.#end()
      throw this.error
    }
    handshake.complete(this.#reply.raw)
    this.#leave()
    return raw
  }

  /**
   * Refuses the handshake with a response of the reply, which is then on its way.
   * Throws `WebSocketOptionError` for what is no status, what `headerPairs` does for headers, and what Fastify does for
   * a payload that cannot be sent: that is the response then, as on an HTTP route.
   */
  deny (statusCode: number, payload: unknown, headers: HeadersLike | undefined): void {
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
      throw new WebSocketOptionError(`deny: the status is ${String(statusCode)}: use one from 200 to 599`)
    }
    const pairs = headerPairs(headers)
    this.#mustBeOpen()
    const reply = this.#reply
    this.#beginRefusal()
    this.#answer.resolve(reply)
    reply.code(statusCode)
    for (const [name, values] of byName(pairs)) reply.header(name, values.length === 1 ? values[0] : values)
    try {
      reply.send(payload)
    } catch (error) {
      reply.send(error as Error)
      throw error
    }
  }

  /** Answers a handshake that is still open with `error`, through Fastify's error handler. */
  refuse (error: unknown): void {
    this.#beginRefusal()
    this.#answer.reject(error)
  }

  /** Why nothing can be sent or received. */
  get error (): WebSocketHandshakeError {
    if (this.state === 'connecting') return new WebSocketHandshakeError('the handshake is not complete: call accept() first')
    return new WebSocketHandshakeError(this.handshake.gone ? 'the client left during the handshake' : 'the handshake was refused')
  }

  #mustBeOpen (): void {
    if (this.state !== 'connecting') throw this.error
  }

  /**
   * The handshake ends with a response: from here on the session is closing, and closed when the response has been
   * sent.
   */
  #beginRefusal (): void {
    this.state = 'closing'
    clearTimeout(this.#timer!)
    this.handshake.refuse()
  }

  #timeOut (): void {
    const { handshakeTimeout } = this.#route.options
    this.refuse(new WebSocketHandshakeError(`neither accept() nor deny() within ${handshakeTimeout} ms (handshakeTimeout)`, { statusCode: 503 }))
  }

  #end (): void {
    this.state = 'closed'
    this.#leave()
    this.#onEnd()
  }

  #leave (): void {
    clearTimeout(this.#timer!)
    this.handshake.onOver = null
    this.#answer.resolve(undefined)
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
