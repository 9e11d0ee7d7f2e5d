import { timers, Entry } from '../base/timers'
import type { Flow } from './receive-queue'

/** Milliseconds from one pong to the next. */
const INTERVAL = 1_000

const OPEN = 1

/** What is paused and resumed, and sends pongs. */
export interface PausableSocket extends Flow {
  readonly readyState: number
  readonly bufferedAmount: number
  pong (): void
}

/**
 * Stands between the receive queue of a client and its socket. Who is paused reads no pings, and would be taken for gone by a
 * server that waits for its pongs: so it sends some that nobody has asked for (RFC 6455, section 5.5.3), one as it pauses
 * and one a second while it is paused.
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

  // Where bytes wait to be written, the server reads nothing either: pongs would pile up behind them.
  override look (now: number): void {
    if (this.#socket.readyState !== OPEN) return
    if (this.#socket.bufferedAmount === 0) this.#socket.pong()
    timers.add(this, now + INTERVAL)
  }
}
