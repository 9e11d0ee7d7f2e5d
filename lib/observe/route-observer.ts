import { accepted, closed, messageReceived, messageSent, published, refused, slow, type TypedChannel } from './channels'
import { Counters, type Traffic } from './counters'
import type { FastifyRequest } from 'fastify'
import type { CloseInfo } from '../../types/message'
import type { MessageEvent, ObservedRoute } from '../../types/observe'

/** Who does something on a route: a session, or the plain socket of a route with `raw: true`. */
export interface Actor {
  /** True for a plain socket. */
  readonly isRaw?: true
  readonly request: FastifyRequest
}

/** A connection that ends. */
export interface EndingConnection {
  /** The time at which it began (see `performance.now`). */
  readonly openedAt: number
  readonly sentCode: number | null
  readonly isLost: boolean
  /** Whether this side has failed it: `sentCode` is the code of its end. */
  readonly hasFailed: boolean
  readonly traffic: Traffic
}

/** Counts what happens on a route, and tells it on the channels. */
export class RouteObserver {
  /** Null for what belongs to no route. */
  readonly route: ObservedRoute | null
  readonly counters = new Counters()

  constructor (url?: string) {
    this.route = url === undefined ? null : Object.freeze({ url })
  }

  accepted (actor: Actor, statusCode: number, protocol: string): void {
    this.counters.accepted++
    this.counters.open++
    if (accepted.hasSubscribers) accepted.publish({ ...this.#by(actor), statusCode, protocol })
  }

  refused (request: FastifyRequest | null, statusCode: number, closeCode: number | null): void {
    this.counters.refusals.add(statusCode)
    if (refused.hasSubscribers) refused.publish({ session: null, request, route: this.route, statusCode, closeCode })
  }

  /** An accepted connection has ended. */
  closed (actor: Actor, end: CloseInfo, { openedAt, sentCode, isLost, hasFailed, traffic }: EndingConnection): void {
    const { counters } = this
    const { reason, wasClean } = end
    const code = hasFailed ? sentCode! : end.code
    counters.open--
    counters.closes.add(code)
    counters.addTraffic(traffic)
    if (isLost) counters.heartbeatLosses++
    if (!closed.hasSubscribers) return
    closed.publish({ ...this.#by(actor), code, reason, wasClean, sentCode, isLost, duration: performance.now() - openedAt, ...traffic })
  }

  /** Tells of a message that has been received. */
  received (actor: Actor, size: number, isText: boolean): void {
    this.#message(messageReceived, actor, size, isText)
  }

  /** Tells of a message that has been sent. */
  sent (actor: Actor, size: number, isText: boolean): void {
    this.#message(messageSent, actor, size, isText)
  }

  published (actor: Actor | null, topic: string, payload: string | Uint8Array): void {
    this.counters.publications++
    if (published.hasSubscribers) published.publish({ ...this.#by(actor), topic, size: Buffer.byteLength(payload) })
  }

  /** A subscriber misses so many `messages`. */
  skipped (actor: Actor, messages: number): void {
    this.counters.skipped += messages
    if (slow.hasSubscribers) slow.publish({ ...this.#by(actor), action: 'skip', messages })
  }

  /** A subscriber is closed since it is too slow. */
  closedAsSlow (actor: Actor): void {
    this.counters.slowCloses++
    if (slow.hasSubscribers) slow.publish({ ...this.#by(actor), action: 'close', messages: 0 })
  }

  #message (channel: TypedChannel<MessageEvent>, actor: Actor, size: number, isText: boolean): void {
    channel.publish({ ...this.#by(actor), type: isText ? 'text' : 'bytes', size })
  }

  #by (actor: Actor | null): { session: any, request: FastifyRequest | null, route: ObservedRoute | null } {
    return { session: actor?.isRaw ? null : actor, request: actor?.request ?? null, route: this.route }
  }
}
