import { TOKEN } from '../base/checks'
import { Deferred } from '../base/deferred'
import { WebSocketHandshakeError } from '../base/errors'
import { destroyAfterLinger } from '../base/linger'
import { show } from '../base/show'
import { switchingHeaders, type HeaderPairs } from './headers'
import { isRead, WaitingClient } from './waiting-client'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Closing } from '../base/closing'
import type { ConnectionEnd } from '../base/connection-end'
import type { HandshakeKind } from './kind'
import type { HeadersLike } from '../../types/message'

/** The headers that belong to the handshake itself, and the pseudo-headers of HTTP/2, which are the URL and the host. */
const OWN_HEADER = /^(?::|sec-websocket-|upgrade$|connection$)/

const kHandshake = Symbol('fastify-async-websocket.handshake')

/** The value is null when the handshake is complete, or when another listener has taken the connection over. */
interface UpgradeRequest extends IncomingMessage { [kHandshake]?: Handshake | null }

/** Gets the outcome of a handshake that Fastify has to accept with its answer. */
export interface Acceptance {
  /** The error of a hook. */
  error: unknown
  /** The hooks have run, and the status is still the one that accepts. `headers` are the headers of the reply. */
  switchProtocols (headers: HeadersLike): void
  /** A hook has changed the status. The response is being sent with `status`. */
  answerOtherwise (status: number): void
}

/** Is told of refused handshakes. */
export interface HandshakeObserver {
  /** `closeCode`: the code of the close frame of a refusal with a connection, if any. */
  refused (handshake: Handshake, statusCode: number, closeCode: number | null): void
}

/** The session that decides a handshake. */
export interface HandshakeOwner {
  /**
   * The handshake has ended without being completed: the client has left or has been refused. If it was refused with a
   * connection, `end` is the end of that connection.
   */
  over (end?: ConnectionEnd): void
  /** The server stops waiting for the decision, and refuses the handshake with `error` if it is undecided. */
  turnAway (error: Error): void
}

/**
 * The states of a handshake. Every state but `undecided` is final.
 *
 *      ┌───────────┐  101, or 200 of HTTP/2, is written            ┌──────────┐
 *      │ undecided │ ────────────────────────────────────────────> │ accepted │
 *      └───────────┘                                               └──────────┘
 *        │   │   │    a response, or a connection that is closed   ┌─────────┐
 *        │   │   └───────────────────────────────────────────────> │ refused │
 *        │   │                                                     └─────────┘
 *        │   │        the client leaves                            ┌──────┐
 *        │   └───────────────────────────────────────────────────> │ left │
 *        │                                                         └──────┘
 *        │            another listener takes the connection over   ┌───────┐
 *        └───────────────────────────────────────────────────────> │ taken │
 *                                                                  └───────┘
 */
export type HandshakeState = 'undecided' | 'accepted' | 'refused' | 'left' | 'taken'

/** The handshake of a request. It watches the client until it is over, and holds the contents of the response that accepts. */
export class Handshake {
  readonly kind: HandshakeKind
  readonly stream: Duplex
  owner: HandshakeOwner | null = null
  observer: HandshakeObserver | null = null
  /** Fastify's request, as soon as a hook of this package has seen it. */
  fastifyRequest: FastifyRequest | null = null
  /** Whether `check` has found that the request is a valid handshake. */
  isValid = false
  /** The subprotocol of the response that accepts; undefined until it is decided. */
  protocol: string | undefined
  headers: HeaderPairs = []
  /** Gets the outcome when the head of the response is written; null unless Fastify has to accept. */
  acceptance: Acceptance | null = null
  /** The close code and reason of a refusal with a connection; null if they follow from the response. */
  closing: Closing | null = null
  readonly #request: UpgradeRequest
  readonly #pending: Set<Handshake>
  #state: HandshakeState = 'undecided'
  /** Whether the watch of the client has ended. */
  #isOver = false
  #over: Deferred<void> | null = null
  #watch: WaitingClient | null = null
  #isDropping = false
  #isEnding = false

  /** Returns the handshake of a WebSocket request; undefined for any other request, and when the handshake is complete. */
  static of (request: UpgradeRequest): Handshake | undefined {
    return request[kHandshake] ?? undefined
  }

  /** Whether `request` is a WebSocket request. This remains true when its handshake is over. */
  static isFor (request: UpgradeRequest): boolean {
    return request[kHandshake] !== undefined
  }

  /** Returns the handshake of `request`, created if missing. `pending` has each handshake from its `watch` until its end. */
  static begin (kind: HandshakeKind, request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>): Handshake {
    request[kHandshake] ??= new Handshake(kind, request, stream, pending)
    return request[kHandshake]
  }

  private constructor (kind: HandshakeKind, request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>) {
    this.kind = kind
    this.#request = request
    this.#pending = pending
    this.stream = stream
    stream.on('error', destroy) // Node has removed its own listener
  }

  get state (): HandshakeState {
    return this.#state
  }

  /** Resolves when the handshake is over: completed or refused, or the client has left. */
  get over (): Promise<void> {
    this.#over ??= new Deferred()
    return this.#over.promise
  }

  /** Throws `WebSocketHandshakeError` with status 400 or 426 unless the request meets RFC 6455, section 4.2.1, or RFC 8441, section 5. */
  check (): void {
    // The version is a number in requests of `injectWS` of @fastify/websocket.
    if (String(this.#request.headers['sec-websocket-version']) !== '13') {
      throw new WebSocketHandshakeError('Sec-WebSocket-Version is not 13', { statusCode: 426 })
    }
    this.kind.check(this.#request)
    const offered = offeredBy(this.#request)
    if (new Set(offered).size < offered.length || !offered.every((protocol) => TOKEN.test(protocol))) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Protocol is invalid', { statusCode: 400 })
    }
    this.isValid = true
  }

  /**
   * Decides the headers and the subprotocol of the response that accepts: `subprotocol`, or the first of `supported` that the client
   * offers. Throws `WebSocketHandshakeError` for a subprotocol that the client did not offer, and the errors of
   * `switchingHeaders`.
   */
  decide (subprotocol: string | null | undefined, supported: readonly string[], headers: HeadersLike | undefined): void {
    const offered = new Set(offeredBy(this.#request))
    if (subprotocol != null && !offered.has(subprotocol)) {
      const offer = offered.size === 0 ? 'none' : [...offered].join(', ')
      throw new WebSocketHandshakeError(`accept: the client did not offer the subprotocol ${show(subprotocol)} (it offers ${offer})`)
    }
    this.headers = switchingHeaders(headers)
    this.protocol = subprotocol ?? supported.find((protocol) => offered.has(protocol)) ?? ''
  }

  /**
   * Puts back the headers of the handshake that Fastify has removed: a schema for headers may allow no others than those that it names.
   * Nothing is done as long as the version is there, which `check` has found.
   */
  restoreHeaders (): void {
    const { headers, rawHeaders } = this.#request
    if (headers['sec-websocket-version'] !== undefined) return
    const own: Record<string, string[]> = {}
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i].toLowerCase()
      if (OWN_HEADER.test(name)) (own[name] ??= []).push(rawHeaders[i + 1])
    }
    for (const [name, values] of Object.entries(own)) headers[name] = values.join(', ')
  }

  /** Watches the client until the handshake is over. */
  watch (): void {
    if (this.#isOver) return
    if (this.stream.destroyed) return this.#leave()
    if (isRead(this.stream)) return this.abandon()
    this.#pending.add(this)
    this.#watch = new WaitingClient(this.stream, { onLeave: () => this.#leave(), onTaken: () => this.abandon() })
    if (this.#isDropping) this.#watch.drop()
  }

  /** Another listener has taken the connection over. The handshake is over for this package, which writes nothing more. */
  abandon (): void {
    this.#become('taken')
    this.#settle()
    this.#forget()
    this.owner?.over()
  }

  /** A response that does not accept is being sent, or a connection that is closed. A client that has left is not refused. */
  refusedWith (statusCode: number, closeCode: number | null = null): void {
    if (this.#state !== 'left') this.observer?.refused(this, statusCode, closeCode)
  }

  /** Ends the watch of the client. The stream is left as if it had not been read. */
  release (): void {
    this.stream.removeListener('error', destroy)
    this.#settle()
    this.#watch?.giveBack()
  }

  /** Ends the handshake: the response that accepts has been written, or else the client has left. The response writes nothing more. */
  complete (isWritten: boolean): void {
    this.#become(isWritten ? 'accepted' : 'left')
    this.#forget()
  }

  /** Refuses the handshake. A client that leaves later does not count as a client that has left the handshake. */
  refuse (): void {
    this.#become('refused')
  }

  /** Discards the bytes that the client has sent and still sends, so that they do not block the response. */
  drop (): void {
    this.#isDropping = true
    this.#watch?.drop()
    this.stream.resume()
  }

  /**
   * Ends the connection after the response. For a while, the server reads and discards the bytes that the client still sends:
   * a close with unread bytes could keep the client from reading the rest of the response (RFC 9112, section 9.6).
   */
  end (): void {
    this.refuse()
    this.drop()
    this.#request.resume?.() // as Node does, so that the request closes as well; requests of `injectWS` have no `resume`
    this.stream.end()
    this.#isEnding = true
    destroyAfterLinger.call(this.stream)
    this.#over?.resolve()
    this.owner?.over()
  }

  /** Drops the connection at once, unless a response is on its way that would be lost. */
  terminate (): void {
    if (!this.#isEnding || !this.kind.isMultiplexed) this.stream.destroy()
  }

  #leave (): void {
    this.#settle()
    this.#become('left')
    if (!this.#isEnding) this.kind.abort(this.#request) // no response has been sent
    this.owner?.over()
  }

  #become (state: HandshakeState): void {
    if (this.#state === 'undecided') this.#state = state
  }

  /** Removes the handshake from its request. */
  #forget (): void {
    this.#request[kHandshake] = null
  }

  #settle (): void {
    this.#isOver = true
    this.#pending.delete(this)
    this.#over?.resolve()
  }
}

/** Returns the subprotocols that the client offers, in the client's order of preference. */
export function offeredBy ({ headers }: IncomingMessage): string[] {
  return headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? []
}

function destroy (this: Duplex): void {
  this.destroy()
}
