import { setImmediate } from 'node:timers/promises'

/** What becomes an unhandled rejection while `action` runs and until the turn of the event loop in which it has ended is over. */
export async function unhandledRejections (action: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = []
  const listeners = process.rawListeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection') // tap's own, which fails the test at once
  process.on('unhandledRejection', (reason) => reasons.push(reason))
  try {
    await action()
    await setImmediate() // Node tells of rejections when the microtasks of a turn have run
    await setImmediate()
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of listeners) process.on('unhandledRejection', listener as NodeJS.UnhandledRejectionListener)
  }
  return reasons
}
