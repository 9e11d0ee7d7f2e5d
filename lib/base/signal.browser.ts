import { WebSocketOptionError } from './errors'
import { show } from './show'

/** Throws `WebSocketOptionError` unless `value` is an AbortSignal. */
export function checkSignal (name: string, value: unknown): asserts value is AbortSignal {
  if (!(value instanceof AbortSignal)) throw new WebSocketOptionError(`${name} is ${show(value)}: use an AbortSignal`)
}

export function reasonOf (signal: AbortSignal): unknown {
  return signal.reason
}

/** Calls `listener` once when `signal` aborts. */
export function listenTo (signal: AbortSignal, listener: () => void): void {
  signal.addEventListener('abort', listener, { once: true })
}

export function forgetSignal (signal: AbortSignal, listener: () => void): void {
  signal.removeEventListener('abort', listener)
}
