import type { Flow } from './receive-queue'

export interface RateLimitOptions {
  messages: number
  /** Milliseconds. */
  interval: number
}

/**
 * Limits the messages of a client with a token bucket. A message takes a token. The bucket is full at first and fills up evenly,
 * from empty to full in one interval.
 *
 * Stands between a receive queue and the flow that the queue pauses. Messages that come at once after a pause may have been sent at
 * any time during the pause. So a pause adds tokens as well, even beyond the size of the bucket.
 */
export class RateLimit implements Flow {
  /** The reason with which a client over the limit is closed. */
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

  /** Counts a received message. Returns whether it is within the limit. */
  take (): boolean {
    this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** The receive queue calls `pause` when a message arrives, which `take` has just counted. So the time is up to date here. */
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

  /** The tokens for the time since the last count. */
  #earned (): number {
    const now = performance.now()
    const earned = (now - this.#countedAt) * this.#perMillisecond
    this.#countedAt = now
    return earned
  }
}
