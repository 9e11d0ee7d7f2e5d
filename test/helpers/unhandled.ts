import { setImmediate } from 'node:timers/promises'

/** What has become an unhandled rejection when `action` is done and the turn of the event loop is over. */
export async function unhandledRejections (action: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = []
  const collect = (reason: unknown): void => { reasons.push(reason) }
  process.on('unhandledRejection', collect)
  try {
    await action()
    await setImmediate() // Node tells of rejections when the microtasks of a turn have run
    await setImmediate()
  } finally {
    process.off('unhandledRejection', collect)
  }
  return reasons
}
