import { timers, Entry } from '../base/timers'
import type { Flow } from './receive-queue'

/** Milliseconds from one pong to the next. */
const INTERVAL = 1_000

const OPEN = 1

/** The part of a `ws` socket that the life signs use. */
export interface PausableSocket extends Flow {
  readonly readyState: number
  readonly bufferedAmount: number
  pong (): void
}

/**
 * Sends pongs while the socket of a client is paused. A paused client reads no pings, so that a server that waits for its pongs
 * would take it for gone. Therefore it sends unsolicited pongs (RFC 6455, section 5.5.3): one when it pauses, and one a second
 * while it is paused. Stands between the receive queue of a client and its socket.
 */
export class LifeSigns extends Entry implements Flow {
  readonly #socket: PausableSocket

  constructor (socket: PausableSocket) {
    super()
    this.#socket = socket
  }

  pause (): void {
    this.#socket.pause()
    this.look(timers.now)
  }

  resume (): void {
    timers.remove(this)
    this.#socket.resume()
  }

  // If bytes wait to be written, the server does not read either, and pongs would pile up behind these bytes.
  override look (now: number): void {
    if (this.#socket.readyState !== OPEN) return
    if (this.#socket.bufferedAmount === 0) this.#socket.pong()
    timers.add(this, now + INTERVAL)
  }
}
