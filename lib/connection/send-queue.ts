import { afterTurn } from '../base/clock'
import { rejected } from '../base/deferred'
import { turn } from '../base/end-of-turn'
import { OPEN } from '../protocol/endpoint'
import { payloadLength } from '../protocol/frame'
import { Congestion, type Writing } from './congestion'
import type { ConnectionEnd } from '../base/connection-end'
import type { Payload } from '../codec/encode'
import type { Writer } from '../protocol/frame-writer'
import type { Batch } from '../protocol/prepared-message'

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

/** The part of an endpoint that a send queue uses. */
export interface SendingEndpoint extends Writing {
  readonly readyState: number
  readonly writer: Writer
}

const SENT = Promise.resolve()

/** Sends messages in order, with one write per turn of the event loop, and no faster than the peer drains them. */
export class SendQueue {
  /** The number of turns of the event loop in which a message was sent. */
  turns = 0
  readonly #endpoint: SendingEndpoint
  readonly #options: SendQueueOptions
  #congestion: Congestion | null = null
  /** The turn in which a message was sent last (see `turn`). */
  #turn = -1
  /** The bytes that wait to be written, valid within a turn. Nothing drains during a turn. */
  #waiting = 0
  #end: ConnectionEnd | null = null
  /** Undefined until the connection has ended. */
  #taker: Taker | undefined

  constructor (endpoint: SendingEndpoint, options: SendQueueOptions) {
    this.#endpoint = endpoint
    this.#options = options
  }

  /** The bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    return this.#endpoint.writer.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait, otherwise when the waiting bytes have
   * drained. Rejects with the connection's `WebSocketDisconnect` at once after `close`, and when the connection has ended if it is
   * closing otherwise or ends first. While the handler catches up with the messages that came before the end, `send` resolves in
   * another turn, without effect.
   */
  send (payload: Payload): Promise<void> {
    if (this.#endpoint.readyState === OPEN && this.post(payload)) return SENT
    return this.#drained()
  }

  /** Sends published messages, like `send`. */
  sendShared (batch: Batch): Promise<void> {
    if (this.share(batch, this.#options.sendHighWaterMark)) return SENT
    if (this.#endpoint.readyState === OPEN) this.forceShare(batch)
    return this.#drained()
  }

  #drained (): Promise<void> {
    if (this.#end !== null) return this.#taker?.isCatchingUp === true ? afterTurn() : rejected(this.#end.during('send'))
    return this.#congested().drain(this.#endpoint.readyState === OPEN)
  }

  /** Sends one message on an open connection. Returns whether fewer than `sendHighWaterMark` bytes wait now. */
  post (payload: Payload): boolean {
    this.#beginTurn()
    if (this.#fits(payload) || this.#fitsAfterWrite(payload)) {
      this.#waiting += this.#endpoint.writer.add(payload)
      return true
    }
    this.#waiting += this.#endpoint.writer.add(payload, this.#congested().add())
    return false
  }

  /** Sends published messages if fewer than `mark` bytes wait with them. Returns whether they were sent. */
  share (batch: Batch, mark: number): boolean {
    if (this.#endpoint.readyState !== OPEN) return false
    this.#beginTurn()
    if (this.#waiting + batch.byteLength >= mark) return false
    this.#waiting += this.#endpoint.writer.share(batch)
    return true
  }

  /** Sends published messages, however many bytes wait. */
  forceShare (batch: Batch): void {
    this.#beginTurn()
    this.#waiting += this.#endpoint.writer.share(batch, this.#congested().add())
  }

  /** How much has drained (see `Congestion`). */
  get drained (): number {
    return this.#congested().drained
  }

  /** Hands the waiting bytes to the kernel before the turn ends, as many as the kernel takes. */
  write (): void {
    this.#endpoint.writer.flush()
    this.#waiting = this.#endpoint.writer.bufferedAmount
  }

  /** This side begins the closing handshake. The sends that wait go on; later ones reject with the error of `end`. */
  close (end: ConnectionEnd): void {
    this.#end = end
  }

  /** Ends the queue. The sends that wait reject with the error of `end`, or resolve if `taker` is catching up. */
  end (end: ConnectionEnd, taker: Taker): void {
    this.#end = end
    this.#taker = taker
    this.#congestion?.end(taker.isCatchingUp ? null : end.during('send'))
  }

  #beginTurn (): void {
    if (this.#turn === turn) return
    this.#turn = turn
    this.turns++
    this.#waiting = this.#endpoint.writer.bufferedAmount
  }

  #fits (payload: Payload): boolean {
    const room = this.#options.sendHighWaterMark - this.#waiting
    if (typeof payload === 'string' && payload.length * 3 < room) return true // a UTF-16 unit is at most 3 bytes of UTF-8
    return payloadLength(payload) < room
  }

  /** Hands what this turn has sent to the kernel, unless bytes wait before it. Returns whether `payload` fits then. */
  #fitsAfterWrite (payload: Payload): boolean {
    if (this.#waiting === 0 || this.#endpoint.stream.writableLength > 0) return false
    this.write()
    return this.#fits(payload)
  }

  #congested (): Congestion {
    this.#congestion ??= new Congestion(this.#endpoint, this.#options.sendTimeout)
    return this.#congestion
  }
}
