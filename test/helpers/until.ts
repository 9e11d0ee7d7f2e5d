// The timers as they are when this module is loaded. A test may replace the global timers by fake ones.
const { setTimeout } = globalThis

/** Resolves when `condition` holds; use it where no event exists. Rejects after `limit` milliseconds. */
export async function until (condition: () => boolean | Promise<boolean>, limit = 5_000): Promise<void> {
  const deadline = Date.now() + limit
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${limit} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
