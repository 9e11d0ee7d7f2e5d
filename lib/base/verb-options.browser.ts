import { check } from './check'
import { checkSignal } from './signal'
import { JSON_MODES, VALUE_TYPES, type EncodedType } from './value-types'
import type { JsonMode, ValueType } from '../../types/value'
import type { PairOptions, WaitOptions } from './verb-options'

/* The options of verbs. TypeScript checks what a page passes, so that only what would go wrong in silence is checked here. */

/** The type in `options`; `options` may be the type itself. */
export function typeIn (verb: string, options: ValueType | { type?: ValueType } | undefined): ValueType | undefined {
  const type = typeof options === 'string' ? options : checked(verb, options).type
  check(type === undefined || VALUE_TYPES.includes(type), 'type is', type, VALUE_TYPES.join(', '))
  return type
}

/** The type of JSON in the mode of `options`. */
export function jsonTypeIn (verb: string, options: { mode?: JsonMode } | undefined): EncodedType {
  const { mode } = checked(verb, options)
  if (mode === undefined) return 'json'
  check(JSON_MODES.includes(mode), 'mode is', mode, JSON_MODES.join(', '))
  return mode === 'bytes' ? 'jsonBytes' : 'jsonText'
}

/** Whether `pair` with `options` receives first. */
export function receivesFirst (verb: string, options: PairOptions | undefined): boolean {
  return checked(verb, options).receiveFirst === true
}

/** The wait options in `options`, with the timeout of `otherwise` if `options` has none. Undefined if the wait has no limit. */
export function waitOptionsIn (verb: string, options: WaitOptions | undefined, otherwise: WaitOptions | undefined): WaitOptions | undefined {
  const { timeout = otherwise?.timeout, signal } = checked(verb, options)
  check(timeout === undefined || timeout >= 0, 'timeout is', timeout, 'a number from 0 up')
  if (signal !== undefined) checkSignal('signal', signal)
  return timeout === undefined && signal === undefined ? undefined : { timeout, signal }
}

function checked<T extends object> (verb: string, options: T | undefined): Partial<T> {
  if (options === undefined) return {}
  check(Object(options) === options, `the options of ${verb} are`, options, 'an object')
  return options
}
