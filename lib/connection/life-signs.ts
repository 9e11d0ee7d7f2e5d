import { timers, Entry } from '../base/timers'
import { OPEN } from '../protocol/endpoint'
import type { Flow } from './receive-queue'

/** Milliseconds from one pong to the next. */
const INTERVAL = 1_000

/** The part of an endpoint that the life signs use. */
export interface PausableEndpoint extends Flow {
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
  readonly #endpoint: PausableEndpoint

  constructor (endpoint: PausableEndpoint) {
    super()
    this.#endpoint = endpoint
  }

  pause (): void {
    this.#endpoint.pause()
    this.look(timers.now)
  }

  resume (): void {
    timers.remove(this)
    this.#endpoint.resume()
  }

  // If bytes wait to be written, the server does not read either, and pongs would pile up behind these bytes.
  override look (now: number): void {
    if (this.#endpoint.readyState !== OPEN) return
    if (this.#endpoint.bufferedAmount === 0) this.#endpoint.pong()
    timers.add(this, now + INTERVAL)
  }
}
