import { nextTurn } from '../base/clock'
import { rejected } from '../base/deferred'
import { flushAfterTurn } from '../base/end-of-turn'
import { payloadLength } from '../protocol/frame'
import { createWriter, type Writer } from '../protocol/frame-writer'
import { settle } from '../protocol/multicast'
import { Congestion } from './congestion'
import type { Duplex } from 'node:stream'
import type { ConnectionEnd } from '../base/connection-end'
import type { Payload } from '../codec/encode'
import type { Batch } from '../protocol/prepared-message'
import type { RawWebSocket } from '../../types/raw'

export interface SendQueueOptions {
  /** Bytes. */
  sendHighWaterMark: number
  /** Milliseconds in which something has to drain of what waits: else the connection is terminated. */
  sendTimeout: number
}

/** Who takes the messages that have come before the end of the connection. */
export interface Taker {
  /** Whether it has not got to the end yet, but goes on. */
  readonly isCatchingUp: boolean
}

const SENT = Promise.resolve()
const OPEN = 1

/**
 * What is sent: written in order, one write a turn, and no faster than the peer drains it.
 */
export class SendQueue {
  /** In how many turns something was sent. */
  turns = 0
  readonly #raw: RawWebSocket
  readonly #stream: Duplex
  readonly #options: SendQueueOptions
  readonly #writer: Writer
  #congestion: Congestion | null = null
  #isHeld = false
  /** The bytes that wait, as long as a turn lasts: in a turn nothing drains. */
  #waiting = 0
  #end: ConnectionEnd | null = null
  #taker!: Taker

  constructor (raw: RawWebSocket, stream: Duplex, options: SendQueueOptions) {
    this.#raw = raw
    this.#stream = stream
    this.#writer = createWriter(raw, stream)
    this.#options = options
  }

  /** Bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    settle()
    return this.#writer.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait, else when they have drained.
   * Rejects with the connection's `WebSocketDisconnect` when it is closing or ends first; but resolves, in another turn
   * and without effect, for who catches up with what came before that end.
   */
  send (payload: Payload): Promise<void> {
    if (this.#raw.readyState === OPEN && this.post(payload)) return SENT
    if (this.#end !== null) return this.#taker.isCatchingUp ? new Promise((resolve) => nextTurn(resolve)) : rejected(this.#end.during('send'))
    return this.#congested().drain(this.#raw.readyState === OPEN)
  }

  /** Sends one message on an open connection, and tells whether fewer than `sendHighWaterMark` bytes wait now. */
  post (payload: Payload): boolean {
    settle()
    this.#beginTurn()
    if (this.#fits(payload)) {
      this.#waiting += this.#writer.add(payload)
      return true
    }
    this.#waiting += this.#writer.add(payload, this.#congested().add())
    return false
  }

  /** Sends what was published, if fewer than `mark` bytes wait then; tells whether it has. */
  share (batch: Batch, mark: number): boolean {
    if (this.#raw.readyState !== OPEN) return false
    this.#beginTurn()
    if (this.#waiting + batch.byteLength >= mark) return false
    this.#waiting += this.#writer.share(batch)
    return true
  }

  /** Sends what was published, whatever waits. */
  forceShare (batch: Batch): void {
    this.#beginTurn()
    this.#waiting += this.#writer.share(batch, this.#congested().add())
  }

  /** How much has drained, when more than the mark waits: see `Congestion`. */
  get drained (): number {
    return this.#congested().drained
  }

  /** Gives the kernel what it takes of that which waits, before the turn ends. */
  write (): void {
    this.#writer.flush()
    this.#waiting = this.#writer.bufferedAmount
  }

  /** Writes what is held back, now. */
  flush (): void {
    settle()
    this.#isHeld = false
    this.#writer.flush()
  }

  /** Nothing can be sent any more: who waits is given the error of `end`, unless `taker` is catching up. */
  end (end: ConnectionEnd, taker: Taker): void {
    this.#end = end
    this.#taker = taker
    this.#congestion?.end(taker.isCatchingUp ? null : end.during('send'))
  }

  #beginTurn (): void {
    if (this.#isHeld) return
    this.#isHeld = true
    this.turns++
    this.#waiting = this.#writer.bufferedAmount
    flushAfterTurn(this)
  }

  #fits (payload: Payload): boolean {
    const room = this.#options.sendHighWaterMark - this.#waiting
    if (typeof payload === 'string' && payload.length * 3 < room) return true // a UTF-16 unit is at most 3 bytes of UTF-8
    return payloadLength(payload) < room
  }

  #congested (): Congestion {
    this.#congestion ??= new Congestion(this.#raw, this.#stream, this.#options.sendTimeout)
    return this.#congestion
  }
}
