import { WebSocketOptionError } from './errors'
import { show } from './show'

/** The longest delay of timers, in milliseconds. A timer with a longer delay fires at once. */
export const MAX_DELAY = 2 ** 31 - 1

/** Throws `WebSocketOptionError` unless `value` is one of `allowed`. `name` begins the message. */
export function checkOneOf (name: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) throw new WebSocketOptionError(`${name} is ${show(value)}: use one of ${allowed.join(', ')}`)
}
