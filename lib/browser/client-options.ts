import { checkOneOf, MAX_DELAY } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { messageOf, show } from '../base/show'
import { VALUE_TYPES } from '../codec/codec'
import { platform, type PlatformSocket } from './platform-socket'
import type { Validate } from '../codec/codec'
import type { PlatformConnectionOptions } from './platform-connection'
import type { ValueType } from '../../types/message'

/** The options of `connect`, with the defaults. Times are in milliseconds, sizes in bytes. */
export interface ClientSettings extends PlatformConnectionOptions {
  subprotocols: string[]
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  receiveTimeout?: number
  connectTimeout: number
  signal?: AbortSignal
  /** Sees each value that is received. No option of users. */
  validate?: Validate
}

/** The check of an option: whether a value passes, and which values to use. */
export type Check = [passes: (value: any) => boolean, use: string]
export type Checks = Record<string, Check>

export const milliseconds: Check = [(value) => value > 0 && value <= MAX_DELAY, 'a number of milliseconds above 0']
const bytes: Check = [(value) => value > 0, 'a number of bytes above 0']
const valueType: Check = [(value) => VALUE_TYPES.includes(value), VALUE_TYPES.join(', ')]

export const CLIENT_CHECKS: Checks = {
  subprotocols: [Array.isArray, 'a list of subprotocols'],
  valueType,
  receiveType: valueType,
  sendType: valueType,
  receiveTimeout: milliseconds,
  connectTimeout: milliseconds,
  sendHighWaterMark: bytes,
  receiveLimit: bytes,
  signal: [(value) => value instanceof AbortSignal, 'an AbortSignal']
}

export const CLIENT_DEFAULTS: ClientSettings = {
  subprotocols: [],
  connectTimeout: 10_000,
  sendHighWaterMark: 64 * 1024,
  receiveLimit: 1024 * 1024
}

/** The options of `owner` with `defaults`. Throws `WebSocketOptionError` for an unknown option and for an invalid value. */
export function settingsOf<T extends object> (owner: string, options: object = {}, checks: Checks, defaults: T): T {
  const settings = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    checkOneOf(`option ${name} of ${owner}`, name, Object.keys(checks))
    checkOption(name, value, checks)
    settings[name] = value
  }
  return settings as T
}

/** Throws `WebSocketOptionError` unless `value` passes the check of `name`. */
export function checkOption (name: string, value: unknown, checks: Checks): void {
  const [passes, use] = checks[name]
  if (!passes(value)) throw new WebSocketOptionError(`option ${name} is ${show(value)}: use ${use}`)
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
  throw new WebSocketOptionError(`the URL is ${show(url)}: use ws:, wss:, http: or https:, or in a page a URL relative to it`)
}

/**
 * Creates the platform's socket. Throws `WebSocketOptionError` if the platform refuses a URL, such as `ws:` in a page of `https:`, or
 * a subprotocol.
 */
export function createSocket (url: string, { subprotocols }: ClientSettings): PlatformSocket {
  try {
    return new platform.WebSocket(url, subprotocols)
  } catch (error) {
    throw new WebSocketOptionError(`cannot connect to ${url}: ${messageOf(error)}`, { cause: error })
  }
}
