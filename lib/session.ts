import { randomUUID } from 'node:crypto'
import { Channel } from './channel'
import { closeCodes } from './close'
import { WebSocketDisconnect, WebSocketHandshakeError, WebSocketOptionError } from './errors'
import { headerPairs, type Handshake, type HeaderPairs } from './handshake'
import { quiet, rejected, type Deferred } from './promise'
import { Socket } from './socket'
import { checkTopic } from './topics'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Codec } from './codec'
import type { RouteSettings } from './options'
import type { Publication } from './publication'
import type { State } from './state'
import type { Topics } from './topics'
import type { RawWebSocket } from '../types/raw'
import type { HeadersLike, IncomingEvent, OutgoingEvent, ValueType } from '../types/message'

export interface AcceptOptions {
  subprotocol?: string | null
  headers?: HeadersLike
}

/** What a session needs of its route. */
export interface SessionRoute {
  readonly options: RouteSettings
  readonly topics: Topics<Session>
  codec (request: FastifyRequest, reply: FastifyReply): Codec
  /** Answers 101; returns null where the client is no longer there. */
  upgrade (request: FastifyRequest, reply: FastifyReply): RawWebSocket | null
  begun (session: Session): void
  accepted (session: Session): void
  ended (session: Session): void
}

/** What a handler holds: the handshake, then the server's side of the connection. */
export class Session extends Channel {
  readonly request: FastifyRequest
  /** How many published messages were dropped for this session (`slowSubscriber: 'skip'`). */
  skipped = 0
  readonly #route: SessionRoute
  // These four are gone with the handshake: an idle connection is not to keep them.
  #handshake: Handshake | null
  #reply: FastifyReply | null
  #answer: Deferred<unknown> | null
  #timer: NodeJS.Timeout | null = null
  #state: 'connecting' | 'closing' | 'closed' = 'connecting'
  #clientLeft = false
  #connectReported = false
  #topics: Set<string> | null = null
  #id: string | null = null
  #log: FastifyBaseLogger | null = null
  #url: URL | null = null

  /** `answer` is settled when the handshake is over: with the reply, if there is one to wait for, or with an error to answer with. */
  constructor (route: SessionRoute, handshake: Handshake, request: FastifyRequest, reply: FastifyReply, answer: Deferred<unknown>) {
    super()
    this.request = request
    this.codec = route.codec(request, reply)
    this.catchDisconnect = route.options.catchDisconnect
    this.#route = route
    this.#handshake = handshake
    this.#reply = reply
    this.#answer = answer
    route.begun(this)
    if (handshake.gone) {
      this.#endHandshake()
      return
    }
    handshake.onOver = () => this.#endHandshake()
    this.#timer = setTimeout(() => this.#timeOut(), route.options.handshakeTimeout)
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

  get headers (): FastifyRequest['headers'] { return this.request.headers }
  get params (): unknown { return this.request.params }
  get query (): unknown { return this.request.query }

  get state (): State {
    return this.socket?.state ?? this.#state
  }

  /** The topics that this session has subscribed to: a copy, so that nobody else changes them. */
  get topics (): ReadonlySet<string> {
    return new Set(this.#topics)
  }

  /** Whether the handshake was completed. */
  get accepted (): boolean {
    return this.socket !== null
  }

  accept (options?: AcceptOptions): Promise<this> {
    return quiet(this.#accept(options))
  }

  deny (statusCode = 403, payload?: unknown, headers?: HeadersLike): Promise<void> {
    return quiet(this.#deny(statusCode, payload, headers))
  }

  /** Answers a handshake that is still open with `error`, through Fastify's error handler. */
  refuse (error: unknown): void {
    this.#beginRefusal()
    this.#answer!.reject(error)
  }

  override receiveEvent (): Promise<IncomingEvent> {
    if (this.#state === 'connecting' && !this.accepted && !this.#connectReported) {
      this.#connectReported = true
      return Promise.resolve({ type: 'websocket.connect' })
    }
    return super.receiveEvent()
  }

  override sendEvent (event: OutgoingEvent): Promise<void> {
    switch (event?.type) {
      case 'websocket.accept': return quiet(this.accept({ subprotocol: event.subprotocol, headers: event.headers }).then(() => {}))
      case 'websocket.http.response': return this.deny(event.status, event.body, event.headers)
      default: return super.sendEvent(event)
    }
  }

  override terminate (): void {
    if (this.accepted) super.terminate()
    else this.#handshake?.stream.destroy()
  }

  subscribe (topic: string): Promise<void> {
    return this.#attempt(() => {
      checkTopic(topic)
      if (this.socket === null) throw this.unavailable()
      if (this.socket.end !== null) throw this.socket.end
      this.#topics ??= new Set()
      this.#topics.add(topic)
      this.#route.topics.add(topic, this)
    })
  }

  unsubscribe (topic: string): Promise<void> {
    return this.#attempt(() => {
      checkTopic(topic)
      if (this.socket === null) throw this.unavailable()
      this.#topics?.delete(topic)
      this.#route.topics.remove(topic, this)
    })
  }

  publish (topic: string, message: unknown, options?: { type?: ValueType }): Promise<void> {
    return this.#attempt(() => {
      checkTopic(topic)
      if (this.socket === null) throw this.unavailable()
      this.#route.topics.publish(topic, this.codec.encoder(options?.type)(message), this)
    })
  }

  /** Sends what was published, unless this session is too slow for it. */
  deliver (publication: Publication): void {
    const { sendHighWaterMark, maxBufferedAmount } = this.#route.options
    const mark = Math.min(sendHighWaterMark, maxBufferedAmount)
    if (!this.socket!.outbox.share(publication, mark)) this.#deliverSlowly(publication)
  }

  protected override unavailable (): Error {
    if (this.#state === 'connecting') return new WebSocketHandshakeError('the handshake is not complete: call accept() first')
    return new WebSocketHandshakeError(this.#clientLeft
      ? 'the client left during the handshake'
      : 'the handshake was refused')
  }

  protected override report (error: unknown): void {
    this.log.error({ err: error }, 'a listener on the signal of a WebSocket session threw')
  }

  /** What one of its limits ends the connection for. */
  reportLimit (reason: string): void {
    try {
      this.log.info(`a WebSocket connection is ended: ${reason}`)
    } catch {} // a logger of the user's
  }

  protected override closeWith (code: number, reason: string): Promise<void> {
    if (this.accepted) return super.closeWith(code, reason)
    return this.#state === 'connecting' ? this.deny() : this.closed.then(() => {})
  }

  override finish (end: WebSocketDisconnect): void {
    this.#leaveTopics()
    this.#route.ended(this)
    super.finish(end)
  }

  async #accept (options?: AcceptOptions): Promise<this> {
    this.#mustBeConnecting('accept')
    const handshake = this.#handshake!
    handshake.decide(options?.subprotocol, this.#route.options.subprotocols, options?.headers)
    handshake.release()
    const raw = this.#route.upgrade(this.request, this.#reply!)
    if (raw === null) {
      handshake.gone = true
      this.#endHandshake()
      throw this.unavailable()
    }
    this.socket = new Socket(raw, handshake.stream, this.#route.options, this)
    handshake.complete(this.#reply!.raw)
    this.#leaveHandshake()
    this.#route.accepted(this)
    raw.resume()
    return this
  }

  async #deny (statusCode: number, payload: unknown, headers: HeadersLike | undefined): Promise<void> {
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
      throw new WebSocketOptionError(`deny: the status is ${String(statusCode)}: use one from 200 to 599`)
    }
    const pairs = headerPairs(headers)
    this.#mustBeConnecting('deny')
    const reply = this.#reply!
    this.#beginRefusal()
    this.#answer!.resolve(reply)
    reply.code(statusCode)
    for (const [name, values] of byName(pairs)) reply.header(name, values.length === 1 ? values[0] : values)
    try {
      reply.send(payload)
    } catch (error) {
      reply.send(error as Error) // the payload cannot be sent: as on an HTTP route, that is the response
      throw error
    }
    await this.closed
  }

  #mustBeConnecting (verb: string): void {
    if (this.accepted) throw new WebSocketHandshakeError(`${verb}: the handshake is complete already`)
    if (this.#state !== 'connecting') throw this.unavailable()
  }

  /**
   * The handshake ends with a response: from here on the session is closing, and closed when the response has been
   * sent.
   */
  #beginRefusal (): void {
    this.#state = 'closing'
    this.#stopTimer()
    this.#handshake!.refuse()
  }

  #timeOut (): void {
    const { handshakeTimeout } = this.#route.options
    this.refuse(new WebSocketHandshakeError(`neither accept() nor deny() within ${handshakeTimeout} ms (handshakeTimeout)`, { statusCode: 503 }))
  }

  #endHandshake (): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#clientLeft = this.#handshake!.gone
    this.#leaveHandshake()
    this.finish(new WebSocketDisconnect(1006, '', false))
  }

  #leaveHandshake (): void {
    this.#stopTimer()
    this.#answer!.resolve(undefined)
    this.#handshake = this.#reply = this.#answer = null
  }

  #stopTimer (): void {
    clearTimeout(this.#timer!)
    this.#timer = null
  }

  #deliverSlowly (publication: Publication): void {
    const { slowSubscriber, sendHighWaterMark, maxBufferedAmount } = this.#route.options
    const { bufferedAmount } = this
    if (this.state !== 'open') return
    if (slowSubscriber === 'skip' && bufferedAmount >= sendHighWaterMark) {
      this.skipped++
    } else if (slowSubscriber === 'close' && bufferedAmount > maxBufferedAmount) {
      this.#leaveTopics()
      this.close(closeCodes.TRY_AGAIN_LATER, 'too slow')
    } else {
      this.socket!.outbox.forceShare(publication)
    }
  }

  #leaveTopics (): void {
    if (this.#topics === null) return
    for (const topic of this.#topics) this.#route.topics.remove(topic, this)
    this.#topics = null
  }

  #attempt (operation: () => void): Promise<void> {
    try {
      operation()
      return Promise.resolve()
    } catch (error) {
      return rejected(error)
    }
  }
}

// What the client says may be no URL: it can leave `Host` out or put anything there, and give the whole URL as the
// target of its request (RFC 9112, section 3.2.2).
function urlOf ({ protocol, host, originalUrl }: FastifyRequest): URL {
  const origin = `${protocol === 'https' ? 'wss' : 'ws'}://${host}`
  return new URL(`${URL.canParse(origin) ? origin : 'ws://localhost'}${originalUrl.replace(/^https?:\/\/[^/?]*/i, '')}`)
}

function byName (pairs: HeaderPairs): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    values.set(key, [...values.get(key) ?? [], value])
  }
  return values
}
