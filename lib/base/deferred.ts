/**
 * What the verbs of a session return rejects without ending the process: somebody who does not await
 * a `send` to a client that has just left has done nothing wrong. Whoever awaits it gets the error.
 */

function ignore (): void {}

/** Marks a promise as handled, and returns it. */
export function quiet<T> (promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** A rejected promise that is marked as handled. */
export function rejected (error: unknown): Promise<never> {
  return quiet(Promise.reject(error))
}

/** Resolves when `promise` has settled, either way. */
export function settled (promise: Promise<unknown>): Promise<void> {
  return promise.then(ignore, ignore)
}

/**
 * Waits until `promise` has settled, but no longer than `ms` milliseconds; tells whether it has. Rejects as `promise` does.
 */
export async function atMost (ms: number, promise: unknown): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(resolve, ms, false) })
  try {
    return await Promise.race([Promise.resolve(promise).then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * A promise and what settles it. It rejects through its `resolve`: what waits for long keeps one function, not two.
 */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T | PromiseLike<T>) => void

  constructor () {
    this.promise = new Promise<T>((resolve) => { this.resolve = resolve })
  }

  reject (error: unknown): void {
    this.resolve(rejected(error))
    quiet(this.promise)
  }
}
