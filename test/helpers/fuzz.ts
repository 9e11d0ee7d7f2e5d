import { randomInt } from 'node:crypto'
import { relative } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import type { Test } from 'tap'
import { MAX_DELAY } from '../../lib/base/checks'

/* What the fuzz tests have in common: where chance comes from, and how a failure is found again. */

const { FUZZ_SEED, FUZZ_RUNS } = process.env

/** Of all that is random in a test file: `FUZZ_SEED`, or another one each time. */
export const seed = FUZZ_SEED === undefined ? randomInt(2 ** 31) : Number(FUZZ_SEED)

/** How often something is tried: `FUZZ_RUNS` times, or `standard` times. */
export function runs (standard: number): number {
  return FUZZ_RUNS === undefined ? standard : Number(FUZZ_RUNS)
}

/** How long is looked for smaller values that fail, in milliseconds. */
const SHRINK_LIMIT = 20_000

/**
 * Tries `run` on random `values`: `limit` milliseconds long at most, unless `FUZZ_RUNS` says how often.
 * A failure is told with the smallest values that were found for it, and with what runs it again.
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
  // Only smaller values are looked for no longer: what fails in its last moment has failed.
  const details = await fc.check(property, { seed, numRuns: runs(standard), interruptAfterTimeLimit: Math.min(deadline - Date.now() + SHRINK_LIMIT, MAX_DELAY) })
  if (details.failed) t.fail(`${(details.errorInstance as Error).message}\n${await fc.asyncDefaultReportMessage(details)}\nTo run it again: ${again(count)}`)
  else t.pass(`${count} runs with seed ${seed}`)
}

/** The command that runs this test file again, with what was random the same. */
export function again (count: number): string {
  return `FUZZ_SEED=${seed} FUZZ_RUNS=${count} npx tap --disable-coverage --timeout=0 ${relative(process.cwd(), process.argv[1])}`
}

/** Numbers from 0 up to, but not including, 1: the same ones for the same seed. */
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

/** How long anything may take that is to happen, in milliseconds. */
const WAIT_OPTIONS = 5_000

/** How many turns of the event loop what happens within the process mostly takes at most. */
const SOON = 100

/** Resolves as soon as `condition` holds; rejects with `complaint` if it does not within 5 s. */
export async function promptly (condition: () => boolean, failure: () => string): Promise<void> {
  const deadline = Date.now() + WAIT_OPTIONS
  for (let turns = 0; !condition(); turns++) {
    if (Date.now() > deadline) throw new Error(failure())
    if (turns < SOON) await setImmediate()
    else await setTimeout(1)
  }
}
