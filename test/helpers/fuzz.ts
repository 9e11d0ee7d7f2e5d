import { randomInt } from 'node:crypto'
import { relative } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import type { Test } from 'tap'
import { MAX_DELAY } from '../../lib/base/checks'

/* Random input for the fuzz tests, and how to repeat a failure. */

const { FUZZ_SEED, FUZZ_RUNS } = process.env

/** The seed of everything random in a test file: `FUZZ_SEED`, or a new seed each time. */
export const seed = FUZZ_SEED === undefined ? randomInt(2 ** 31) : Number(FUZZ_SEED)

/** The number of runs: `FUZZ_RUNS`, or `standard`. */
export function runs (standard: number): number {
  return FUZZ_RUNS === undefined ? standard : Number(FUZZ_RUNS)
}

/** In ms: how long to look for smaller values that fail. */
const SHRINK_LIMIT = 20_000

/**
 * Calls `run` with random `values`: at most `limit` milliseconds long, unless `FUZZ_RUNS` sets the number of runs.
 * A failure is reported with the smallest values that cause it, and with the command that repeats it.
 */
export async function check<T> (t: Test, values: fc.Arbitrary<T>, run: (value: T) => Promise<void>, { standard, limit }: { standard: number, limit: number }): Promise<void> {
  const deadline = FUZZ_RUNS === undefined ? Date.now() + limit : Infinity
  let count = 0
  let hasFailed = false
  const property = fc.asyncProperty(values, async (value) => {
    if (Date.now() > deadline && !hasFailed) return
    if (!hasFailed) count++
    try {
      await run(value)
    } catch (error) {
      hasFailed = true
      throw error
    }
  })
  // The limit only ends the search for smaller values. A failure shortly before the deadline still counts.
  const details = await fc.check(property, { seed, numRuns: runs(standard), interruptAfterTimeLimit: Math.min(deadline - Date.now() + SHRINK_LIMIT, MAX_DELAY) })
  if (details.failed) t.fail(`${(details.errorInstance as Error).message}\n${await fc.asyncDefaultReportMessage(details)}\nTo run it again: ${again(count)}`)
  else t.pass(`${count} runs with seed ${seed}`)
}

/** The command that runs this test file again with the same seed. */
export function again (count: number): string {
  return `FUZZ_SEED=${seed} FUZZ_RUNS=${count} npx tap --disable-coverage --timeout=0 ${relative(process.cwd(), process.argv[1])}`
}

/** Returns a source of random numbers in [0, 1). The same seed gives the same numbers. */
export function random (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

/** In ms: how long `promptly` waits. */
const WAIT_OPTIONS = 5_000

/** Turns of the event loop that are enough for most of what happens within the process. */
const SOON = 100

/** Resolves as soon as `condition` holds. Rejects with an error with the text of `failure` after 5 s. */
export async function promptly (condition: () => boolean, failure: () => string): Promise<void> {
  const deadline = Date.now() + WAIT_OPTIONS
  for (let turns = 0; !condition(); turns++) {
    if (Date.now() > deadline) throw new Error(failure())
    if (turns < SOON) await setImmediate()
    else await setTimeout(1)
  }
}
