import { checkOneOf, isObject } from './checks'
import { rejected } from './deferred'
import { WebSocketError, WebSocketOptionError } from './errors'
import { checkSignal } from './signal'
import { messageOf, show } from './show'
import { JSON_MODES, VALUE_TYPES, type EncodedType } from './value-types'
import type { HeadersLike, JsonMode, ValueType } from '../../types/message'

/*
 * The options of verbs such as `send` and `receive`. A handler calls verbs for each message, so that only the options that a
 * verb reads are checked, as the verb reads them.
 */

/** How long a `receive` waits for its message. */
export interface WaitOptions {
  /** Milliseconds. */
  timeout?: number
  signal?: AbortSignal
}

export interface ReceiveOptions extends WaitOptions { type?: ValueType }
export interface ReceiveJsonOptions extends WaitOptions { mode?: JsonMode }
export interface PairOptions extends ReceiveOptions { receiveFirst?: boolean }

export interface AcceptOptions {
  subprotocol?: string | null
  headers?: HeadersLike
}

const NONE = {}

/** The type in `options`; `options` may be the type itself. Throws `WebSocketOptionError` for wrong options and an unknown type. */
export function typeIn (verb: string, options: ValueType | { type?: ValueType } | undefined): ValueType | undefined {
  if (options === undefined) return undefined
  const type = typeof options === 'string' ? options : read(verb, options, 'type')
  if (type !== undefined) checkOneOf('type', type, VALUE_TYPES)
  return type
}

/** The type of JSON in the mode of `options`. Throws `WebSocketOptionError` for wrong options and an unknown mode. */
export function jsonTypeIn (verb: string, options: { mode?: JsonMode } | undefined): EncodedType {
  const mode = options === undefined ? undefined : read(verb, options, 'mode')
  if (mode === undefined) return 'json'
  checkOneOf('mode', mode, JSON_MODES)
  return mode === 'bytes' ? 'jsonBytes' : 'jsonText'
}

/** Whether `pair` with `options` receives first. Throws `WebSocketOptionError` for wrong options. */
export function receivesFirst (verb: string, options: { receiveFirst?: boolean } | undefined): boolean {
  const receiveFirst = options === undefined ? undefined : read(verb, options, 'receiveFirst')
  if (receiveFirst === undefined || typeof receiveFirst === 'boolean') return receiveFirst === true
  throw new WebSocketOptionError(`receiveFirst is ${show(receiveFirst)}: use true or false`)
}

/**
 * The wait options in `options`, with the timeout of `otherwise` if `options` has none. Undefined if the wait has no limit.
 * Throws `WebSocketOptionError` for wrong options.
 */
export function waitOptionsIn (verb: string, options: WaitOptions | undefined, otherwise: WaitOptions | undefined): WaitOptions | undefined {
  if (options === undefined) return otherwise
  const own = read(verb, options, 'timeout')
  const timeout = own === undefined ? otherwise?.timeout : own
  const signal = read(verb, options, 'signal')
  if (timeout !== undefined) checkTimeout('timeout', timeout)
  if (signal !== undefined) checkSignal('signal', signal)
  return timeout === undefined && signal === undefined ? undefined : { timeout, signal }
}

/** The options of `accept`. The headers are not checked. Throws `WebSocketOptionError` for wrong options. */
export function acceptanceIn (options: AcceptOptions | undefined): AcceptOptions {
  if (options === undefined) return NONE
  const subprotocol = read('accept', options, 'subprotocol')
  const headers = read('accept', options, 'headers')
  if (subprotocol != null && typeof subprotocol !== 'string') throw new WebSocketOptionError(`subprotocol is ${show(subprotocol)}: use one that the client offers`)
  return { subprotocol, headers }
}

/** Throws `WebSocketOptionError` unless `value` is a number of milliseconds from 0 to `Infinity`. */
export function checkTimeout (name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return
  throw new WebSocketOptionError(`${name} is ${show(value)}: use a number of milliseconds from 0 up`)
}

/** Calls `operation`, the body of `verb`. Returns a rejected promise if it throws, as the arguments of `verb` can do when they are read. */
export function attempt<T> (verb: string, operation: () => Promise<T>): Promise<T> {
  try {
    return operation()
  } catch (error) {
    return rejected(isOurs(error) ? error : unreadable(verb, error))
  }
}

function unreadable (verb: string, error: unknown): WebSocketOptionError {
  return new WebSocketOptionError(`the options of ${verb} cannot be read: ${messageOf(error)}`, { cause: error })
}

function isOurs (error: unknown): error is WebSocketError {
  try {
    return error instanceof WebSocketError
  } catch {
    return false
  }
}

/** Reads an option of `verb`. Throws `WebSocketOptionError` unless `options` is an object that can be read. */
function read<Options extends object, Name extends keyof Options> (verb: string, options: Options, name: Name): Options[Name] {
  checkObject(verb, options)
  try {
    return options[name]
  } catch (error) {
    throw unreadable(verb, error)
  }
}

/** Throws `WebSocketOptionError` unless `options` is an object. */
export function checkObject (verb: string, options: unknown): asserts options is object {
  if (!isObject(options)) {
    throw new WebSocketOptionError(`the options of ${verb} are ${show(options)}: use an object, or leave them out`)
  }
}
