import { Duplex } from 'node:stream'
import { closeCodes } from '../base/close-codes'
import { cutReason } from '../base/closing'
import { ConnectionEnd } from '../base/connection-end'
import { Deferred, rejected } from '../base/deferred'
import { Queue } from '../base/queue'
import { timers } from '../base/timers'
import { attach } from '../protocol/attach'
import { Endpoint, type EndpointOwner } from '../protocol/endpoint'
import { NAME as DEFLATE } from '../protocol/extension'
import { opcodes } from '../protocol/frame'
import { SessionWebSocket } from '../protocol/websocket'
import { Heartbeat, type HeartbeatOptions } from './heartbeat'
import { IdleTimeout } from './idle-timeout'
import { LifeSigns } from './life-signs'
import { RateLimit, type RateLimitOptions } from './rate-limit'
import { ReceiveQueue } from './receive-queue'
import { SendQueue } from './send-queue'
import type { FastifyRequest } from 'fastify'
import type { State } from '../base/state'
import type { Message } from '../codec/decode'
import type { Traffic } from '../observe/counters'
import type { Actor, RouteObserver } from '../observe/route-observer'
import type { Compression } from '../protocol/compression'
import type { SentObserver } from '../protocol/frame-writer'
import type { Recipient } from '../protocol/recipient'
import type { Violation } from '../protocol/violation'

/** The limits of a connection, in bytes and milliseconds. */
export interface ConnectionOptions {
  maxPayload: number
  receiveHighWaterMark: number
  sendHighWaterMark: number
  sendTimeout: number
  closeTimeout: number
  heartbeat?: HeartbeatOptions | false
  idleTimeout?: number | false
  rateLimit?: RateLimitOptions | false
}

/** What the opening handshake has agreed on. */
export interface Negotiated {
  isServer: boolean
  /** The subprotocol, or `''`. */
  protocol: string
  compression: Compression | null
}

/** The owner of a connection: a session or a client. */
export interface Owner {
  /** The connection has ended. */
  finish (end: ConnectionEnd): void
  /** A limit ends the connection. `reason` names the limit. */
  reportLimit? (reason: string): void
  /** Observes the connection, on the side of a server. */
  readonly observer?: RouteObserver
  readonly request?: FastifyRequest
}

/** The names of the values of `readyState`. */
const STATES: readonly State[] = ['connecting', 'open', 'closing', 'closed']

interface Ping {
  number: number
  sentAt: number
  pong: Deferred<number>
}

/**
 * An open connection: an endpoint with a receive queue and a send queue. What the endpoint calls runs no code of the user except
 * decoders, whose errors go to their readers, and guarded listeners on `raw`.
 */
export class Connection implements EndpointOwner, Recipient, SentObserver {
  readonly endpoint: Endpoint
  readonly receiveQueue: ReceiveQueue
  readonly sendQueue: SendQueue
  readonly owner: Owner
  /** The negotiated subprotocol, or `''`. */
  readonly protocol: string
  /** How the connection ended; null until then. */
  end: ConnectionEnd | null = null
  /** Whether the connection was dropped because the peer is gone. */
  isLost = false
  /** The time at which the connection began (see `performance.now`). */
  readonly openedAt = performance.now()
  readonly #extensions: string
  readonly #closeTimeout: number
  #raw: SessionWebSocket | null = null
  #pings: Queue<Ping> | null = null
  #pingCount = 0
  #heartbeat: Heartbeat | null = null
  #idleTimeout: IdleTimeout | null = null
  /** Whether this side has begun the closing handshake. */
  #hasBegunClose = false
  #error: Error | undefined
  #hasFailed = false

  /** `stream` has been read as far as the opening handshake. `owner.finish` is called once, when the connection has ended. */
  constructor (stream: Duplex, { isServer, protocol, compression }: Negotiated, options: ConnectionOptions, owner: Owner) {
    const { closeTimeout } = options
    this.endpoint = new Endpoint(stream, { isServer, closeTimeout, maxPayload: options.maxPayload, compression }, this)
    this.protocol = protocol
    this.#extensions = compression === null ? '' : DEFLATE
    this.#closeTimeout = closeTimeout
    this.owner = owner
    const limit = options.rateLimit ? new RateLimit(options.rateLimit, this.endpoint) : null
    this.receiveQueue = new ReceiveQueue(options.receiveHighWaterMark, limit ?? (isServer ? this.endpoint : new LifeSigns(this.endpoint)))
    this.sendQueue = new SendQueue(this.endpoint, options)
    this.endpoint.parser.recipient = this.#createRecipient(limit, options)
    if (owner.observer !== undefined) this.endpoint.parser.observer = this.endpoint.writer.observer = this
    // The clients of `injectWS` of @fastify/websocket answer no pings. Their streams are no streams of Node.
    if (options.heartbeat && stream instanceof Duplex) this.#heartbeat = new Heartbeat(this, this.endpoint, options.heartbeat)
    attach(this.endpoint)
  }

  /** The code with which this side has begun the closing handshake; null if it has not, or without a code. */
  get sentCode (): number | null {
    return this.endpoint.sentCode
  }

  /** Whether this side has failed the connection, with a close frame. The answer of the peer is not read (RFC 6455, section 7.1.7). */
  get hasFailed (): boolean {
    return this.#hasFailed && this.endpoint.isCloseSent
  }

  get state (): State {
    return STATES[this.endpoint.readyState]
  }

  /** The messages of the connection so far. */
  get traffic (): Traffic {
    const { receiveQueue, endpoint: { writer } } = this
    return {
      received: { messages: receiveQueue.messages, bytes: receiveQueue.bytes },
      sent: { messages: writer.messages, bytes: writer.bytes }
    }
  }

  /** Passes a received message on, and tells the owner of it if it has reached the receive queue. */
  push (message: Message, bytes: number): void {
    const { receiveQueue, endpoint: { parser } } = this
    const { messages } = receiveQueue
    const { isText } = parser
    parser.recipient.push(message, bytes)
    if (receiveQueue.messages > messages) this.owner.observer!.received(this.owner as Actor, bytes, isText)
  }

  /** A message has been sent, and somebody listens. */
  sent (size: number, isText: boolean): void {
    this.owner.observer!.sent(this.owner as Actor, size, isText)
  }

  /** The connection as a socket of `ws`. Its listeners get what arrives from now on, after the receive queue. */
  get raw (): SessionWebSocket {
    this.#raw ??= this.#createRaw()
    return this.#raw
  }

  /**
   * Begins the closing handshake after the messages that have been sent, without a close code if `code` is null. Messages that
   * wait or still arrive are discarded. `reason` is cut to the 123 bytes that a close frame takes.
   */
  close (code: number | null, reason: string): void {
    this.receiveQueue.discard()
    this.#beginClose(code, reason)
  }

  /** Begins the closing handshake because the peer breaks a limit. The messages that have arrived can still be taken. */
  cutOff (code: number, reason: string): void {
    if (this.state !== 'open') return
    this.owner.reportLimit?.(reason)
    this.receiveQueue.seal()
    this.#beginClose(code, reason)
  }

  /** Drops the connection, because the peer is gone. */
  lose (reason: string): void {
    this.owner.reportLimit?.(reason)
    this.isLost = true
    this.#error = new Error(reason)
    this.terminate()
  }

  /** Drops the connection at once. The messages that were sent before are written first, as far as the kernel takes them. */
  terminate (): void {
    this.endpoint.terminate()
  }

  /** Sends a ping. Resolves with the round trip in milliseconds, or rejects with the connection's `WebSocketDisconnect`. */
  ping (): Promise<number> {
    if (this.end !== null) return rejected(this.end.during('ping'))
    const ping = { number: ++this.#pingCount, sentAt: performance.now(), pong: new Deferred<number>() }
    this.#pings ??= new Queue()
    this.#pings.push(ping)
    if (this.state === 'open') this.endpoint.ping(String(ping.number))
    return ping.pong.promise
  }

  /**
   * Sends a ping whose pong is not awaited. Since a pong may answer only the most recent ping, this ping has the number of the
   * last `ping()`, and its pong settles the pings before it.
   */
  beat (): void {
    if (this.state === 'open') this.endpoint.ping(String(this.#pingCount)) // else the stream may have been ended
  }

  onControl (opcode: number, data: Buffer): void {
    if (opcode === opcodes.PONG) this.#settlePings(data)
    this.#raw?.emit(opcode === opcodes.PING ? 'ping' : 'pong', Buffer.from(data))
  }

  onViolation ({ error, reason }: Violation, isCause: boolean): void {
    this.#error = error
    this.#hasFailed = isCause
    if (isCause && reason !== '') this.owner.reportLimit?.(reason)
    this.#raw?.fail(error)
  }

  onClose (code: number, reason: Buffer): void {
    const isClean = this.endpoint.isCloseSent && code !== closeCodes.ABNORMAL_CLOSURE // RFC 6455, section 7.1.4
    const end = this.end = new ConnectionEnd(code, reason.toString(), isClean, this.#error)
    if (this.#heartbeat !== null) timers.remove(this.#heartbeat)
    if (this.#idleTimeout !== null) timers.remove(this.#idleTimeout)
    // Readers take the messages that came before the end, unless this side has begun the end: then nobody waits for them.
    this.receiveQueue.end(end, this.#hasBegunClose || this.endpoint.isTerminated ? 0 : this.#closeTimeout)
    this.sendQueue.end(end, this.receiveQueue)
    for (let ping = this.#pings?.shift(); ping !== undefined; ping = this.#pings?.shift()) ping.pong.reject(end.during('ping'))
    this.owner.finish(end)
    this.#raw?.emit('close', code, reason)
  }

  #beginClose (code: number | null, reason: string): void {
    this.#hasBegunClose = true
    if (this.#raw === null) this.endpoint.parser.discard()
    const cut = cutReason(reason)
    if (this.state === 'open') this.sendQueue.close(new ConnectionEnd(code ?? closeCodes.NO_STATUS_RECEIVED, cut, false))
    this.endpoint.close(code ?? undefined, cut)
  }

  #createRecipient (limit: RateLimit | null, { idleTimeout }: ConnectionOptions): Recipient {
    const recipient = limit === null ? this.receiveQueue : this.#withRateLimit(limit)
    if (!idleTimeout) return recipient
    this.#idleTimeout = new IdleTimeout(this, this.endpoint.stream, idleTimeout, recipient)
    return this.#idleTimeout
  }

  #withRateLimit (limit: RateLimit): Recipient {
    return {
      push: (message, bytes) => {
        if (limit.take()) this.receiveQueue.push(message, bytes)
        else this.cutOff(closeCodes.POLICY_VIOLATION, limit.reason)
      }
    }
  }

  #createRaw (): SessionWebSocket {
    const raw = new SessionWebSocket(this.endpoint, this.protocol, this.#extensions)
    const { parser } = this.endpoint
    const { recipient } = parser
    parser.recipient = {
      push (message, bytes) {
        recipient.push(message, bytes)
        raw.deliver(message, parser.isText)
      }
    }
    return raw
  }

  // RFC 6455, section 5.5.3: a pong may answer only the most recent ping, so the pong settles the pings before it as well.
  #settlePings (data: Buffer): void {
    const answered = Number(data.toString())
    if (this.#pings === null || !(answered <= this.#pingCount)) return // unsolicited
    const now = performance.now()
    while (this.#pings.first !== undefined && this.#pings.first.number <= answered) {
      const ping = this.#pings.shift()!
      ping.pong.resolve(now - ping.sentAt)
    }
  }
}
