import { check } from './check'

/** Throws `WebSocketOptionError` unless `value` is an AbortSignal. */
export function checkSignal (name: string, value: unknown): asserts value is AbortSignal {
  check(value instanceof AbortSignal, `${name} is`, value, 'an AbortSignal')
}

export function reasonOf (signal: AbortSignal): unknown {
  return signal.reason
}

/** Calls `listener` once when `signal`, if any, aborts. */
export function listenTo (signal: AbortSignal | undefined, listener: () => void): void {
  signal?.addEventListener('abort', listener, { once: true })
}

export function forgetSignal (signal: AbortSignal | undefined, listener: () => void): void {
  signal?.removeEventListener('abort', listener)
}
