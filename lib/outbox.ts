import { payloadLength } from './frame'
import { Deferred, rejected } from './promise'
import { Queue } from './queue'
import { flushAfterTurn } from './turn'
import { createWriter, type OnWritten, type Writer } from './writer'
import type { Duplex } from 'node:stream'
import type { WebSocketDisconnect } from './errors'
import type { Payload } from './encode'
import type { Publication } from './publication'
import type { RawWebSocket } from '../types/raw'

export interface OutboxOptions {
  /** Bytes. */
  sendHighWaterMark: number
  /** Milliseconds in which something has to drain of what waits: else the connection is terminated. */
  sendTimeout: number
}

/** What Node has of a socket below its stream. */
interface Handle {
  writeQueueSize?: number
  _parent?: Handle | null
}

const SENT = Promise.resolve()
const OPEN = 1

/** In how many looks at a waiting connection nothing has to move before it counts as stalled. */
const LOOKS = 4

/** A `send` that waits until that many large messages have been written. */
class Drain extends Deferred<void> {
  constructor (readonly after: number) {
    super()
  }
}

/**
 * What is sent: written in order, one write a turn, and no faster than the peer drains it.
 */
export class Outbox {
  /** In how many turns something was sent. */
  turns = 0
  readonly #raw: RawWebSocket
  readonly #stream: Duplex
  readonly #highWaterMark: number
  readonly #timeout: number
  #drains: Queue<Drain> | null = null
  readonly #writer: Writer
  #onWritten: OnWritten | null = null
  #isHeld = false
  /** The bytes that wait, as long as a turn lasts: in a turn nothing drains. */
  #waiting = 0
  #end: WebSocketDisconnect | null = null
  #watch?: NodeJS.Timeout
  // Messages that went out above the mark, and those of them that have been written, which happens in order.
  #above = 0
  #drained = 0

  constructor (raw: RawWebSocket, stream: Duplex, { sendHighWaterMark, sendTimeout }: OutboxOptions) {
    this.#raw = raw
    this.#stream = stream
    this.#writer = createWriter(raw, stream)
    this.#highWaterMark = sendHighWaterMark
    this.#timeout = sendTimeout
  }

  /** Bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    return this.#writer.bufferedAmount
  }

  /**
   * Sends one message. Resolves at once while fewer than `sendHighWaterMark` bytes wait, else when they have drained.
   * Rejects with the connection's `WebSocketDisconnect` when it is closing or ends first.
   */
  send (payload: Payload): Promise<void> {
    if (this.#raw.readyState === OPEN && this.post(payload)) return SENT
    if (this.#end !== null) return rejected(this.#end)
    const drain = new Drain(this.#raw.readyState === OPEN ? this.#above : Infinity)
    this.#drains ??= new Queue()
    this.#drains.push(drain)
    return drain.promise
  }

  /** Sends one message on an open connection, and tells whether fewer than `sendHighWaterMark` bytes wait now. */
  post (payload: Payload): boolean {
    this.#beginTurn()
    if (this.#fits(payload)) {
      this.#waiting += this.#writer.add(payload)
      return true
    }
    this.#waiting += this.#writer.add(payload, this.#awaitWritten())
    return false
  }

  /** Sends what was published, if fewer than `mark` bytes wait then; tells whether it has. */
  share (publication: Publication, mark: number): boolean {
    if (this.#raw.readyState !== OPEN) return false
    this.#beginTurn()
    if (this.#waiting + publication.byteLength >= mark) return false
    this.#waiting += this.#writer.share(publication)
    return true
  }

  /** Sends what was published, whatever waits. */
  forceShare (publication: Publication): void {
    this.#beginTurn()
    this.#waiting += this.#writer.share(publication, this.#awaitWritten())
  }

  /** Writes what is held back, now. */
  flush (): void {
    this.#isHeld = false
    this.#writer.flush()
  }

  /** Nothing can be sent any more: who waits is given `error`. */
  end (error: WebSocketDisconnect): void {
    this.#end = error
    this.#stopWatch()
    for (let drain = this.#drains?.shift(); drain !== undefined; drain = this.#drains?.shift()) drain.reject(error)
  }

  #beginTurn (): void {
    if (this.#isHeld) return
    this.#isHeld = true
    this.turns++
    this.#waiting = this.#writer.bufferedAmount
    flushAfterTurn(this)
  }

  #fits (payload: Payload): boolean {
    const room = this.#highWaterMark - this.#waiting
    if (typeof payload === 'string' && payload.length * 3 < room) return true // a UTF-16 unit is at most 3 bytes of UTF-8
    return payloadLength(payload) < room
  }

  /** One more message is above the mark. Returns what is to be called when it has been written. */
  #awaitWritten (): OnWritten {
    this.#above++
    this.#startWatch()
    this.#onWritten ??= (error) => this.#written(error)
    return this.#onWritten
  }

  #written (error?: Error | null): void {
    // The connection is ending, and `end` will reject: what Node still had to write of a destroyed socket, it reports without an error.
    if (error || this.#stream.destroyed) return
    this.#drained++
    const drains = this.#drains
    while (drains?.first !== undefined && drains.first.after <= this.#drained) drains.shift()!.resolve()
    if (this.#drained === this.#above) this.#stopWatch()
  }

  #startWatch (): void {
    if (this.#watch !== undefined || this.#timeout === Infinity) return
    let before = this.#progress()
    let unchanged = 0
    this.#watch = setInterval(() => {
      const now = this.#progress()
      unchanged = now === before ? unchanged + 1 : 0
      before = now
      if (unchanged === LOOKS) this.#raw.terminate()
    }, this.#timeout / LOOKS)
  }

  #stopWatch (): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  // Messages drained, and of a message that is being written, what libuv still has of it: a large one on a slow
  // line drains for long before it is done. Nothing public tells that; Node's own socket timeout looks there too.
  // Over TLS, all of a message is encrypted at once and its handle shows no progress: that of the TCP socket below does.
  #progress (): string {
    const { _handle: handle } = this.#stream as { _handle?: Handle | null }
    return `${this.#drained} ${(handle?._parent ?? handle)?.writeQueueSize ?? 0}`
  }
}
