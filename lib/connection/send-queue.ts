import { afterTurn } from '../base/clock'
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
  /** Milliseconds. The connection is terminated if a `send` waits and no byte drains for so long. */
  sendTimeout: number
}

/** The receive queue, for the send queue. */
export interface Taker {
  /** Whether the handler still takes the messages that came before the end of the connection. */
  readonly isCatchingUp: boolean
}

const SENT = Promise.resolve()
const OPEN = 1

/** Sends messages in order, with one write per turn of the event loop, and no faster than the peer drains them. */
export class SendQueue {
  /** The number of turns of the event loop in which a message was sent. */
  turns = 0
  readonly #raw: RawWebSocket
  readonly #stream: Duplex
  readonly #options: SendQueueOptions
  readonly #writer: Writer
  #congestion: Congestion | null = null
  #isHeld = false
  /** The bytes that wait to be written, valid within a turn. Nothing drains during a turn. */
  #waiting = 0
  #end: ConnectionEnd | null = null
  #taker!: Taker

  constructor (raw: RawWebSocket, stream: Duplex, options: SendQueueOptions) {
    this.#raw = raw
    this.#stream = stream
    this.#writer = createWriter(raw, stream)
    this.#options = options
  }

  /** The bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    settle()
    return this.#writer.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait, otherwise when the waiting bytes have
   * drained. Rejects with the connection's `WebSocketDisconnect` if the connection is closing or ends first. While the handler
   * catches up with the messages that came before the end, `send` resolves in another turn, without effect.
   */
  send (payload: Payload): Promise<void> {
    if (this.#raw.readyState === OPEN && this.post(payload)) return SENT
    if (this.#end !== null) return this.#taker.isCatchingUp ? afterTurn() : rejected(this.#end.during('send'))
    return this.#congested().drain(this.#raw.readyState === OPEN)
  }

  /** Sends one message on an open connection. Returns whether fewer than `sendHighWaterMark` bytes wait now. */
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

  /** Sends published messages if fewer than `mark` bytes wait with them. Returns whether they were sent. */
  share (batch: Batch, mark: number): boolean {
    if (this.#raw.readyState !== OPEN) return false
    this.#beginTurn()
    if (this.#waiting + batch.byteLength >= mark) return false
    this.#waiting += this.#writer.share(batch)
    return true
  }

  /** Sends published messages, however many bytes wait. */
  forceShare (batch: Batch): void {
    this.#beginTurn()
    this.#waiting += this.#writer.share(batch, this.#congested().add())
  }

  /** How much has drained (see `Congestion`). */
  get drained (): number {
    return this.#congested().drained
  }

  /** Hands the waiting bytes to the kernel before the turn ends, as many as the kernel takes. */
  write (): void {
    this.#writer.flush()
    this.#waiting = this.#writer.bufferedAmount
  }

  /** Writes the messages that are held back, at the end of the turn or before. */
  flush (): void {
    settle()
    this.#isHeld = false
    this.#writer.flush()
  }

  /** Ends the queue. The sends that wait reject with the error of `end`, or resolve if `taker` is catching up. */
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
