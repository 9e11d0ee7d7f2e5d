import { ABNORMAL_CLOSURE } from '../base/close-codes'
import { cutReason } from '../base/closing'
import { ConnectionEnd } from '../base/connection-end'
import { ReceiveQueue, type Flow } from '../connection/receive-queue'
import { PlatformSendQueue } from './platform-send-queue'
import type { State } from '../base/state'
import type { Message } from '../codec/decode'
import type { ChannelConnection } from '../connection/channel'
import type { Owner } from '../connection/connection'
import type { PlatformSocket } from './platform-socket'

export interface PlatformConnectionOptions {
  /** Bytes. `send` waits while more are buffered. */
  sendHighWaterMark: number
  /** Bytes. The connection is closed when more are received and not taken. */
  receiveLimit: number
}

/** The names of the values of `readyState`. A socket that has closed is closing until its event `close` has been dispatched. */
const STATES: readonly State[] = ['connecting', 'open', 'closing', 'closing']

/** Milliseconds after which a closing handshake is forced to its end, and a failed connection is taken for closed. */
const CLOSE_TIMEOUT = 5_000

/** The close code for a receiver that takes its messages too slowly. A page cannot make the server wait. */
const RECEIVE_LIMIT_EXCEEDED = 4008

/** An open connection over the platform's own `WebSocket`. */
export class PlatformConnection implements ChannelConnection, Flow {
  readonly receiveQueue: ReceiveQueue
  readonly sendQueue: PlatformSendQueue
  end: ConnectionEnd | null = null
  readonly #socket: PlatformSocket
  readonly #owner: Owner
  #hasBegunClose = false
  #timer?: ReturnType<typeof setTimeout>

  /** `socket` has just opened. `owner.finish` is called once, when the connection has ended. */
  constructor (socket: PlatformSocket, { sendHighWaterMark, receiveLimit }: PlatformConnectionOptions, owner: Owner) {
    this.receiveQueue = new ReceiveQueue(receiveLimit, this)
    this.sendQueue = new PlatformSendQueue(socket, sendHighWaterMark)
    this.#socket = socket
    this.#owner = owner
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.receiveQueue.push(data, data.length)
      else this.receiveQueue.push(new Uint8Array(data) as Message, data.byteLength)
    }
    socket.onclose = ({ code, reason, wasClean }) => this.#finish(code, reason, wasClean)
    socket.onerror = () => this.#limitClose() // 'close' follows, but not on every platform
  }

  get state (): State {
    return this.end === null ? STATES[this.#socket.readyState] : 'closed'
  }

  get protocol (): string {
    return this.#socket.protocol
  }

  close (code: number | null, reason: string): void {
    this.receiveQueue.discard()
    this.#beginClose(code, reason)
  }

  /** Gives the connection up, because the server is gone: it has ended without an answer to the close frame. */
  abandon (code: number, reason: string): void {
    this.close(code, reason)
    this.#finish(0, '', false)
  }

  /** More than `receiveLimit` bytes wait. The messages that have arrived can still be taken. */
  pause (): void {
    this.receiveQueue.seal()
    this.#beginClose(RECEIVE_LIMIT_EXCEEDED, 'more messages wait than receiveLimit allows')
  }

  resume (): void {}

  #beginClose (code: number | null, reason: string): void {
    this.#hasBegunClose = true
    if (code === null) this.#socket.close()
    else this.#socket.close(code, cutReason(reason))
    this.#limitClose()
  }

  #limitClose (): void {
    this.#timer ??= setTimeout(() => this.#finish(0, '', false), CLOSE_TIMEOUT)
  }

  /** `code` is 0 for an end without a close frame, as in the event `close` of Deno. */
  #finish (code: number, reason: string, wasClean: boolean): void {
    if (this.end !== null) return
    clearTimeout(this.#timer)
    const end = this.end = new ConnectionEnd(code || ABNORMAL_CLOSURE, reason, wasClean)
    this.receiveQueue.end(end, this.#hasBegunClose ? 0 : CLOSE_TIMEOUT)
    this.sendQueue.end(end, this.receiveQueue)
    this.#owner.finish(end)
  }
}
