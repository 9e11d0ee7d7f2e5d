import type { Flow } from './receive-queue'

export interface RateLimitOptions {
  messages: number
  /** Milliseconds. */
  interval: number
}

/**
 * How many messages a client may send: a bucket of tokens, one for each, that is full at first and fills up evenly, all of
 * it in one interval.
 *
 * It stands between a receive queue and the flow that this one pauses. What comes at once after a pause may have been sent at
 * any time during it, so a pause fills the bucket too, and not only to its brim.
 */
export class RateLimit implements Flow {
  /** What a client that is over it is told. */
  readonly reason: string
  readonly #flow: Flow
  readonly #messages: number
  readonly #perMillisecond: number
  #tokens: number
  #countedAt = performance.now()

  constructor ({ messages, interval }: RateLimitOptions, flow: Flow) {
    this.reason = `rate limit exceeded: ${messages} per ${interval} ms`
    this.#flow = flow
    this.#messages = messages
    this.#perMillisecond = messages / interval
    this.#tokens = messages
  }

  /** A message has arrived: tells whether it may. */
  take (): boolean {
    this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** The receive queue pauses as a message arrives, which has just been counted. */
  pause (): void {
    this.#flow.pause()
  }

  resume (): void {
    this.#tokens += this.#earned()
    this.#flow.resume()
  }

  #fill (): void {
    const earned = this.#earned()
    if (this.#tokens < this.#messages) this.#tokens = Math.min(this.#tokens + earned, this.#messages)
  }

  /** What the time since the last count is worth. */
  #earned (): number {
    const now = performance.now()
    const earned = (now - this.#countedAt) * this.#perMillisecond
    this.#countedAt = now
    return earned
  }
}
