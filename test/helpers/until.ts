import { setTimeout } from 'node:timers/promises'

/** Resolves when `condition` holds; use it where no event exists. Rejects after 5 s. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${condition}`)
    await setTimeout(2)
  }
}
