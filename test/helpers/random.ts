import type { Test } from 'tap'

/** Sets the values of `Math.random` until the end of `t`. */
export function setRandom (t: Test, next: () => number): void {
  const { random } = Math
  Math.random = next
  t.teardown(() => { Math.random = random })
}
