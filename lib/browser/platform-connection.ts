import { ABNORMAL_CLOSURE, NO_STATUS_RECEIVED } from '../base/close-codes'
import { afterTurn } from '../base/clock'
import { cutReason } from '../base/closing'
import { ConnectionEnd } from '../base/connection-end'
import { Deferred, rejected } from '../base/deferred'
import { ReceiveQueue, type Flow } from '../connection/receive-queue'
import { OPEN, type PlatformSocket } from './platform-socket'
import type { State } from '../base/state'
import type { Message } from '../codec/decode'
import type { Payload } from '../codec/encode'
import type { ChannelConnection } from '../connection/channel'
import type { Owner } from '../connection/connection'

export interface PlatformConnectionOptions {
  /** Bytes. `send` waits while more are buffered. Default: 64 KiB. */
  sendHighWaterMark?: number
  /** Bytes. The connection is closed when more are received and not taken. Default: 1 MiB. */
  receiveLimit?: number
}

const SENT = Promise.resolve()

/** Milliseconds between two looks at the bytes that are buffered. No event tells when they have drained. */
const LOOK = 10

/** Milliseconds after which a closing handshake is forced to its end, and a failed connection is taken for closed. */
const CLOSE_TIMEOUT = 5_000

/** The close code for a receiver that takes its messages too slowly. A page cannot make the server wait. */
const RECEIVE_LIMIT_EXCEEDED = 4008

/** An open connection over the platform's own `WebSocket`, which has the queue of the sent messages. */
export class PlatformConnection implements ChannelConnection, Flow {
  readonly receiveQueue: ReceiveQueue
  readonly sendQueue = this
  end: ConnectionEnd | null = null
  readonly #socket: PlatformSocket
  readonly #highWaterMark: number
  readonly #owner: Owner
  /** Settles the sends that wait for bytes to drain; null if none waits. */
  #drained: Deferred<void> | null = null
  /** The end that this side has begun; null until then. */
  #ownEnd: ConnectionEnd | null = null
  #closeTimer?: ReturnType<typeof setTimeout>
  #lookTimer?: ReturnType<typeof setTimeout>

  /** `socket` has just opened. `owner.finish` is called once, when the connection has ended. */
  constructor (socket: PlatformSocket, { sendHighWaterMark = 65_536, receiveLimit = 1_048_576 }: PlatformConnectionOptions, owner: Owner) {
    this.receiveQueue = new ReceiveQueue(receiveLimit, this)
    this.#socket = socket
    this.#highWaterMark = sendHighWaterMark
    this.#owner = owner
    socket.onmessage = ({ data }) => {
      const message = typeof data === 'string' ? data : new Uint8Array(data) as Message
      this.receiveQueue.push(message, message.length)
    }
    socket.onclose = ({ code, reason, wasClean }) => this.finish(code, reason, wasClean)
    socket.onerror = () => this.#limitClose() // 'close' follows, but not on every platform
  }

  get state (): State {
    if (this.end !== null) return 'closed'
    return this.#socket.readyState === OPEN ? 'open' : 'closing' // a closed socket is closing until its event `close`
  }

  get protocol (): string {
    return this.#socket.protocol
  }

  get bufferedAmount (): number {
    return this.#socket.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while at most `sendHighWaterMark` bytes are buffered, otherwise when no more are. Rejects with
   * the connection's `WebSocketDisconnect` at once after `close`, and when the connection has ended if it is closing otherwise or
   * ends first. While the messages that came before the end are being taken, `send` resolves in another task, without effect.
   */
  send (payload: Payload): Promise<void> {
    const end = this.end ?? this.#ownEnd
    if (end !== null) return this.#sentAfter(end)
    if (this.state === 'open') this.#socket.send(sendable(payload))
    if (this.#hasDrained) return SENT
    if (this.#drained === null) {
      this.#drained = new Deferred()
      this.#look()
    }
    return this.#drained.promise
  }

  #sentAfter (end: ConnectionEnd): Promise<void> {
    return this.receiveQueue.isCatchingUp ? afterTurn() : rejected(end.during('send'))
  }

  /** Whether another message may be sent. The bytes of a socket that is closing do not drain: its sends wait for the end. */
  get #hasDrained (): boolean {
    return this.state === 'open' && this.bufferedAmount <= this.#highWaterMark
  }

  #look (): void {
    if (this.#hasDrained) {
      this.#drained!.resolve()
      this.#drained = null
    } else {
      this.#lookTimer = setTimeout(() => this.#look(), LOOK)
    }
  }

  close (code: number | null, reason: string): void {
    this.receiveQueue.discard()
    this.#beginClose(code, reason)
  }

  /** More than `receiveLimit` bytes wait. The messages that have arrived can still be taken. */
  pause (): void {
    this.receiveQueue.seal()
    this.#beginClose(RECEIVE_LIMIT_EXCEEDED, 'more messages wait than receiveLimit allows')
  }

  resume (): void {}

  #beginClose (code: number | null, reason: string): void {
    const cut = cutReason(reason)
    this.#ownEnd ??= new ConnectionEnd(code ?? NO_STATUS_RECEIVED, cut, false)
    if (code === null) this.#socket.close()
    else this.#socket.close(code, cut)
    this.#limitClose()
  }

  #limitClose (): void {
    this.#closeTimer ??= setTimeout(() => this.finish(), CLOSE_TIMEOUT)
  }

  /** Ends the connection for good. `code` is 0 for an end without a close frame, as in the event `close` of Deno. */
  finish (code = 0, reason = '', wasClean = false): void {
    if (this.end !== null) return
    clearTimeout(this.#closeTimer)
    clearTimeout(this.#lookTimer)
    const end = this.end = new ConnectionEnd(code || ABNORMAL_CLOSURE, reason, wasClean)
    this.receiveQueue.end(end, this.#ownEnd !== null ? 0 : CLOSE_TIMEOUT)
    this.#drained?.follow(this.#sentAfter(end))
    this.#owner.finish(end)
  }
}

/** Returns `payload`, or a copy of bytes in memory that a `WebSocket` does not take: shared memory, and memory that can be resized. */
function sendable (payload: Payload): Payload {
  if (typeof payload === 'string') return payload
  const { buffer } = payload as { buffer: ArrayBufferLike & { readonly resizable?: boolean } }
  return buffer instanceof ArrayBuffer && buffer.resizable !== true ? payload : payload.slice()
}
