import { Deferred } from '../base/deferred'
import { Queue } from '../base/queue'
import type { Duplex } from 'node:stream'
import type { FrameWriter, OnWritten } from '../protocol/frame-writer'

/** The private handle of a socket of Node. */
interface Handle {
  bytesWritten?: number
  writeQueueSize?: number
  _parent?: Handle | null
}

/** The part of an endpoint that a congestion uses. */
export interface Writing {
  readonly stream: Duplex
  readonly frames: Pick<FrameWriter, 'piecesWritten'>
  terminate (): void
}

/** The watch checks a connection so many times per `timeout`. As many checks in a row without progress mean that it has stalled. */
const CHECKS = 4

/** A pending `send`. It waits until `after` of the messages above the mark have been written. */
class Drain extends Deferred<void> {
  constructor (readonly after: number) {
    super()
  }
}

/** The state of a connection on which more bytes wait than `sendHighWaterMark`: the sends that wait, and the watch for a stall. */
export class Congestion {
  readonly #onWritten: OnWritten = (error) => this.#written(error)
  readonly #endpoint: Writing
  readonly #timeout: number
  readonly #drains = new Queue<Drain>()
  #watch?: NodeJS.Timeout
  // The number of messages that were sent above the mark, and how many of them have been written. Messages are written in order.
  #above = 0
  #drained = 0

  /** `timeout`: milliseconds. The connection is terminated if no byte drains for so long. */
  constructor (endpoint: Writing, timeout: number) {
    this.#endpoint = endpoint
    this.#timeout = timeout
  }

  /** Counts a message above the mark. Returns the callback for when the message has been written. */
  add (): OnWritten {
    this.#above++
    this.#startWatch()
    return this.#onWritten
  }

  /**
   * The bytes that have drained since the connection began. Without a handle: the messages above the mark that have been written, and
   * the pieces of long ones.
   *
   * A large message on a slow line drains for long before it is written. Only the private handle tells how much of it the kernel
   * has; the socket timeout of Node reads it, too. Over TLS a message is encrypted as a whole, and the handle of the TLS socket
   * shows no progress. The handle of the TCP socket below does.
   */
  get drained (): number {
    const { _handle: own } = this.#endpoint.stream as { _handle?: Handle | null }
    const handle = own?._parent ?? own
    if (handle?.bytesWritten === undefined || handle.writeQueueSize === undefined) return this.#drained + this.#endpoint.frames.piecesWritten
    return handle.bytesWritten - handle.writeQueueSize
  }

  /** Resolves when the messages above the mark have been written. If the connection is not open, the promise waits for `end`. */
  drain (isOpen: boolean): Promise<void> {
    const drain = new Drain(isOpen ? this.#above : Infinity)
    this.#drains.push(drain)
    return drain.promise
  }

  /** Ends the waiting sends when the connection has ended. They reject with `error`, or resolve if `error` is null. */
  end (error: Error | null): void {
    this.#stopWatch()
    for (let drain = this.#drains.shift(); drain !== undefined; drain = this.#drains.shift()) {
      if (error === null) drain.resolve()
      else drain.reject(error)
    }
  }

  #written (error?: Error | null): void {
    // The connection is ending, and `end` will follow. For a destroyed socket, Node reports unwritten bytes without an error.
    if (error || this.#endpoint.stream.destroyed) return
    this.#drained++
    const drains = this.#drains
    while (drains.first !== undefined && drains.first.after <= this.#drained) drains.shift()!.resolve()
    if (this.#drained === this.#above) this.#stopWatch()
  }

  #startWatch (): void {
    if (this.#watch !== undefined || this.#timeout === Infinity) return
    let before = this.drained
    let unchanged = 0
    this.#watch = setInterval(() => {
      const now = this.drained
      unchanged = now === before ? unchanged + 1 : 0
      before = now
      if (unchanged === CHECKS) this.#endpoint.terminate()
    }, this.#timeout / CHECKS)
  }

  #stopWatch (): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }
}
