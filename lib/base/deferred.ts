/*
 * A promise that a verb of a session returns may reject unobserved, which must not end the process: a handler that does not
 * await its `send` to a client that has just left has done nothing wrong. A handler that awaits the promise gets the error.
 */

function ignore (): void {}

/** Marks a promise as handled, and returns it. */
export function quiet<T> (promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** Returns a promise that is rejected with `error` and marked as handled. */
export function rejected (error: unknown): Promise<never> {
  return quiet(Promise.reject(error))
}

/** Resolves when `promise` has resolved or rejected. */
export function settled (promise: Promise<unknown>): Promise<void> {
  return promise.then(ignore, ignore)
}

/** Waits at most `ms` milliseconds for `promise`. Returns whether the promise has resolved by then. Rejects like the promise. */
export async function atMost (ms: number, promise: unknown): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(resolve, ms, false) })
  try {
    return await Promise.race([Promise.resolve(promise).then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/** A promise and its `resolve`. `reject` works through `resolve`, so that a pending promise keeps one function alive, not two. */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T | PromiseLike<T>) => void

  constructor () {
    this.promise = new Promise<T>((resolve) => { this.resolve = resolve })
  }

  reject (error: unknown): void {
    this.follow(rejected(error))
  }

  /** Settles like `promise`, which may reject. */
  follow (promise: Promise<T>): void {
    this.resolve(promise)
    quiet(this.promise)
  }
}
