import { timers, Entry } from '../base/timers'
import type { State } from '../base/state'

export interface HeartbeatOptions {
  /** Milliseconds from one ping to the next. */
  interval: number
  /** Milliseconds after a ping within which a byte must arrive. */
  timeout: number
}

/** The part of an endpoint that the heartbeat uses. */
export interface CountingEndpoint {
  /** The number of reads that have brought bytes. */
  readonly reads: number
  readonly stream: {
    readonly writableLength: number
    /** Whether the client has ended its side. */
    readonly readableEnded: boolean
    isPaused (): boolean
  }
}

/** The part of a connection that the heartbeat uses. */
export interface Pulse {
  readonly state: State
  /** Sends a ping. */
  beat (): void
  /** Drops the connection. */
  lose (reason: string): void
}

/** Milliseconds. If a check is so much too late, the process has stood still, and silence says nothing about the client. */
const STANDSTILL = 1_000

/** Pings a client, and drops the connection if nothing arrives. Any byte that arrives is a sign of life, and nothing else is. */
export class Heartbeat extends Entry {
  readonly #socket: Pulse
  readonly #traffic: CountingEndpoint
  readonly #options: HeartbeatOptions
  #pingAt: number
  /** The time by which a byte must arrive; 0 while none is awaited. */
  #deadline = 0
  /** The reads before the last ping. */
  #reads = 0

  /**
   * The first ping is due at a random time in the second half of the interval. So connections that begin together are not pinged
   * together, and a short connection gets no ping.
   */
  constructor (socket: Pulse, traffic: CountingEndpoint, options: HeartbeatOptions) {
    super()
    this.#socket = socket
    this.#traffic = traffic
    this.#options = options
    this.#pingAt = timers.now + Math.floor(options.interval * (1 + Math.random()) / 2)
    timers.add(this, this.#pingAt)
  }

  override look (now: number): void {
    // The endpoint forces the end of a closing handshake. But it does not force the end if the client has ended its side of the
    // stream without a close frame and does not take the last bytes. The heartbeat drops such a connection like one without a pong.
    if (this.#socket.state !== 'open' && !this.#traffic.stream.readableEnded) return
    if (this.#isAlive) this.#deadline = 0
    if (this.#deadline !== 0 && this.#deadline < now && !this.#waitsAgain(now)) return
    if (this.#pingAt < now) {
      this.#skipTo(now)
      if (this.#deadline === 0) this.#ping(now)
    }
    timers.add(this, this.#deadline === 0 ? this.#pingAt : Math.min(this.#pingAt, this.#deadline))
  }

  // A paused stream is not read, so that nobody knows whether bytes have arrived.
  get #isAlive (): boolean {
    return this.#traffic.reads !== this.#reads || this.#traffic.stream.isPaused()
  }

  /** Runs after the deadline: drops the connection, or waits once more if the process has stood still. Returns whether it waits. */
  #waitsAgain (now: number): boolean {
    const { timeout } = this.#options
    if (now - this.#deadline < Math.max(timeout, STANDSTILL)) {
      this.#socket.lose(`nothing has arrived within ${timeout} ms of a ping (heartbeat)`)
      return false
    }
    this.#deadline = now + timeout
    return true
  }

  /** Skips the pings that were due meanwhile. The rhythm stays the same, so that connections stay spread in time. */
  #skipTo (now: number): void {
    const { interval } = this.#options
    this.#pingAt += interval * (Math.floor((now - this.#pingAt) / interval) + 1)
  }

  // A paused connection is pinged, too: a write finds out that a connection is gone. Its pong is not awaited. If the client does
  // not read either, no further ping is sent, so that pings do not pile up.
  #ping (now: number): void {
    const { reads, stream } = this.#traffic
    const isPaused = stream.isPaused()
    if (isPaused && stream.writableLength > 0) return
    this.#socket.beat()
    if (isPaused) return
    this.#reads = reads
    this.#deadline = now + this.#options.timeout
  }
}
