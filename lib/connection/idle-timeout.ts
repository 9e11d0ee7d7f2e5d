import { closeCodes } from '../base/close-codes'
import { timers, Entry } from '../base/timers'
import type { Message } from '../codec/decode'
import type { Recipient } from '../protocol/recipient'

/** What idle timeout needs of a connection. */
export interface Traffic {
  readonly sendQueue: {
    /** In how many turns of the event loop something was sent. */
    readonly turns: number
  }
  cutOff (code: number, reason: string): void
}

/** A look finds out whether there was a message since the one before; so many fit in the time that a connection may be idle. */
const LOOKS = 16

/**
 * Closes a connection on which no message comes or goes for `timeout` milliseconds, a sixteenth of that later at the most.
 * What arrives passes through it, to `next`.
 */
export class IdleTimeout extends Entry implements Recipient {
  readonly #socket: Traffic
  readonly #stream: { isPaused (): boolean }
  readonly #timeout: number
  readonly #next: Recipient
  #received = 0
  #traffic = 0
  #idleSince = timers.now

  constructor (socket: Traffic, stream: { isPaused (): boolean }, timeout: number, next: Recipient) {
    super()
    this.#socket = socket
    this.#stream = stream
    this.#timeout = timeout
    this.#next = next
    this.#goOn(this.#idleSince)
  }

  push (message: Message, bytes: number): void {
    this.#received++
    this.#next.push(message, bytes)
  }

  override look (now: number): void {
    const traffic = this.#received + this.#socket.sendQueue.turns
    // Who is not read may have sent something.
    if (traffic !== this.#traffic || this.#stream.isPaused()) {
      this.#traffic = traffic
      this.#idleSince = now
    }
    if (this.#idleSince + this.#timeout < now) this.#socket.cutOff(closeCodes.GOING_AWAY, `no message for ${this.#timeout} ms`)
    else this.#goOn(now)
  }

  #goOn (now: number): void {
    timers.add(this, Math.min(now + Math.floor(this.#timeout / LOOKS), this.#idleSince + this.#timeout))
  }
}
