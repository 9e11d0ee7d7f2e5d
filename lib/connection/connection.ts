import { closeCodes } from '../base/close-codes'
import { Deferred, rejected } from '../base/deferred'
import { Queue } from '../base/queue'
import { timers } from '../base/timers'
import { deliver, type Recipient } from '../protocol/recipient'
import { CloseHandshake } from './close-handshake'
import { Heartbeat, type CountingStream, type HeartbeatOptions } from './heartbeat'
import { IdleTimeout } from './idle-timeout'
import { RateLimit, type RateLimitOptions } from './rate-limit'
import { ReceiveQueue, type Flow } from './receive-queue'
import { SendQueue } from './send-queue'
import type { Duplex } from 'node:stream'
import type { ConnectionEnd } from '../base/connection-end'
import type { State } from '../base/state'
import type { ChannelWebSocket } from '../protocol/websocket'
import type { RawWebSocket } from '../../types/raw'

/** The limits of a connection, in bytes and milliseconds. */
export interface ConnectionOptions {
  receiveHighWaterMark: number
  sendHighWaterMark: number
  sendTimeout: number
  closeTimeout: number
  heartbeat?: HeartbeatOptions | false
  idleTimeout?: number | false
  rateLimit?: RateLimitOptions | false
}

/** The owner of a connection: a session or a client. */
export interface Owner {
  /** The connection has ended. */
  finish (end: ConnectionEnd): void
  /** A limit ends the connection. `reason` names the limit. */
  reportLimit? (reason: string): void
}

const kConnection = Symbol('fastify-async-websocket.connection')

interface Wired extends RawWebSocket, Partial<Pick<ChannelWebSocket, 'oversize'>> { [kConnection]?: Connection }

/** Returns the owner of the connection on `raw`; undefined if `raw` has no owner, and when the connection has ended. */
export function ownerOf (raw: RawWebSocket): Owner | undefined {
  return (raw as Wired)[kConnection]?.owner
}

/** The names of the values of `readyState` of `ws`. */
const STATES: readonly State[] = ['connecting', 'open', 'closing', 'closed']

interface Ping {
  number: number
  sentAt: number
  pong: Deferred<number>
}

/**
 * An open connection: one `ws` socket with a receive queue and a send queue. The listeners on the socket run no code of the user
 * except decoders, whose errors go to their readers.
 */
export class Connection {
  readonly raw: RawWebSocket
  readonly receiveQueue: ReceiveQueue
  readonly sendQueue: SendQueue
  readonly owner: Owner
  #pings: Queue<Ping> | null = null
  #pingCount = 0
  #heartbeat: Heartbeat | null = null
  readonly #closing: CloseHandshake
  readonly #closeTimeout: number

  /**
   * `stream` is the stream that `raw` reads and writes. `owner.finish` is called once, when the connection has ended. `flow` is
   * paused while the receive queue is full.
   */
  constructor (raw: RawWebSocket, stream: Duplex, options: ConnectionOptions, owner: Owner, flow: Flow = raw) {
    const { heartbeat, idleTimeout, rateLimit } = options
    const limit = rateLimit ? new RateLimit(rateLimit, flow) : null
    this.raw = raw
    this.#closing = new CloseHandshake(raw)
    this.#closeTimeout = options.closeTimeout
    this.receiveQueue = new ReceiveQueue(options.receiveHighWaterMark, limit ?? flow)
    this.sendQueue = new SendQueue(raw, stream, options)
    this.owner = owner
    ;(raw as Wired)[kConnection] = this
    raw.on('error', rawOnError)
    raw.on('close', rawOnClose)
    // The streams of `injectWS` of @fastify/websocket do not count, and their clients answer no pings.
    if (heartbeat && 'bytesRead' in stream) this.#heartbeat = new Heartbeat(this, stream as Duplex & CountingStream, heartbeat)
    const recipient = limit === null ? this.receiveQueue : this.#withRateLimit(limit)
    deliver(raw, idleTimeout ? this.#withIdleTimeout(idleTimeout, stream, recipient) : recipient)
  }

  /** How the connection ended; null until then. */
  get end (): ConnectionEnd | null {
    return this.#closing.end
  }

  get state (): State {
    return STATES[this.raw.readyState]
  }

  /**
   * Starts the closing handshake after the messages that have been sent, without a close code if `code` is null. Messages that
   * wait or still arrive are discarded. `ws` forces the end after its `closeTimeout`.
   */
  close (code: number | null, reason: string): void {
    this.receiveQueue.discard()
    this.#closing.begin({ code, reason })
  }

  /** Starts the closing handshake because the peer breaks a limit. The messages that have arrived can still be taken. */
  cutOff (code: number, reason: string): void {
    if (this.state !== 'open') return
    this.owner.reportLimit?.(reason)
    this.receiveQueue.seal()
    this.#closing.begin({ code, reason })
  }

  /** Drops the connection, because the peer is gone. */
  lose (reason: string): void {
    this.owner.reportLimit?.(reason)
    this.fail(new Error(reason))
    this.terminate()
  }

  /** Drops the connection at once. The messages that were sent before are written first, as far as the kernel takes them. */
  terminate (): void {
    this.sendQueue.flush()
    this.raw.terminate()
  }

  /** Sends a ping. Resolves with the round trip in milliseconds, or rejects with the connection's `WebSocketDisconnect`. */
  ping (): Promise<number> {
    if (this.end !== null) return rejected(this.end.during('ping'))
    const ping = { number: ++this.#pingCount, sentAt: performance.now(), pong: new Deferred<number>() }
    this.#pings ??= this.#awaitPongs()
    this.#pings.push(ping)
    if (this.state === 'open') this.raw.ping(String(ping.number))
    return ping.pong.promise
  }

  /**
   * Sends a ping whose pong is not awaited. Since a pong may answer only the most recent ping, this ping has the number of the
   * last `ping()`, and its pong settles the pings before it.
   */
  beat (): void {
    this.raw.ping(String(this.#pingCount))
  }

  /** The connection has broken; its end follows. */
  fail (error: Error): void {
    this.#closing.fail(error)
  }

  /** The connection has ended. */
  finish (code: number, reason: Buffer): void {
    const end = this.#closing.finish(code, reason)
    if (this.#heartbeat !== null) timers.remove(this.#heartbeat)
    // Readers take the messages that came before the end, unless this side has begun the end: then nobody waits for them.
    this.receiveQueue.end(end, this.#closing.isBegunHere ? 0 : this.#closeTimeout)
    this.sendQueue.end(end, this.receiveQueue)
    for (let ping = this.#pings?.shift(); ping !== undefined; ping = this.#pings?.shift()) ping.pong.reject(end.during('ping'))
    this.owner.finish(end)
    ;(this.raw as Wired)[kConnection] = undefined
  }

  #withRateLimit (limit: RateLimit): Recipient {
    return {
      push: (message, bytes) => {
        if (limit.take()) this.receiveQueue.push(message, bytes)
        else this.cutOff(closeCodes.POLICY_VIOLATION, limit.reason)
      }
    }
  }

  #withIdleTimeout (milliseconds: number, stream: Duplex, recipient: Recipient): Recipient {
    const idleTimeout = new IdleTimeout(this, stream, milliseconds, recipient)
    this.raw.on('close', () => timers.remove(idleTimeout))
    return idleTimeout
  }

  #awaitPongs (): Queue<Ping> {
    this.raw.on('pong', rawOnPong)
    return new Queue()
  }

  // RFC 6455, section 5.5.3: a pong may answer only the most recent ping, so the pong settles the pings before it as well.
  settlePings (data: Buffer): void {
    const answered = Number(data.toString())
    if (this.#pings === null || !(answered <= this.#pingCount)) return // unsolicited
    const now = performance.now()
    while (this.#pings.first !== undefined && this.#pings.first.number <= answered) {
      const ping = this.#pings.shift()!
      ping.pong.resolve(now - ping.sentAt)
    }
  }
}

// All connections share these listeners. A listener finds the connection in its socket.

function rawOnError (this: Wired, error: Error): void {
  const connection = this[kConnection]
  if (this.oversize !== undefined) connection?.owner.reportLimit?.(this.oversize)
  connection?.fail(error)
}

function rawOnClose (this: Wired, code: number, reason: Buffer): void {
  this[kConnection]?.finish(code, reason)
}

function rawOnPong (this: Wired, data: Buffer): void {
  this[kConnection]?.settlePings(data)
}
