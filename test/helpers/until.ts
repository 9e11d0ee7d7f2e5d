import { setTimeout } from 'node:timers/promises'

/** Resolves when `condition` holds, for what no event tells of; rejects after 5 s. */
export async function until (condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${condition}`)
    await setTimeout(2)
  }
}
