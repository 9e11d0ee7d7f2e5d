import type { Test } from 'tap'

/** Returns the milliseconds of processor time that the function of `prepare` takes: the least of three measurements. */
function timeOf (prepare: () => () => void): number {
  return Math.min(...[1, 2, 3].map(() => {
    const run = prepare()
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }))
}

/** How often a comparison is made: a machine that does other work disturbs one, but not all. */
const ATTEMPTS = 3

/**
 * Asserts that the function of `prepare(n)` takes processor time in proportion to `n`. In a linear function, four times the
 * input takes about four times as long; in a quadratic function, sixteen times. A difference of less than 100 ms may be chance.
 */
export function isLinear (t: Test, n: number, prepare: (n: number) => () => void, name: string): void {
  const isLong = ([few, many]: number[]): boolean => many >= 10 * few + 100
  const compare = (): number[] => [n, 4 * n].map((count) => timeOf(() => prepare(count)))
  let times = compare()
  for (let attempt = 1; attempt < ATTEMPTS && isLong(times); attempt++) times = compare()
  t.notOk(isLong(times), `${name}: ${times.map((ms) => ms.toFixed(1)).join(' and ')} ms for ${n} and four times as many`)
}
