/** What tells of rejections that nothing handles: the process of Node and Bun, or the globals of a page. */
const { process, addEventListener, removeEventListener } = globalThis as unknown as {
  process?: NodeJS.Process
  addEventListener (event: string, listener: (event: any) => void): void
  removeEventListener (event: string, listener: (event: any) => void): void
}

// The timers as they are when this module is loaded. A test may replace the global timers by fake ones.
const { setTimeout } = globalThis

/** Runs `action`. Resolves with the reasons of all rejections that nothing has handled by the end of the second task after it. */
export async function unhandledRejections (action: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = []
  const stop = collect(reasons)
  try {
    await action()
    for (let task = 0; task < 2; task++) await new Promise((resolve) => setTimeout(resolve))
  } finally {
    stop()
  }
  return reasons
}

/** Adds the reasons of unhandled rejections to `reasons` until the returned function is called. */
function collect (reasons: unknown[]): () => void {
  if (process !== undefined) {
    const onReason = (reason: unknown): void => { reasons.push(reason) }
    process.on('unhandledRejection', onReason)
    return () => process.off('unhandledRejection', onReason)
  }
  const onEvent = (event: any): void => {
    event.preventDefault()
    reasons.push(event.reason)
  }
  addEventListener('unhandledrejection', onEvent)
  return () => removeEventListener('unhandledrejection', onEvent)
}
