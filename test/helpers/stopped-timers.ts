import { mock } from 'node:test'
import type { Test } from 'tap'

/** Stops the timers of the global `setTimeout` until the end of `t`. Returns a function that lets milliseconds pass for them. */
export function stopTimers (t: Test): (ms: number) => void {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  return (ms) => mock.timers.tick(ms)
}
