import { IncomingMessage } from 'node:http'
import { TOKEN } from '../base/checks'
import { Deferred } from '../base/deferred'
import { WebSocketHandshakeError } from '../base/errors'
import { show } from '../base/show'
import { abort } from './answered'
import { switchingHeaders, type HeaderPairs } from './headers'
import { isRead, WaitingClient } from './waiting-client'
import type { Duplex } from 'node:stream'
import type { Closing } from '../base/close-codes'
import type { ConnectionEnd } from '../base/connection-end'
import type { HeadersLike } from '../../types/message'

/** RFC 6455, section 4.1: the key is 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** How long a client may go on sending after it has been refused, in milliseconds. */
const LINGER = 1_000

const kHandshake = Symbol('fastify-async-websocket.handshake')

/** Null where the handshake is complete, or not this package's any more. */
interface UpgradeRequest extends IncomingMessage { [kHandshake]?: Handshake | null }

/** What becomes of a handshake for which Fastify is to answer 101. */
export interface Acceptance {
  /** What a hook has failed with. */
  error: unknown
  /** The hooks have run, and it is still 101; `headers` are those of the reply. */
  switchProtocols (headers: HeadersLike): void
  /** It is another status, which is on its way. */
  answerOtherwise (status: number): void
}

/** Whose handshake it is. */
export interface HandshakeOwner {
  /** It has ended without having been completed: the client has left, or has been refused, perhaps with a connection, whose end is given then. */
  over (end?: ConnectionEnd): void
  /** The server does not wait any longer for it to be decided. */
  turnAway (error: Error): void
}

/**
 * The states of a handshake. Only the first one is left again.
 *
 *      ┌───────────┐  101 is written                               ┌──────────┐
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

/** The handshake of an upgrade request: watches the client until the handshake is over, and knows what the client asked for. */
export class Handshake {
  readonly stream: Duplex
  owner: HandshakeOwner | null = null
  /** Whether the request is what RFC 6455, section 4.2.1, asks for. */
  isSound = false
  /** What the 101 response says; undefined until it has been decided. */
  protocol: string | undefined
  headers: HeaderPairs = []
  /** What is told when the head of a response is written; null unless 101 is to come. */
  acceptance: Acceptance | null = null
  /** What a connection that stands for a refusal is closed with, where it is not the status of the response. */
  closing: Closing | null = null
  readonly #request: UpgradeRequest
  readonly #pending: Set<Handshake>
  #state: HandshakeState = 'undecided'
  /** Whether the client is not watched any more. */
  #isOver = false
  #over: Deferred<void> | null = null
  #watch: WaitingClient | null = null
  #isDropping = false
  #linger?: NodeJS.Timeout

  /** The handshake of an upgrade request; `undefined` for any other request, and when it is complete. */
  static of (request: UpgradeRequest): Handshake | undefined {
    return request[kHandshake] ?? undefined
  }

  /** Whether `request` is an upgrade request, whatever has become of it. */
  static isFor (request: UpgradeRequest): boolean {
    return request[kHandshake] !== undefined
  }

  /** That of `request`, which is made unless there is one. `pending`: where it is from when it is watched until it is over. */
  static begin (request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>): Handshake {
    request[kHandshake] ??= new Handshake(request, stream, pending)
    return request[kHandshake]
  }

  private constructor (request: UpgradeRequest, stream: Duplex, pending: Set<Handshake>) {
    this.#request = request
    this.#pending = pending
    this.stream = stream
    stream.on('error', destroy) // Node has taken its own listener off
  }

  get state (): HandshakeState {
    return this.#state
  }

  /** Resolves when the handshake is over: completed or refused, or the client has left. */
  get over (): Promise<void> {
    this.#over ??= new Deferred()
    return this.#over.promise
  }

  /** Throws `WebSocketHandshakeError` with status 400 or 426 unless the request is what RFC 6455, section 4.2.1, asks for. */
  check (): void {
    const { headers, method, httpVersion } = this.#request
    // `injectWS` of @fastify/websocket gives a number.
    if (String(headers['sec-websocket-version']) !== '13') {
      throw new WebSocketHandshakeError('Sec-WebSocket-Version is not 13', { statusCode: 426 })
    }
    if (method !== 'GET' || httpVersion !== '1.1') {
      throw new WebSocketHandshakeError('a WebSocket handshake is a GET request of HTTP/1.1', { statusCode: 400 })
    }
    // Node leaves it to who upgrades. The requests of `injectWS` of @fastify/websocket, which are none of Node's, need none.
    if (headers.host === undefined && this.#request instanceof IncomingMessage) {
      throw new WebSocketHandshakeError('Host is missing', { statusCode: 400 })
    }
    if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Key is missing or invalid', { statusCode: 400 })
    }
    const offered = offeredBy(this.#request)
    if (new Set(offered).size < offered.length || !offered.every((protocol) => TOKEN.test(protocol))) {
      throw new WebSocketHandshakeError('Sec-WebSocket-Protocol is invalid', { statusCode: 400 })
    }
    this.isSound = true
  }

  /**
   * Decides what the 101 response says: `subprotocol`, or the first of `supported` that the client offers.
   * Throws `WebSocketHandshakeError` for a subprotocol that was not offered and for headers that cannot be sent.
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

  /** It takes its time: the client is watched until it is over. */
  watch (): void {
    if (this.#isOver) return
    if (this.stream.destroyed) return this.#leave()
    if (isRead(this.stream)) return this.forgo()
    this.#pending.add(this)
    this.#watch = new WaitingClient(this.stream, { onLeave: () => this.#leave(), onTaken: () => this.forgo() })
    if (this.#isDropping) this.#watch.drop()
  }

  /** Somebody else has taken the connection over: for this package the handshake is over, and nothing more is written. */
  forgo (): void {
    this.#decide('taken')
    this.#settle()
    this.#forget()
    this.owner?.over()
  }

  /** It is over for the client, whose stream is left as if nobody had read it. */
  release (): void {
    this.stream.removeListener('error', destroy)
    this.#settle()
    this.#watch?.giveBack()
  }

  /** The 101 response has been written, or the client has left before it: nothing follows on the response. */
  complete (isWritten: boolean): void {
    this.#decide(isWritten ? 'accepted' : 'left')
    this.#forget()
  }

  /** The handshake is refused: a client that leaves from now on has not left too early. */
  refuse (): void {
    this.#decide('refused')
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
    this.#request.resume?.() // as Node does, so that the request closes, too; one of `injectWS` does not
    this.stream.end()
    this.#linger = setTimeout(() => this.stream.destroy(), LINGER)
    this.#over?.resolve()
    this.owner?.over()
  }

  #leave (): void {
    this.#settle()
    clearTimeout(this.#linger)
    this.#decide('left')
    if (this.#linger === undefined) abort(this.#request) // no response has been sent
    this.owner?.over()
  }

  #decide (state: HandshakeState): void {
    if (this.#state === 'undecided') this.#state = state
  }

  /** From here on the request does not keep the handshake. */
  #forget (): void {
    this.#request[kHandshake] = null
  }

  #settle (): void {
    this.#isOver = true
    this.#pending.delete(this)
    this.#over?.resolve()
  }
}

/** The subprotocols that the client offers, in its order of preference. */
export function offeredBy ({ headers }: IncomingMessage): string[] {
  return headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? []
}

function destroy (this: Duplex): void {
  this.destroy()
}
