import { isObject } from './checks'
import { rejected } from './deferred'
import { WebSocketError, WebSocketOptionError } from './errors'
import { checkSignal } from './signal'
import { messageOf, show } from './show'
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

/**
 * The type in `options`; `options` may be the type itself. The type is not checked. Throws `WebSocketOptionError` if `options` is
 * neither a string nor an object.
 */
export function typeIn (verb: string, options: ValueType | { type?: ValueType } | undefined): ValueType | undefined {
  if (options === undefined || typeof options === 'string') return options
  checkObject(verb, options)
  return options.type
}

/** The mode in `options`. The mode is not checked. Throws `WebSocketOptionError` if `options` is no object. */
export function modeIn (verb: string, options: { mode?: JsonMode } | undefined): JsonMode | undefined {
  if (options === undefined) return undefined
  checkObject(verb, options)
  return options.mode
}

/** Whether `pair` with `options` receives first. Throws `WebSocketOptionError` for wrong options. */
export function receivesFirst (verb: string, options: { receiveFirst?: boolean } | undefined): boolean {
  if (options === undefined) return false
  checkObject(verb, options)
  const { receiveFirst = false } = options
  if (typeof receiveFirst !== 'boolean') throw new WebSocketOptionError(`receiveFirst is ${show(receiveFirst)}: use true or false`)
  return receiveFirst
}

/**
 * The wait options in `options`, with the timeout of `otherwise` if `options` has none. Undefined if the wait has no limit.
 * Throws `WebSocketOptionError` for wrong options.
 */
export function waitOptionsIn (verb: string, options: WaitOptions | undefined, otherwise: WaitOptions | undefined): WaitOptions | undefined {
  if (options === undefined) return otherwise
  checkObject(verb, options)
  const { timeout = otherwise?.timeout, signal } = options
  if (timeout !== undefined) checkTimeout('timeout', timeout)
  if (signal !== undefined) checkSignal('signal', signal)
  return timeout === undefined && signal === undefined ? undefined : { timeout, signal }
}

/** The options of `accept`. The headers are not checked. Throws `WebSocketOptionError` for wrong options. */
export function acceptanceIn (options: AcceptOptions | undefined): AcceptOptions {
  if (options === undefined) return NONE
  checkObject('accept', options)
  const { subprotocol, headers } = options
  if (subprotocol != null && typeof subprotocol !== 'string') throw new WebSocketOptionError(`subprotocol is ${show(subprotocol)}: use one that the client offers`)
  return { subprotocol, headers }
}

/** Throws `WebSocketOptionError` unless `value` is a number of milliseconds from 0 to `Infinity`. */
export function checkTimeout (name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return
  throw new WebSocketOptionError(`${name} is ${show(value)}: use a number of milliseconds from 0 up`)
}

/** Calls `operation`, the body of `verb`. If `operation` throws, returns a promise rejected with `argumentError` of the error. */
export function attempt<T> (verb: string, operation: () => Promise<T>): Promise<T> {
  try {
    return operation()
  } catch (error) {
    return rejected(argumentError(verb, error))
  }
}

/** The error that `verb` rejects with when reading its arguments has thrown `error`. Getters and proxies can throw any value. */
export function argumentError (verb: string, error: unknown): WebSocketError {
  if (isOurs(error)) return error
  return new WebSocketOptionError(`the options of ${verb} cannot be read: ${messageOf(error)}`, { cause: error })
}

function isOurs (error: unknown): error is WebSocketError {
  try {
    return error instanceof WebSocketError
  } catch {
    return false
  }
}

/** Throws `WebSocketOptionError` unless `options` is an object. */
export function checkObject (verb: string, options: unknown): asserts options is object {
  if (!isObject(options)) {
    throw new WebSocketOptionError(`the options of ${verb} are ${show(options)}: use an object, or leave them out`)
  }
}
