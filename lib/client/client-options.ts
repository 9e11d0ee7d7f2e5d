import { createSecureContext } from 'node:tls'
import {
  bytes, checkAll, defined, fail, flag, func, maxPayload, milliseconds, oneOf, perMessageDeflate, readOptions, subprotocols, text,
  type Check, type Checks, type Options
} from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { checkSignal } from '../base/guarded-signal'
import { messageOf, show } from '../base/show'
import { checkTimeout } from '../base/verb-options'
import { VALUE_TYPES } from '../codec/codec'
import type { ConnectOptions, InjectOptions } from '../../types/client'

const valueType = oneOf(VALUE_TYPES)

/** The options of a client, whatever it is connected by, in place of those that are left out. */
const DEFAULTS = {
  maxPayload: 1024 * 1024,
  receiveHighWaterMark: 64 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendTimeout: 30_000,
  closeTimeout: 5_000,
  perMessageDeflate: false
}

export type ClientSettings = ConnectOptions & typeof DEFAULTS

/** Milliseconds that `connect` waits for the answer to its handshake, to the end of a refusal's body. */
const HANDSHAKE_TIMEOUT = 10_000

/** Milliseconds after which a `receive` of a test gives up, so that a test fails rather than hangs. */
const INJECTED_RECEIVE_TIMEOUT = 5_000

/** An object with values of one kind; `use` says of which. */
function record (use: string, isValue: (value: unknown) => boolean): Check {
  return (name, value) => {
    // The headers of the fetch API and a Map have no properties: nothing of them would be sent.
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
  perMessageDeflate
}

/** What Node makes the secure context of a client of, and checks by itself. */
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
  // Of these Node leaves others than strings aside.
  passphrase: text,
  secureProtocol: text
}

const INJECT_CHECKS: Checks = {
  ...CLIENT_CHECKS,
  query: (name, value) => { if (typeof value !== 'string') parameters(name, value) },
  cookies: record('an object of strings', isText),
  remoteAddress: text
}

/** What `connect` is to do. Throws `WebSocketOptionError` for options that there are not, and for values that they cannot have. */
export function connectSettings (options: unknown): ClientSettings {
  const own = defined(readOptions('connect', options))
  checkAll(own, CONNECT_CHECKS, 'of connect')
  checkContext(own)
  return { ...DEFAULTS, handshakeTimeout: HANDSHAKE_TIMEOUT, ...own }
}

/** What `injectWebSocket` is to do; throws as `connectSettings` does. */
export function injectSettings (options: unknown): ClientSettings & InjectOptions {
  const own = defined(readOptions('injectWebSocket', options))
  checkAll(own, INJECT_CHECKS, 'of injectWebSocket')
  return { ...DEFAULTS, receiveTimeout: INJECTED_RECEIVE_TIMEOUT, ...own }
}

/** The options for TLS that are among `settings`, under the names that Node's `tls` has for them. */
export function tlsOptions (settings: object): object {
  const names = ['rejectUnauthorized', 'servername', 'checkServerIdentity', ...CONTEXT_OPTIONS]
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)))
}

/** Node itself would refuse them only when the connection is being made, as if that had failed. */
function checkContext (options: Options): void {
  const context = Object.entries(options).filter(([name]) => CONTEXT_OPTIONS.includes(name))
  if (context.length === 0) return
  try {
    createSecureContext(Object.fromEntries(context))
  } catch (error) {
    throw new WebSocketOptionError(`options ${context.map(([name]) => name).join(', ')} of connect: ${messageOf(error)}`, { cause: error })
  }
}

/** `url` as a string. Throws `WebSocketOptionError` for what is none. */
export function checkUrl (owner: string, url: unknown): string {
  try {
    if (typeof url === 'string') return url
    if (url instanceof URL) return url.href
  } catch {
    // A proxy, of which nothing can be read.
  }
  throw new WebSocketOptionError(`the URL of ${owner} is ${show(url)}: use a string`)
}
