import { setImmediate } from 'node:timers/promises'

/** Runs `action`. Resolves with the reasons of all unhandled rejections up to the end of the turn of the event loop after it. */
export async function unhandledRejections (action: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = []
  const collect = (reason: unknown): void => { reasons.push(reason) }
  process.on('unhandledRejection', collect)
  try {
    await action()
    await setImmediate() // Node emits 'unhandledRejection' after the microtasks of a turn
    await setImmediate()
  } finally {
    process.off('unhandledRejection', collect)
  }
  return reasons
}
