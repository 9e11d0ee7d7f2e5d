import { WebSocketOptionError } from './errors'
import { messageOf, show } from './show'

/** Throws `WebSocketOptionError` unless `value` is an AbortSignal: of Node, of another realm, or of a library. */
export function checkSignal (name: string, value: unknown): asserts value is AbortSignal {
  if (!isSignal(value)) throw new WebSocketOptionError(`${name} is ${show(value)}: use an AbortSignal`)
}

function isSignal (value: unknown): boolean {
  try {
    const { aborted, addEventListener, removeEventListener } = value as AbortSignal
    return typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  } catch {
    return false // null, undefined, or a getter that throws
  }
}

/** The reason of `signal`. If the getter of `reason` throws, the thrown error is the reason. */
export function reasonOf (signal: AbortSignal): unknown {
  try {
    return signal.reason
  } catch (error) {
    return error
  }
}

/** Calls `listener` once when `signal` aborts. Throws `WebSocketOptionError` if the signal, which may be a library's, throws. */
export function listenTo (signal: AbortSignal | undefined, listener: () => void): void {
  try {
    signal?.addEventListener('abort', listener, { once: true })
  } catch (error) {
    throw new WebSocketOptionError(`signal cannot be listened to: ${messageOf(error)}`, { cause: error })
  }
}

/** Removes `listener` from `signal`. Never throws. */
export function forgetSignal (signal: AbortSignal | undefined, listener: () => void): void {
  try {
    signal?.removeEventListener('abort', listener)
  } catch {
    // The signal is a library's. Its failure concerns no caller.
  }
}
