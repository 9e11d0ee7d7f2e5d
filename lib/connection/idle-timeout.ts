import { closeCodes } from '../base/close-codes'
import { timers, Entry } from '../base/timers'
import type { Message } from '../codec/decode'
import type { Recipient } from '../protocol/recipient'

/** The part of a connection that the idle timeout uses. */
export interface Traffic {
  readonly sendQueue: {
    /** The number of turns of the event loop in which a message was sent. */
    readonly turns: number
  }
  cutOff (code: number, reason: string): void
}

/** The number of checks per timeout. A check finds out whether there was a message since the last check. */
const CHECKS = 16

/**
 * Closes a connection without a message either way for `timeout` milliseconds, at most a sixteenth of `timeout` late. Counts the
 * received messages and passes them on to `next`.
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
    this.#plan(this.#idleSince)
  }

  push (message: Message, bytes: number): void {
    this.#received++
    this.#next.push(message, bytes)
  }

  override look (now: number): void {
    const traffic = this.#received + this.#socket.sendQueue.turns
    // A client whose socket is paused may have sent a message.
    if (traffic !== this.#traffic || this.#stream.isPaused()) {
      this.#traffic = traffic
      this.#idleSince = now
    }
    if (this.#idleSince + this.#timeout < now) this.#socket.cutOff(closeCodes.GOING_AWAY, `no message for ${this.#timeout} ms`)
    else this.#plan(now)
  }

  #plan (now: number): void {
    timers.add(this, Math.min(now + Math.floor(this.#timeout / CHECKS), this.#idleSince + this.#timeout))
  }
}
