import type { Test } from 'tap'

/** Milliseconds that what `prepare` returns takes, at the best of three times. */
function timeOf (prepare: () => () => void): number {
  return Math.min(...[1, 2, 3].map(() => {
    const run = prepare()
    const start = performance.now()
    run()
    return performance.now() - start
  }))
}

/**
 * Asserts that what `prepare(n)` returns takes time in proportion to `n`: four times as much takes about four times as
 * long, where by the square of it would be sixteen. What is short is left to chance, since other programs run as well.
 */
export function isLinear (t: Test, n: number, prepare: (n: number) => () => void, name: string): void {
  const times = [n, 4 * n].map((count) => timeOf(() => prepare(count)))
  t.ok(times[1] < 10 * times[0] + 100, `${name}: ${times.map((ms) => ms.toFixed(1)).join(' and ')} ms for ${n} and four times as many`)
}
