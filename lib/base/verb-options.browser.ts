import { rejected } from './deferred'
import { WebSocketOptionError } from './errors'
import { show } from './show'
import { checkSignal } from './signal'
import type { JsonMode, ValueType } from '../../types/value'
import type { PairOptions, WaitOptions } from './verb-options'

/* The options of verbs. TypeScript checks what a page passes, so that only what would go wrong in silence is checked here. */

/** The type in `options`; `options` may be the type itself. The type is not checked. */
export function typeIn (verb: string, options: ValueType | { type?: ValueType } | undefined): ValueType | undefined {
  return typeof options === 'string' ? options : checked(verb, options).type
}

/** The mode in `options`. The mode is not checked. */
export function modeIn (verb: string, options: { mode?: JsonMode } | undefined): JsonMode | undefined {
  return checked(verb, options).mode
}

/** Whether `pair` with `options` receives first. */
export function receivesFirst (verb: string, options: PairOptions | undefined): boolean {
  return checked(verb, options).receiveFirst === true
}

/** The wait options in `options`, with the timeout of `otherwise` if `options` has none. Undefined if the wait has no limit. */
export function waitOptionsIn (verb: string, options: WaitOptions | undefined, otherwise: WaitOptions | undefined): WaitOptions | undefined {
  const { timeout = otherwise?.timeout, signal } = checked(verb, options)
  if (timeout !== undefined && !(timeout >= 0)) throw new WebSocketOptionError(`timeout is ${show(timeout)}: use a number of milliseconds`)
  if (signal !== undefined) checkSignal('signal', signal)
  return timeout === undefined && signal === undefined ? undefined : { timeout, signal }
}

/** Calls `operation`, the body of a verb. Returns a rejected promise if it throws. */
export function attempt<T> (_verb: string, operation: () => Promise<T>): Promise<T> {
  try {
    return operation()
  } catch (error) {
    return rejected(error)
  }
}

/** The error that a verb rejects with when reading its arguments has thrown `error`. */
export function argumentError (_verb: string, error: unknown): unknown {
  return error
}

function checked<T extends object> (verb: string, options: T | undefined): Partial<T> {
  if (options !== undefined && Object(options) !== options) throw new WebSocketOptionError(`the options of ${verb} are ${show(options)}: use an object`)
  return options ?? {}
}
