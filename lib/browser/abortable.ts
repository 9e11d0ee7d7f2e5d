import { forgetSignal, listenTo, reasonOf } from '../base/signal'

/**
 * Begins `operation`, which settles the promise. When `signal` aborts first, the promise rejects with the signal's reason. `operation`
 * returns a function, which runs when the promise has settled.
 */
export async function abortable<T> (signal: AbortSignal | undefined, operation: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void): Promise<T> {
  signal?.throwIfAborted()
  let end: (() => void) | undefined
  let onAbort!: () => void
  try {
    return await new Promise<T>((resolve, reject) => {
      onAbort = () => reject(reasonOf(signal!))
      listenTo(signal, onAbort)
      end = operation(resolve, reject)
    })
  } finally {
    forgetSignal(signal, onAbort)
    end?.()
  }
}
