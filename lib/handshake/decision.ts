import { ConnectionEnd } from '../base/connection-end'
import { Deferred } from '../base/deferred'
import { WebSocketHandshakeError, WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'
import { acceptanceIn, type AcceptOptions } from '../base/verb-options'
import { endRequestSpan } from '../observe/request-span'
import { mergeHeaders, refusalHeaders, repliedHeaders, type HeaderPairs } from './headers'
import { detachResponse } from './response'
import { switchProtocols, type Negotiation } from './upgrader'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Negotiated } from '../connection/connection'
import type { Acceptance, Handshake, HandshakeOwner } from './handshake'
import type { RequestEnd } from './kind'
import type { HeadersLike } from '../../types/message'

/** The session of a handshake. */
export interface DecisionOwner {
  /** The handshake is complete, with `statusCode`: the stream belongs to the connection. If there is a `requestEnd`, it has to emit 'finish' at the end. */
  open (negotiated: Negotiated, requestEnd: RequestEnd | null, statusCode: number): void
  /** The handshake has ended without a connection. */
  finish (end: ConnectionEnd): void
}

/** The members of a route that the handshake of a session uses. */
export interface DecisionRoute {
  readonly options: { readonly subprotocols: readonly string[], readonly handshakeTimeout: number }
  /** Makes Fastify send `reply` with null as its payload, so that the onSend hooks run. */
  sendNull (reply: FastifyReply): void
  /** Agrees on extensions. Throws `WebSocketHandshakeError` with status 400 if the client's offer cannot be read. */
  negotiate (request: IncomingMessage): Negotiation
  /** Whether the route refuses `request` with a connection that it closes, not with a response. */
  refusesByClosing (request: FastifyRequest): boolean
}

/**
 * The decision about the handshake of a session: the handler completes or refuses the handshake within `handshakeTimeout`. An
 * open connection does not keep its decision.
 */
export class HandshakeDecision<Owner extends DecisionOwner> implements HandshakeOwner, Acceptance {
  readonly handshake: Handshake
  /** The error of an onSend hook of the route. */
  error: unknown
  /** Whether the handler has received the event `websocket.connect`. */
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

  /** The state of a session that is not open. The session is closing while its refusal is being sent. */
  get state (): 'connecting' | 'closing' | 'closed' {
    if (this.#isOver) return 'closed'
    return this.handshake.state === 'undecided' ? 'connecting' : 'closing'
  }

  /** Makes this the owner of the handshake, before the handler runs. */
  begin (): void {
    if (this.handshake.state === 'left') this.over()
    else this.handshake.owner = this
  }

  /**
   * Settles when the handshake is over. Resolves with the reply if Fastify has to wait for the reply. Rejects with an error that
   * Fastify has to answer with.
   */
  get answer (): Promise<unknown> {
    return this.#deferred.promise
  }

  get #deferred (): Deferred<unknown> {
    this.#answer ??= new Deferred()
    return this.#answer
  }

  /** Starts the time limit for the decision. The handler is running. */
  limit (): void {
    if (this.state !== 'connecting') return
    this.#timer = setTimeout(() => this.#timeOut(), this.#route.options.handshakeTimeout)
  }

  /** The promise of `accept`; undefined if `accept` was not called. It is pending while onSend hooks of the route run. */
  get accepting (): Promise<Owner> | undefined {
    return this.#accepted?.promise
  }

  /**
   * Completes the handshake, at once if the route has no onSend hooks. The bytes that the client has sent early are on the
   * stream again. Resolves with the owner.
   *
   * Throws `WebSocketHandshakeError` for a subprotocol or headers that the response cannot have, if the handshake has been
   * accepted or refused, and if the client has left. Rejects with `WebSocketHandshakeError` if the client leaves first, if a
   * hook fails (`cause`), and if a hook sets another status.
   */
  accept (options?: AcceptOptions): Promise<Owner> {
    this.#mustBeOpen()
    const { subprotocol, headers } = acceptanceIn(options)
    this.handshake.decide(subprotocol, this.#route.options.subprotocols, headers)
    this.#accepted = new Deferred()
    this.handshake.acceptance = this
    this.#route.sendNull(this.#reply.code(this.handshake.kind.status))
    return this.#accepted.promise
  }

  switchProtocols (headers: HeadersLike): void {
    const { handshake } = this
    if (this.state !== 'connecting') return // the client has left while hooks were running
    let negotiation
    try {
      handshake.headers = mergeHeaders(repliedHeaders(headers), handshake.headers)
      negotiation = this.#route.negotiate(this.#request.raw)
    } catch (error) {
      return this.#failToAnswer(error)
    }
    handshake.release()
    const protocol = switchProtocols(this.#request.raw, negotiation.extensions)
    handshake.complete(protocol !== null)
    if (protocol === null) return this.over()
    this.#leave()
    this.#reply.hijack()
    this.#answer?.resolve(undefined)
    const { statusCode } = this.#reply
    endRequestSpan(this.#request, statusCode)
    const requestEnd = detachResponse(handshake.kind, this.#reply.raw, handshake.stream)
    this.#owner.open({ isServer: true, protocol, compression: negotiation.compression }, requestEnd, statusCode)
    this.#accepted!.resolve(this.#owner)
  }

  answerOtherwise (status: number): void {
    if (this.state === 'connecting') this.#beginRefusal()
    this.#deferred.resolve(this.#reply)
    this.#accepted!.reject(new WebSocketHandshakeError(`accept: a hook of the route has changed the response to status ${status}`, { cause: this.error }))
  }

  /**
   * Refuses the handshake: sends the reply with `statusCode`, `payload` and `headers`. Throws `WebSocketOptionError` for an
   * invalid status, and the errors of `refusalHeaders`. If Fastify throws for the payload, that error is the response, as on
   * an HTTP route.
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

  /** Refuses the handshake with status 403, or with a connection that is closed at once with `code`, if any, and `reason`. */
  close (code: number | null, reason: string): void {
    this.#beginRefusal()
    this.handshake.closing = { code, reason }
    this.#respond(403, undefined, [])
  }

  /** Answers an undecided handshake with `error`, through Fastify's error handler. */
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

  /** The error of all sends and receives, while there is no connection. */
  get unavailable (): WebSocketHandshakeError {
    if (this.state === 'connecting') return new WebSocketHandshakeError('the handshake is not complete: call accept() first')
    return new WebSocketHandshakeError(this.handshake.state === 'left' ? 'the client left during the handshake' : 'the handshake was refused')
  }

  #mustBeOpen (): void {
    if (this.state !== 'connecting') throw this.unavailable
    if (this.#accepted !== null) throw new WebSocketHandshakeError('the handshake is being completed already')
    if (this.#reply.sent) throw new WebSocketHandshakeError('the handshake has been answered already, by its reply')
  }

  /** Refuses the handshake since a hook has set a header that cannot be sent. Removes all headers that hooks have set. */
  #failToAnswer (error: unknown): void {
    for (const name of Object.keys(this.#reply.getHeaders())) this.#reply.removeHeader(name)
    this.#accepted!.reject(error)
    this.refuse(error)
  }

  /** Begins the refusal. The session is closing until the response has been sent or the connection has ended. */
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
