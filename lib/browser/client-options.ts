import { check } from '../base/check'
import { WebSocketOptionError } from '../base/errors'
import { messageOf, show } from '../base/show'
import { VALUE_TYPES } from '../base/value-types'
import { platform, type PlatformSocket } from './platform-socket'
import type { Validate } from '../codec/codec'
import type { PlatformConnectionOptions } from './platform-connection'
import type { ValueType } from '../../types/message'

/** The options of `connect`. Times are in milliseconds, sizes in bytes. */
export interface ClientOptions extends PlatformConnectionOptions {
  subprotocols?: readonly string[]
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  receiveTimeout?: number
  connectTimeout?: number
  signal?: AbortSignal
  /** Sees each value that is received. No option of users. */
  validate?: Validate
}

/** The check of an option: whether a value passes, and which values to use. */
export type Check = [passes: (value: any) => boolean, use: string]
export type Checks = Record<string, Check>

/** A list, or a function of `reconnect`. */
export const callable: Check = [(value) => Object(value) === value, 'a list or a function']
export const positive: Check = [(value) => value > 0, 'a number above 0']
const valueType: Check = [(value) => VALUE_TYPES.includes(value), VALUE_TYPES.join(', ')]

export const CLIENT_CHECKS: Checks = {
  subprotocols: callable,
  valueType,
  receiveType: valueType,
  sendType: valueType,
  receiveTimeout: positive,
  connectTimeout: positive,
  sendHighWaterMark: positive,
  receiveLimit: positive,
  signal: [(value) => value instanceof AbortSignal, 'an AbortSignal']
}

/** Returns `options`. Throws `WebSocketOptionError` for an unknown option and for an invalid value. */
export function checked<T extends object> (options: T = {} as T, checks: Checks): T {
  for (const [name, value] of Object.entries(options)) {
    const [passes, use] = checks[name] ?? [() => false, `the options ${Object.keys(checks).join(', ')}`]
    check(value === undefined || passes(value), `option ${name} is`, value, use)
  }
  return options
}

/**
 * `url` as an absolute `ws:` or `wss:` URL. A relative URL is resolved against the page. Throws `WebSocketOptionError` if `url` is
 * no URL or has another scheme.
 */
export function absolute (url: string | URL): string {
  try {
    const { href } = new URL(url, platform.document?.baseURI ?? platform.location?.href)
    if (/^(ws|http)s?:/.test(href)) return href.replace(/^http/, 'ws').replace(/#.*/, '')
  } catch {} // the same error
  throw new WebSocketOptionError(`the URL is ${show(url)}: use ws:, wss:, http: or https:, or a URL relative to the page`)
}

/**
 * Creates the platform's socket. Throws `WebSocketOptionError` if the platform refuses a URL, such as `ws:` in a page of `https:`, or
 * a subprotocol.
 */
export function createSocket (url: string, { subprotocols }: ClientOptions): PlatformSocket {
  try {
    return new platform.WebSocket(url, subprotocols)
  } catch (error) {
    throw new WebSocketOptionError(`cannot connect to ${url}: ${messageOf(error)}`, { cause: error })
  }
}
