import { afterTurn } from '../base/clock'
import { Deferred, rejected } from '../base/deferred'
import type { ConnectionEnd } from '../base/connection-end'
import type { Payload } from '../codec/encode'
import type { Taker } from '../connection/send-queue'
import type { PlatformSocket } from './platform-socket'

const OPEN = 1
const SENT = Promise.resolve()

/** Milliseconds from one look at the buffered bytes to the next. A `WebSocket` has no event for bytes that have drained. */
const LOOK = 10

/** Sends messages in order, and no faster than the platform drains them. */
export class PlatformSendQueue {
  readonly #socket: PlatformSocket
  readonly #highWaterMark: number
  /** Settles the sends that wait for bytes to drain; null if none waits. */
  #drained: Deferred<void> | null = null
  #timer?: ReturnType<typeof setTimeout>
  #end: ConnectionEnd | null = null
  #taker!: Taker

  constructor (socket: PlatformSocket, highWaterMark: number) {
    this.#socket = socket
    this.#highWaterMark = highWaterMark
  }

  get bufferedAmount (): number {
    return this.#socket.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while at most `highWaterMark` bytes are buffered, otherwise when no more are. Rejects with
   * the connection's `WebSocketDisconnect` if the connection is closing or ends first. While the messages that came before the end
   * are being taken, `send` resolves in another task, without effect.
   */
  send (payload: Payload): Promise<void> {
    if (this.#end !== null) return this.#taker.isCatchingUp ? afterTurn() : rejected(this.#end.during('send'))
    if (this.#socket.readyState === OPEN) {
      this.#socket.send(sendable(payload))
      if (this.bufferedAmount <= this.#highWaterMark) return SENT
    }
    this.#drained ??= this.#wait()
    return this.#drained.promise
  }

  /** Ends the queue. The sends that wait reject with the error of `end`, or resolve if `taker` is catching up. */
  end (end: ConnectionEnd, taker: Taker): void {
    this.#end = end
    this.#taker = taker
    clearTimeout(this.#timer)
    if (taker.isCatchingUp) this.#drained?.resolve()
    else this.#drained?.reject(end.during('send'))
  }

  #wait (): Deferred<void> {
    this.#lookLater()
    return new Deferred()
  }

  #lookLater (): void {
    this.#timer = setTimeout(() => this.#look(), LOOK)
  }

  // The bytes of a socket that is closing do not drain: its sends wait for the end.
  #look (): void {
    if (this.#socket.readyState !== OPEN || this.bufferedAmount > this.#highWaterMark) return this.#lookLater()
    this.#drained!.resolve()
    this.#drained = null
  }
}

/** Returns `payload`, or a copy of bytes in memory that a `WebSocket` does not take: shared memory, and memory that can be resized. */
function sendable (payload: Payload): Payload {
  if (typeof payload === 'string') return payload
  const { buffer } = payload as { buffer: ArrayBufferLike & { readonly resizable?: boolean } }
  return buffer instanceof ArrayBuffer && buffer.resizable !== true ? payload : payload.slice()
}
