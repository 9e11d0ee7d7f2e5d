import { createSecureContext } from 'node:tls'
import {
  bytes, checkAll, defined, fail, flag, func, maxPayload, milliseconds, oneOf, readOptions, subprotocols, text,
  type Check, type Checks, type Options
} from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { checkSignal } from '../base/signal'
import { messageOf, show } from '../base/show'
import { checkTimeout } from '../base/verb-options'
import { VALUE_TYPES } from '../base/value-types'
import { perMessageDeflate } from '../protocol/deflate-checks'
import type { ConnectOptions, InjectOptions } from '../../types/client'

const valueType = oneOf(VALUE_TYPES)

/** The defaults of the options that `connect` and `injectWebSocket` share. */
const DEFAULTS = {
  maxPayload: 1024 * 1024,
  receiveHighWaterMark: 64 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendTimeout: 30_000,
  closeTimeout: 5_000,
  perMessageDeflate: false
}

export type ClientSettings = ConnectOptions & typeof DEFAULTS

/** Milliseconds that `connect` waits for the response to its handshake, including the body of a refusal. */
const HANDSHAKE_TIMEOUT = 10_000

/** Milliseconds that a `receive` waits after `injectWebSocket`: a test fails rather than hangs. */
const INJECTED_RECEIVE_TIMEOUT = 5_000

/** The check of an object whose values all pass `isValue`. `use` describes the object in the message. */
function record (use: string, isValue: (value: unknown) => boolean): Check {
  return (name, value) => {
    // A Map and the `Headers` of the fetch API have no own properties: their entries would be silently left out.
    if (typeof value !== 'object' || value === null || Symbol.iterator in value) fail(name, value, use)
    for (const [key, of] of Object.entries(readOptions(name, value))) {
      if (of !== undefined && !isValue(of)) fail(`${name}[${show(key)}]`, of, use)
    }
  }
}

const isText = (value: unknown): boolean => typeof value === 'string'
const oneOrMore = (types: string[]) => (value: unknown): boolean => [value].flat().every((item) => types.includes(typeof item))

const parameters = record('a query string, or an object of strings, numbers, booleans or arrays of them', oneOrMore(['string', 'number', 'boolean']))

const agent: Check = (name, value) => {
  if (value !== false && typeof (value as { addRequest?: unknown } | null)?.addRequest !== 'function') fail(name, value, 'an Agent of node:http or node:https')
}

const CLIENT_CHECKS: Checks = {
  headers: record('an object of strings, numbers or arrays of them', oneOrMore(['string', 'number'])),
  subprotocols,
  valueType,
  receiveType: valueType,
  sendType: valueType,
  receiveTimeout: (name, value) => checkTimeout(`option ${name}`, value),
  maxPayload,
  receiveHighWaterMark: bytes,
  sendHighWaterMark: bytes,
  sendTimeout: milliseconds,
  closeTimeout: milliseconds,
  perMessageDeflate,
  http2: flag
}

/** The options of `tls.createSecureContext`, which checks them itself. */
const CONTEXT_OPTIONS = [
  'ca', 'cert', 'key', 'pfx', 'passphrase', 'crl', 'ciphers', 'sigalgs', 'ecdhCurve', 'minVersion', 'maxVersion', 'secureProtocol', 'secureOptions'
]

const CONNECT_CHECKS: Checks = {
  ...CLIENT_CHECKS,
  handshakeTimeout: milliseconds,
  signal: (name, value) => checkSignal(`option ${name}`, value),
  agent,
  rejectUnauthorized: flag,
  servername: text,
  checkServerIdentity: func,
  ...Object.fromEntries(CONTEXT_OPTIONS.map((name) => [name, () => {}])),
  // Node ignores values of these two options that are no strings.
  passphrase: text,
  secureProtocol: text
}

const INJECT_CHECKS: Checks = {
  ...CLIENT_CHECKS,
  query: (name, value) => { if (typeof value !== 'string') parameters(name, value) },
  cookies: record('an object of strings', isText),
  remoteAddress: text
}

/** The options of `connect` with the defaults. Throws `WebSocketOptionError` for an unknown option and for an invalid value. */
export function connectSettings (options: unknown): ClientSettings {
  const own = defined(readOptions('connect', options))
  checkAll(own, CONNECT_CHECKS, 'of connect')
  if (own.http2 === true && own.agent) throw new WebSocketOptionError('option agent of connect makes connections of HTTP/1.1: leave it out, or leave out http2')
  checkContext(own)
  return { ...DEFAULTS, handshakeTimeout: HANDSHAKE_TIMEOUT, ...own }
}

/** The options of `injectWebSocket` with the defaults. Throws like `connectSettings`. */
export function injectSettings (options: unknown): ClientSettings & InjectOptions {
  const own = defined(readOptions('injectWebSocket', options))
  checkAll(own, INJECT_CHECKS, 'of injectWebSocket')
  return { ...DEFAULTS, receiveTimeout: INJECTED_RECEIVE_TIMEOUT, ...own }
}

/** The TLS options in `settings`, by the names that Node's `tls` has for them. */
export function tlsOptions (settings: object): object {
  const names = ['rejectUnauthorized', 'servername', 'checkServerIdentity', ...CONTEXT_OPTIONS]
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)))
}

/** Checks the TLS options. Node itself would refuse them only when it connects, as if the connection had failed. */
function checkContext (options: Options): void {
  const context = Object.entries(options).filter(([name]) => CONTEXT_OPTIONS.includes(name))
  if (context.length === 0) return
  try {
    createSecureContext(Object.fromEntries(context))
  } catch (error) {
    throw new WebSocketOptionError(`options ${context.map(([name]) => name).join(', ')} of connect: ${messageOf(error)}`, { cause: error })
  }
}

/** `url` as a string. Throws `WebSocketOptionError` if `url` is neither a string nor a `URL`. */
export function checkUrl (owner: string, url: unknown): string {
  try {
    if (typeof url === 'string') return url
    if (url instanceof URL) return url.href
  } catch {
    // `url` is a proxy that throws.
  }
  throw new WebSocketOptionError(`the URL of ${owner} is ${show(url)}: use a string`)
}
