import { Deferred } from '../base/deferred'
import { Queue } from '../base/queue'
import type { Duplex } from 'node:stream'
import type { OnWritten } from '../protocol/frame-writer'
import type { RawWebSocket } from '../../types/raw'

/** What Node has of a socket below its stream. */
interface Handle {
  bytesWritten?: number
  writeQueueSize?: number
  _parent?: Handle | null
}

/** In how many looks at a waiting connection nothing has to move before it counts as stalled. */
const LOOKS = 4

/** A `send` that waits until that many large messages have been written. */
class Drain extends Deferred<void> {
  constructor (readonly after: number) {
    super()
  }
}

/** What there is of a connection on which more waits to be written than is to wait: who waits for it to drain, and for how long. */
export class Congestion {
  readonly #onWritten: OnWritten = (error) => this.#written(error)
  readonly #raw: RawWebSocket
  readonly #stream: Duplex
  readonly #timeout: number
  readonly #drains = new Queue<Drain>()
  #watch?: NodeJS.Timeout
  // Messages that went out above the mark, and those of them that have been written, which happens in order.
  #above = 0
  #drained = 0

  /** `timeout`: milliseconds in which something has to drain of what waits. */
  constructor (raw: RawWebSocket, stream: Duplex, timeout: number) {
    this.#raw = raw
    this.#stream = stream
    this.#timeout = timeout
  }

  /** One more message is above the mark. Returns what is to be called when it has been written. */
  add (): OnWritten {
    this.#above++
    this.#startWatch()
    return this.#onWritten
  }

  /**
   * The bytes that have drained of all that was ever sent; where nobody tells, the messages that have of those above the mark.
   * A large message on a slow line drains for long before it is done. Nothing public tells how much of it the kernel has;
   * Node's own socket timeout looks there too. Over TLS, all of a message is encrypted at once and its handle shows no
   * progress: that of the TCP socket below does.
   */
  get drained (): number {
    const { _handle: own } = this.#stream as { _handle?: Handle | null }
    const handle = own?._parent ?? own
    return (handle?.bytesWritten ?? this.#drained) - (handle?.writeQueueSize ?? 0)
  }

  /** Resolves when all that is above the mark has been written; where nothing can be sent any more, it waits for the end. */
  drain (isOpen: boolean): Promise<void> {
    const drain = new Drain(isOpen ? this.#above : Infinity)
    this.#drains.push(drain)
    return drain.promise
  }

  /** Nothing can be sent any more: who waits is given `error`, if there is one. */
  end (error: Error | null): void {
    this.#stopWatch()
    for (let drain = this.#drains.shift(); drain !== undefined; drain = this.#drains.shift()) {
      if (error === null) drain.resolve()
      else drain.reject(error)
    }
  }

  #written (error?: Error | null): void {
    // The connection is ending, and `end` will reject: what Node still had to write of a destroyed socket, it reports without an error.
    if (error || this.#stream.destroyed) return
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
      if (unchanged === LOOKS) this.#raw.terminate()
    }, this.#timeout / LOOKS)
  }

  #stopWatch (): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }
}
