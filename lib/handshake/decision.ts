import { ConnectionEnd } from '../base/connection-end'
import { Deferred } from '../base/deferred'
import { WebSocketHandshakeError, WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'
import { acceptanceIn, type AcceptOptions } from '../base/verb-options'
import { addedTo, refusalHeaders, repliedHeaders, type HeaderPairs } from './headers'
import { letGo, SWITCHING_PROTOCOLS } from './response'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Acceptance, Handshake, HandshakeOwner } from './handshake'
import type { HeadersLike } from '../../types/message'
import type { RawWebSocket } from '../../types/raw'

/** Whose handshake it is. */
export interface DecisionOwner {
  /** It is complete: `raw` is the connection. `response` is to be told of its end, if there is one. */
  open (raw: RawWebSocket, response: ServerResponse | null): void
  /** It has ended without a connection. */
  finish (end: ConnectionEnd): void
}

/** What the handshake of a session needs of its route. */
export interface DecisionRoute {
  readonly options: { readonly subprotocols: readonly string[], readonly handshakeTimeout: number }
  /** Has Fastify send `reply` with null as its payload: the onSend hooks run. */
  sendNull (reply: FastifyReply): void
  /** Answers 101; returns null where the client is no longer there. */
  upgrade (request: IncomingMessage): RawWebSocket | null
  /** Whether it refuses `request` with a connection that is closed, not with a response. */
  refusesByClosing (request: FastifyRequest): boolean
}

/**
 * What a session is before it is open: a handshake that its handler completes or refuses, in time.
 * An open connection keeps nothing of it.
 */
export class HandshakeDecision<Owner extends DecisionOwner> implements HandshakeOwner, Acceptance {
  readonly handshake: Handshake
  /** What an onSend hook of the route has failed with. */
  error: unknown
  /** Whether it has been told of as an event. */
  isReported = false
  readonly #route: DecisionRoute
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #owner: Owner
  #answer: Deferred<unknown> | null = null
  #accepted: Deferred<Owner> | null = null
  #timer: NodeJS.Timeout | null = null
  #isOver = false

  constructor (route: DecisionRoute, handshake: Handshake, request: FastifyRequest, reply: FastifyReply, owner: Owner) {
    this.handshake = handshake
    this.#route = route
    this.#request = request
    this.#reply = reply
    this.#owner = owner
  }

  /** The state of the session, which is not open: its refusal may still be on its way. */
  get state (): 'connecting' | 'closing' | 'closed' {
    if (this.#isOver) return 'closed'
    return this.handshake.state === 'undecided' ? 'connecting' : 'closing'
  }

  /** The handler is about to run. */
  begin (): void {
    if (this.handshake.state === 'left') this.over()
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

  /** Settles as `accept` does, where that is under way: onSend hooks of the route are running. */
  get accepting (): Promise<Owner> | undefined {
    return this.#accepted?.promise
  }

  /**
   * Completes the handshake, at once where the route has no onSend hooks. What the client has sent already is on the
   * stream again. Resolves with the owner.
   * Throws `WebSocketHandshakeError` for what cannot be answered, and where it has been accepted or refused or the client
   * has left. Rejects with it where the client leaves first, or a hook has failed (`cause`) or has set another status.
   */
  accept (options?: AcceptOptions): Promise<Owner> {
    this.#mustBeOpen()
    const { subprotocol, headers } = acceptanceIn(options)
    this.handshake.decide(subprotocol, this.#route.options.subprotocols, headers)
    this.#accepted = new Deferred()
    this.handshake.acceptance = this
    this.#route.sendNull(this.#reply.code(SWITCHING_PROTOCOLS))
    return this.#accepted.promise
  }

  switchProtocols (headers: HeadersLike): void {
    const { handshake } = this
    if (this.state !== 'connecting') return // the client has left while hooks were at work
    try {
      handshake.headers = addedTo(repliedHeaders(headers), handshake.headers)
    } catch (error) {
      return this.#failToAnswer(error)
    }
    handshake.release()
    const raw = this.#route.upgrade(this.#request.raw)
    handshake.complete(raw !== null)
    if (raw === null) return this.over()
    this.#leave()
    this.#reply.hijack()
    this.#answer?.resolve(undefined)
    this.#owner.open(raw, letGo(this.#reply.raw, handshake.stream))
    this.#accepted!.resolve(this.#owner)
  }

  answerOtherwise (status: number): void {
    if (this.state === 'connecting') this.#beginRefusal()
    this.#deferred.resolve(this.#reply)
    this.#accepted!.reject(new WebSocketHandshakeError(`accept: the hooks of the route have made it a response with status ${status}`, { cause: this.error }))
  }

  /**
   * Refuses the handshake with a response of the reply, which is then on its way.
   * Throws `WebSocketOptionError` for what is no status, and what `refusalHeaders` does. What Fastify throws for
   * a payload that cannot be sent is the response, as on an HTTP route.
   */
  deny (statusCode: number, payload: unknown, headers: HeadersLike | undefined): void {
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
      throw new WebSocketOptionError(`deny: the status is ${show(statusCode)}: use one from 200 to 599`)
    }
    const pairs = refusalHeaders(headers)
    this.#mustBeOpen()
    this.#beginRefusal()
    this.#respond(statusCode, payload, pairs)
  }

  /** Refuses the handshake: with 403, or with a connection that is closed with `code`, if there is one, and `reason` at once. */
  close (code: number | null, reason: string): void {
    this.#beginRefusal()
    this.handshake.closing = { code, reason }
    this.#respond(403, undefined, [])
  }

  /** Answers a handshake that is still open with `error`, through Fastify's error handler. */
  refuse (error: unknown): void {
    this.#beginRefusal()
    this.#deferred.reject(error)
  }

  turnAway (error: Error): void {
    if (this.state === 'connecting') this.refuse(error)
  }

  over (end = new ConnectionEnd(1006, '', false)): void {
    this.#isOver = true
    this.#leave()
    this.#deferred.resolve(undefined)
    this.#accepted?.reject(this.unavailable)
    this.#owner.finish(end)
  }

  /** Why nothing can be sent or received. */
  get unavailable (): WebSocketHandshakeError {
    if (this.state === 'connecting') return new WebSocketHandshakeError('the handshake is not complete: call accept() first')
    return new WebSocketHandshakeError(this.handshake.state === 'left' ? 'the client left during the handshake' : 'the handshake was refused')
  }

  #mustBeOpen (): void {
    if (this.state !== 'connecting') throw this.unavailable
    if (this.#accepted !== null) throw new WebSocketHandshakeError('the handshake is being completed already')
    if (this.#reply.sent) throw new WebSocketHandshakeError('the handshake has been answered already, by its reply')
  }

  /** A hook has set a header that cannot be sent: nothing is left of what hooks have set. */
  #failToAnswer (error: unknown): void {
    for (const name of Object.keys(this.#reply.getHeaders())) this.#reply.removeHeader(name)
    this.#accepted!.reject(error)
    this.refuse(error)
  }

  /** From here on the session is closing; it is closed when the response has been sent, or the connection has ended. */
  #beginRefusal (): void {
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
