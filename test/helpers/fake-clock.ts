import { setImmediate } from 'node:timers/promises'
import * as clock from '../../lib/base/clock'
import { until } from './until'
import type { Test } from 'tap'

interface FakeTimer {
  due: number
  call: () => void
  unref (): void
}

/**
 * Replaces the clock and the timers of `lib/base/clock.ts` until the end of a test. The fake clock stands still until the test lets
 * time pass. The timers of Node, of the test and of the user stay as they are.
 */
export class FakeClock {
  readonly #running = new Set<FakeTimer>()
  #now = 1_000

  /** Install the clock before the test creates what uses it: teardowns run in reverse order. */
  constructor (t: Test) {
    const real = { ...clock }
    Object.assign(clock, {
      now: () => this.#now,
      startTimer: (call: () => void, delay: number) => this.#start(call, delay),
      stopTimer: (timer: FakeTimer) => this.#running.delete(timer)
    })
    t.teardown(async () => {
      await until(() => this.#running.size === 0) // a connection that has ended may close in a later turn
      Object.assign(clock, real)
    })
  }

  /** The time in milliseconds. */
  get now (): number {
    return this.#now
  }

  /** Lets `ms` milliseconds pass. Calls the timers that become due one after another, and gives each a turn of the event loop. */
  async pass (ms: number): Promise<void> {
    const end = this.#now + ms
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#now = timer.due
      this.#running.delete(timer)
      timer.call()
      await setImmediate() // `Timers` looks at its entries in an immediate
    }
    this.#now = end
  }

  #start (call: () => void, delay: number): FakeTimer {
    const timer = { due: this.#now + delay, call, unref () {} }
    this.#running.add(timer)
    return timer
  }

  #next (end: number): FakeTimer | undefined {
    return [...this.#running].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0]
  }
}
