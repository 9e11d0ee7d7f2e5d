import { isObject } from './checks'
import { rejected } from './deferred'
import { WebSocketError, WebSocketOptionError } from './errors'
import { checkSignal } from './guarded-signal'
import { messageOf, show } from './show'
import type { HeadersLike, JsonMode, ValueType } from '../../types/message'

/*
 * The options of verbs, such as `send` and `receive`, which are called for each message: what is read of them is checked
 * as it is read, and nothing else.
 */

/** How long and how far a `receive` waits. */
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

/** The type that `options` are, or have; it is not checked. Throws `WebSocketOptionError` for what are no options. */
export function typeIn (verb: string, options: ValueType | { type?: ValueType } | undefined): ValueType | undefined {
  if (options === undefined || typeof options === 'string') return options
  checkObject(verb, options)
  return options.type
}

/** The mode that `options` have; it is not checked. */
export function modeIn (verb: string, options: { mode?: JsonMode } | undefined): JsonMode | undefined {
  if (options === undefined) return undefined
  checkObject(verb, options)
  return options.mode
}

/** Whether `options` turn the order of `pair` round. */
export function receivesFirst (verb: string, options: { receiveFirst?: boolean } | undefined): boolean {
  if (options === undefined) return false
  checkObject(verb, options)
  const { receiveFirst = false } = options
  if (typeof receiveFirst !== 'boolean') throw new WebSocketOptionError(`receiveFirst is ${show(receiveFirst)}: use true or false`)
  return receiveFirst
}

/** The wait options that `options` have; that of `otherwise` where they leave it out. Undefined where there is no limit to it. */
export function waitOptionsIn (verb: string, options: WaitOptions | undefined, otherwise: WaitOptions | undefined): WaitOptions | undefined {
  if (options === undefined) return otherwise
  checkObject(verb, options)
  const { timeout = otherwise?.timeout, signal } = options
  if (timeout !== undefined) checkTimeout('timeout', timeout)
  if (signal !== undefined) checkSignal('signal', signal)
  return timeout === undefined && signal === undefined ? undefined : { timeout, signal }
}

/** What `accept` is given. The headers are not checked. */
export function acceptanceIn (options: AcceptOptions | undefined): AcceptOptions {
  if (options === undefined) return NONE
  checkObject('accept', options)
  const { subprotocol, headers } = options
  if (subprotocol != null && typeof subprotocol !== 'string') throw new WebSocketOptionError(`subprotocol is ${show(subprotocol)}: use one that the client offers`)
  return { subprotocol, headers }
}

/** Throws `WebSocketOptionError` unless `value` is how long something may take: from 0 to `Infinity`. */
export function checkTimeout (name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return
  throw new WebSocketOptionError(`${name} is ${show(value)}: use a number of milliseconds from 0 up`)
}

/** Calls `operation`, the body of `verb`. Rejects with what it throws, as `argumentError` has it. */
export function attempt<T> (verb: string, operation: () => Promise<T>): Promise<T> {
  try {
    return operation()
  } catch (error) {
    return rejected(argumentError(verb, error))
  }
}

/** What a verb rejects with whose arguments have made it throw `error`: getters, and proxies, can throw anything. */
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

function checkObject (verb: string, options: unknown): void {
  if (!isObject(options)) {
    throw new WebSocketOptionError(`the options of ${verb} are ${show(options)}: use an object, or leave them out`)
  }
}
