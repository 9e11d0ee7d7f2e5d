import { timers, Entry } from '../base/timers'
import type { State } from '../base/state'

export interface HeartbeatOptions {
  /** Milliseconds from one ping to the next. */
  interval: number
  /** Milliseconds after a ping in which something has to arrive. */
  timeout: number
}

/** The bytes of a connection, and whether they are read. */
export interface CountingStream {
  readonly bytesRead: number
  readonly writableLength: number
  /** Whether the client has ended its side. */
  readonly readableEnded: boolean
  isPaused (): boolean
}

/** What the heartbeat needs of a connection. */
export interface Pulse {
  readonly state: State
  /** Sends a ping. */
  beat (): void
  /** Drops the connection. */
  lose (reason: string): void
}

/** A look that comes so much too late, in milliseconds, says that the process has stood still, and nothing of the client. */
const STANDSTILL = 1_000

/** Pings a client, and drops the connection when nothing arrives from it. Whatever arrives is a sign of life, and nothing else is. */
export class Heartbeat extends Entry {
  readonly #socket: Pulse
  readonly #stream: CountingStream
  readonly #options: HeartbeatOptions
  #pingAt: number
  /** Until when something has to arrive; 0 where nothing is waited for. */
  #deadline = 0
  /** What had arrived before the last ping. */
  #bytesRead = 0

  /**
   * The first ping is due at random in the second half of the interval: connections which begin together do not beat
   * together, and one that is short sees none.
   */
  constructor (socket: Pulse, stream: CountingStream, options: HeartbeatOptions) {
    super()
    this.#socket = socket
    this.#stream = stream
    this.#options = options
    this.#pingAt = timers.now + Math.floor(options.interval * (1 + Math.random()) / 2)
    timers.add(this, this.#pingAt)
  }

  override look (now: number): void {
    // `ws` sees to the end of a closing handshake, but not of a connection that the client has ended without one, and
    // whose last bytes it does not take: that is given up as if a ping were not answered.
    if (this.#socket.state !== 'open' && !this.#stream.readableEnded) return
    if (this.#isAlive) this.#deadline = 0
    if (this.#deadline !== 0 && this.#deadline < now && !this.#wait(now)) return
    if (this.#pingAt < now) {
      this.#skipTo(now)
      if (this.#deadline === 0) this.#ping(now)
    }
    timers.add(this, this.#deadline === 0 ? this.#pingAt : Math.min(this.#pingAt, this.#deadline))
  }

  // What is paused is not read: whether something has arrived is not known.
  get #isAlive (): boolean {
    return this.#stream.bytesRead !== this.#bytesRead || this.#stream.isPaused()
  }

  /** Time is up: drops the connection, unless the process has stood still and has to wait once more. Tells whether it has. */
  #wait (now: number): boolean {
    const { timeout } = this.#options
    if (now - this.#deadline < Math.max(timeout, STANDSTILL)) {
      this.#socket.lose(`nothing has arrived within ${timeout} ms of a ping (heartbeat)`)
      return false
    }
    this.#deadline = now + timeout
    return true
  }

  /** What was due meanwhile is left out, and the next ping is due when it would have been anyway: connections stay spread. */
  #skipTo (now: number): void {
    const { interval } = this.#options
    this.#pingAt += interval * (Math.floor((now - this.#pingAt) / interval) + 1)
  }

  // A client that is not read is pinged too, since writing shows that a connection is gone. Its answer is not waited for,
  // and if it does not read either, pings do not pile up.
  #ping (now: number): void {
    const { bytesRead, writableLength } = this.#stream
    const isPaused = this.#stream.isPaused()
    if (isPaused && writableLength > 0) return
    this.#socket.beat()
    if (isPaused) return
    this.#bytesRead = bytesRead
    this.#deadline = now + this.#options.timeout
  }
}
