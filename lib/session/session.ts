import { randomUUID } from 'node:crypto'
import { quiet } from '../base/deferred'
import { WebSocketHandshakeError, type WebSocketError } from '../base/errors'
import { logSafely } from '../base/user-code'
import { attempt, typeIn, type AcceptOptions, type ReceiveOptions } from '../base/verb-options'
import { kindOf } from '../codec/message-kind'
import { Connection, type ConnectionOptions, type Negotiated } from '../connection/connection'
import { StreamChannel } from '../connection/stream-channel'
import { ValidMessages } from '../connection/valid-messages'
import { HandshakeDecision, type DecisionRoute } from '../handshake/decision'
import { offeredBy, type Handshake } from '../handshake/handshake'
import { settle } from '../protocol/multicast'
import { guardListeners } from '../protocol/websocket'
import { subscribeOptionsIn } from '../pubsub/beginning'
import { checkTopic } from '../pubsub/topics'
import { TopicSubscriber, type SubscriberSettings } from './subscriber'
import { urlOf } from './url'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ConnectionEnd } from '../base/connection-end'
import type { State } from '../base/state'
import type { Codec } from '../codec/codec'
import type { RouteObserver } from '../observe/route-observer'
import type { Batch } from '../protocol/prepared-message'
import type { RequestEnd } from '../handshake/kind'
import type { PubSub } from '../pubsub/pubsub'
import type { Standing } from '../pubsub/subscription'
import type { HeadersLike, IncomingEvent, OutgoingEvent, ValueType } from '../../types/message'
import type { RawWebSocket } from '../../types/raw'
import type { Publication } from '../../types/session'

const DONE = Promise.resolve()

/** The settings that a session reads. Times are in milliseconds. */
export interface SessionSettings extends ConnectionOptions, SubscriberSettings {
  subprotocols: readonly string[]
  handshakeTimeout: number
  catchDisconnect: boolean
  /** Gets the error of a message that does not decode or validate in an iteration. The iteration goes on with the next message. */
  onInvalid?: (this: FastifyInstance, ws: any, error: WebSocketError, request: FastifyRequest) => unknown
}

/** Topics whose subscribers are sessions. */
export type SessionPubSub = PubSub<Session, TopicSubscriber<Session>>

/** The members of a route that a session uses. */
export interface SessionRoute extends DecisionRoute {
  readonly options: SessionSettings
  readonly observer: RouteObserver
  readonly pubsub: SessionPubSub
  codec (request: FastifyRequest, reply: FastifyReply): Codec
  handlerBegun (): void
  accepted (session: Session, statusCode: number): void
  ended (session: Session): void
  /** Code of the user that is not awaited has thrown `error`. */
  failed (session: Session, error: unknown): void
}

/** The session that a handler gets: first the handshake, then the server's side of the connection. */
export class Session extends StreamChannel {
  readonly request: FastifyRequest
  /** The number of messages that `onMessage` or `onInvalid` has handled. */
  handled = 0
  readonly #route: SessionRoute
  /** Null as soon as the handshake is complete. */
  #decision: HandshakeDecision<this> | null
  /** Null until the session subscribes to a topic. */
  #subscriber: TopicSubscriber<Session> | null = null
  #id: string | null = null
  #log: FastifyBaseLogger | null = null
  #requestEnd: RequestEnd | null = null
  #url: URL | null = null

  /** Whether `value` is a session. Reads no property of `value`, since a getter might throw. */
  static is (value: unknown): value is Session {
    return typeof value === 'object' && value !== null && #route in value
  }

  constructor (route: SessionRoute, handshake: Handshake, request: FastifyRequest, reply: FastifyReply) {
    super()
    this.request = request
    this.codec = route.codec(request, reply)
    this.#route = route
    this.#decision = new HandshakeDecision(route, handshake, request, reply, this)
    route.handlerBegun()
    this.#decision.begin()
  }

  /** Settles with the response to the handshake (see `HandshakeDecision`); undefined when the handshake is complete. */
  get answer (): Promise<unknown> | undefined {
    return this.#decision?.answer
  }

  get id (): string {
    this.#id ??= randomUUID()
    return this.#id
  }

  get log (): FastifyBaseLogger {
    this.#log ??= this.request.log.child({ ws: this.id })
    return this.#log
  }

  get url (): URL {
    this.#url ??= urlOf(this.request)
    return this.#url
  }

  get observer (): RouteObserver { return this.#route.observer }
  get headers (): FastifyRequest['headers'] { return this.request.headers }
  get params (): unknown { return this.request.params }
  get query (): unknown { return this.request.query }

  /** The subprotocols that the client offers, in the client's order of preference. */
  get subprotocols (): string[] { return offeredBy(this.request.raw) }

  get state (): State {
    return this.connection?.state ?? this.#decision!.state
  }

  /**
   * The session as a socket of `ws`; null before the handshake is complete. An error of a listener on the socket is handled like an
   * error of the handler.
   */
  override get raw (): RawWebSocket | null {
    const raw = super.raw
    if (raw !== null) guardListeners(raw, (error) => this.#route.failed(this, error))
    return raw
  }

  /** A copy of the topics that this session has subscribed to. */
  get topics (): ReadonlySet<string> {
    return this.#subscriber?.topics ?? new Set()
  }

  /** The number of published messages that were dropped for this session (`slowSubscriber: 'skip'`). */
  get skipped (): number {
    settle()
    return this.#subscriber?.skipped ?? 0
  }

  /** Whether the handshake was completed. */
  get accepted (): boolean {
    return this.connection !== null
  }

  accept (options?: AcceptOptions): Promise<this> {
    return attempt('accept', () => quiet(this.#decisionFor('accept').accept(options)))
  }

  /** The promise of a pending `accept`; undefined if `accept` was not called, and when the handshake is complete. */
  get accepting (): Promise<unknown> | undefined {
    return this.#decision?.accepting
  }

  /** The handshake is complete, with `statusCode`. `requestEnd`, if any, emits 'finish' when the session has ended. */
  open (negotiated: Negotiated, requestEnd: RequestEnd | null, statusCode: number): void {
    const { stream } = this.#decision!.handshake
    this.#decision = null
    this.#requestEnd = requestEnd
    this.connection = new Connection(stream, negotiated, this.#route.options, this)
    this.#route.accepted(this, statusCode)
  }

  /** Ends the request of the session, which is over. Fastify runs onResponse hooks and logs. */
  endRequest (): void {
    this.#requestEnd?.emit('finish')
    this.#requestEnd = null
  }

  deny (statusCode = 403, payload?: unknown, headers?: HeadersLike): Promise<void> {
    return attempt('deny', () => {
      this.#decisionFor('deny').deny(statusCode, payload, headers)
      return this.closed.then(() => {})
    })
  }

  /** Starts `handshakeTimeout` for the decision. The handler is running. */
  limitHandshake (): void {
    this.#decision?.limit()
  }

  /** Answers an undecided handshake with `error`, through Fastify's error handler. */
  refuse (error: unknown): void {
    this.#decision!.refuse(error)
  }

  /** The iterator skips invalid messages if the route has `onInvalid`, which gets their errors. */
  override messages (options?: ValueType | ReceiveOptions): AsyncIterableIterator<any> {
    const messages = super.messages(options)
    const { onInvalid } = this.#route.options
    if (onInvalid === undefined) return messages
    return new ValidMessages(messages, async (error) => {
      await onInvalid.call(this.request.server, this, error, this.request)
      this.handled++
    })
  }

  override receiveEvent (): Promise<IncomingEvent> {
    if (this.#decision?.state === 'connecting' && !this.#decision.isReported) {
      this.#decision.isReported = true
      return Promise.resolve({ type: 'websocket.connect' })
    }
    return super.receiveEvent()
  }

  protected override perform (event: OutgoingEvent): Promise<void> {
    switch (event?.type) {
      case 'websocket.accept': return quiet(this.accept({ subprotocol: event.subprotocol, headers: event.headers }).then(() => {}))
      case 'websocket.http.response': return this.deny(event.status, event.body, event.headers)
      default: return super.perform(event)
    }
  }

  override terminate (): void {
    if (this.#decision === null) super.terminate()
    else this.#decision.handshake.stream.destroy()
  }

  subscribe (topic: string, options?: object): Promise<Standing> {
    return attempt('subscribe', () => {
      checkTopic(topic)
      const { pubsub } = this.#route
      const retention = pubsub.retentionOf(topic)
      const wanted = subscribeOptionsIn(topic, retention, options)
      const { end } = this.opened()
      if (end !== null) throw end.during('subscribe')
      this.#subscriber ??= new TopicSubscriber<Session>(this, pubsub, this.#route.options)
      return retention === null ? this.#subscriber.join(topic) : this.#subscriber.follow(topic, retention, wanted)
    })
  }

  unsubscribe (topic: string): Promise<void> {
    return attempt('unsubscribe', () => {
      checkTopic(topic)
      this.opened()
      this.#subscriber?.leave(topic)
      return DONE
    })
  }

  publish (topic: string, message: unknown, options?: ValueType | { type?: ValueType }): Promise<Publication> {
    return attempt('publish', () => {
      checkTopic(topic)
      const type = typeIn('publish', options)
      const encode = this.codec.encoder(type)
      this.opened()
      const { pubsub } = this.#route
      const retention = pubsub.retentionOf(topic)
      const payload = encode(message)
      this.observer.published(this, topic, payload)
      if (retention === null) return pubsub.publish(topic, payload, this)
      return pubsub.publishKept(topic, retention, kindOf(type ?? this.codec.sendType, message), payload, this.#subscriber?.subscriptionTo(topic))
    })
  }

  /** Delivers messages that were published to a topic of this session. */
  deliver (batch: Batch): void {
    this.#subscriber!.deliver(batch)
  }

  override get catchDisconnect (): boolean {
    return this.#route.options.catchDisconnect
  }

  protected override opened (): Connection {
    if (this.connection === null) throw this.#decision!.unavailable
    return this.connection
  }

  protected override report (error: unknown): void {
    logSafely(this, 'error', 'a listener on the signal of a WebSocket session threw', error)
  }

  /** Logs the limit that ends the connection. */
  reportLimit (reason: string): void {
    try {
      this.log.info(`a WebSocket connection is ended: ${reason}`)
    } catch {} // the logger is the user's and may throw
  }

  protected override closeWith (code: number | null, reason: string): Promise<unknown> {
    if (this.#decision === null) return super.closeWith(code, reason)
    const { accepting, state } = this.#decision
    if (accepting !== undefined && state === 'connecting') return accepting.then(() => this.close(code, reason), () => {})
    if (state === 'connecting') this.#decision.close(code, reason)
    return this.closed
  }

  override finish (end: ConnectionEnd): void {
    this.#subscriber?.finish(end)
    this.#route.ended(this)
    super.finish(end)
  }

  #decisionFor (verb: string): HandshakeDecision<this> {
    if (this.#decision === null) throw new WebSocketHandshakeError(`${verb}: the handshake is complete already`)
    return this.#decision
  }
}
