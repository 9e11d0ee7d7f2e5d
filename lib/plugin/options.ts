import {
  bytes, checkAll, closeCode, defined, fail, flag, func, maxPayload, members, milliseconds, oneOf, optional, orFalse, perMessageDeflate,
  readOptions, subprotocols, text, wholeNumber, type Check, type Checks, type Options
} from '../base/checks'
import { closeCodes } from '../base/close-codes'
import { WebSocketOptionError, type WebSocketError } from '../base/errors'
import { messageOf, show } from '../base/show'
import { VALUE_TYPES } from '../codec/codec'
import { parseEntry } from '../handshake/origins'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { HeartbeatOptions } from '../connection/heartbeat'
import type { RateLimitOptions } from '../connection/rate-limit'
import type { Refusal } from '../handshake/refusal'
import type { Broker } from '../../types/broker'
import type { ValueType } from '../../types/message'
import type { AllowedOrigins, ShutdownOptions, WebSocketPluginOptions } from '../../types/options'

/** What applies to the connections of a route: its own options over the plugin's over the defaults. */
export interface RouteSettings {
  receiveType: ValueType
  sendType: ValueType
  subprotocols: readonly string[]
  autoAccept: boolean
  catchDisconnect: boolean
  origins: AllowedOrigins
  receiveHighWaterMark: number
  sendHighWaterMark: number
  sendTimeout: number
  closeTimeout: number
  handshakeTimeout: number
  refusal: Refusal
  heartbeat: HeartbeatOptions | false
  idleTimeout: number | false
  rateLimit: RateLimitOptions | false
  maxPayload: number
  perMessageDeflate: boolean | object
  slowSubscriber: 'close' | 'skip'
  maxBufferedAmount: number
  /** Gets what does not decode or validate in an iteration, in place of it. */
  onInvalid?: (this: FastifyInstance, ws: any, error: WebSocketError, request: FastifyRequest) => unknown
  /** Of this route: that of the plugin counts besides it. */
  maxConnections?: number
}

/** What applies to all routes alike. */
export interface PluginSettings {
  closeTimeout: number
  /** Of a route that does not set its own. */
  maxPayload: number
  perMessageDeflate: boolean | object
  /** Of all routes together. */
  maxConnections?: number
  errorHandler?: WebSocketPluginOptions['errorHandler']
  /** Of routes, and while an upgrade request waits for the answers to earlier requests. */
  handshakeTimeout: number
  rawRoutes: NonNullable<WebSocketPluginOptions['rawRoutes']>
  shutdown: ShutdownSettings
  /** To other processes. */
  broker?: Broker
}

/** How `app.close()` ends the connections. */
export interface ShutdownSettings extends Required<Omit<ShutdownOptions, 'notify'>> {
  notify?: (ws: any) => unknown
}

const DEFAULTS = {
  receiveType: 'text',
  sendType: 'any',
  subprotocols: [],
  autoAccept: false,
  catchDisconnect: true,
  origins: 'same-origin',
  receiveHighWaterMark: 64 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendTimeout: 30_000,
  handshakeTimeout: 10_000,
  refusal: 'http',
  heartbeat: { interval: 25_000, timeout: 10_000 },
  idleTimeout: false,
  rateLimit: false,
  slowSubscriber: 'close',
  maxBufferedAmount: 1024 * 1024,
  closeTimeout: 5_000,
  maxPayload: 1024 * 1024,
  perMessageDeflate: false,
  rawRoutes: [],
  shutdown: { code: closeCodes.GOING_AWAY, reason: '', spread: 0, timeout: 10_000 }
} satisfies RouteSettings & PluginSettings

const valueType = oneOf(VALUE_TYPES)

const origins: Check = (name, value) => {
  if (value === 'same-origin' || value === '*' || value instanceof RegExp || typeof value === 'function') return
  if (!Array.isArray(value)) fail(name, value, "'same-origin', '*', a list of origins, a RegExp or a function")
  const wrong = value.findIndex((entry) => typeof entry !== 'string' || parseEntry(entry) === undefined)
  if (wrong !== -1) fail(name, value, `origins such as 'https://app.example.com' or 'https://*.example.com:8443' in it, not ${show(value[wrong])}`)
}
const routes: Check = (name, value) => {
  if (typeof value === 'function' || (Array.isArray(value) && value.every((url) => typeof url === 'string'))) return
  fail(name, value, 'a list of URLs of routes, or a function that tells of a route')
}

const BROKER = ['start', 'subscribe', 'unsubscribe', 'publish', 'close']
const broker: Check = (name, value) => {
  const missing = BROKER.filter((member) => typeof (value as Options | null)?.[member] !== 'function')
  if (missing.length === 0) return
  throw new WebSocketOptionError(`option ${name} is ${typeof value === 'object' && value !== null ? `without ${missing.join(', ')}` : show(value)}: ` +
    'use redisBroker(client) from fastify-async-websocket/redis, natsBroker(connection) from fastify-async-websocket/nats, or an object with the functions of a Broker')
}

const ROUTE_CHECKS: Checks = {
  valueType,
  receiveType: valueType,
  sendType: valueType,
  subprotocols,
  autoAccept: flag,
  catchDisconnect: flag,
  origins,
  receiveHighWaterMark: bytes,
  sendHighWaterMark: bytes,
  sendTimeout: milliseconds,
  handshakeTimeout: milliseconds,
  refusal: oneOf(['http', 'close', 'auto']),
  maxConnections: wholeNumber('connections'),
  heartbeat: orFalse(members({ interval: optional(milliseconds), timeout: optional(milliseconds) }, ' or false')),
  idleTimeout: orFalse(milliseconds),
  rateLimit: orFalse(members({ messages: wholeNumber('messages'), interval: milliseconds }, ' or false')),
  slowSubscriber: oneOf(['close', 'skip']),
  maxBufferedAmount: bytes,
  maxPayload,
  perMessageDeflate,
  onInvalid: func
}

const PLUGIN_CHECKS: Checks = {
  ...ROUTE_CHECKS,
  closeTimeout: milliseconds,
  errorHandler: func,
  rawRoutes: routes,
  shutdown: members({
    code: optional(closeCode),
    reason: optional(text),
    spread: optional((name, value) => { if (value !== 0) milliseconds(name, value) }),
    timeout: optional(milliseconds),
    notify: optional(func)
  }),
  broker
}

const HANDLER_CHECKS: Checks = { onConnect: func, onMessage: func, onDisconnect: func }

/** What applies to the plain socket of a route with `raw: true`, too; all else takes a session. */
const RAW_OPTIONS = ['raw', 'origins', 'refusal', 'maxConnections', 'maxPayload', 'perMessageDeflate', ...Object.keys(HANDLER_CHECKS)]

/** What Fastify itself puts into the options of a plugin. */
const REGISTER_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

/** Throws `WebSocketOptionError` for an option of the plugin that is unknown or has a value that it cannot have. */
export function checkPluginOptions (options: Options): void {
  const own = Object.fromEntries(Object.entries(readOptions('the plugin', options)).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  checkAll(own, PLUGIN_CHECKS, 'of the plugin')
}

/** The same for the `websocket` option of a route. */
export function checkRouteOptions (options: Options): void {
  checkAll(options, { ...ROUTE_CHECKS, raw: flag, ...HANDLER_CHECKS }, "in a route's `websocket`")
  const idle = Object.keys(options).find((name) => options[name] && !RAW_OPTIONS.includes(name))
  if (options.raw === true && idle !== undefined) throw new WebSocketOptionError(`option ${idle} needs a session: with raw: true it has no effect`)
}

/** The session handlers among the properties of `value`; undefined where there are none. */
export function sessionHandlersIn (value: unknown): Options | undefined {
  return membersIn(value, Object.keys(HANDLER_CHECKS))
}

/** The `onInvalid` of `value`, which may be session handlers or options; undefined where there is none. */
export function onInvalidIn (value: unknown): unknown {
  return membersIn(value, ['onInvalid'])?.onInvalid
}

function membersIn (value: unknown, names: string[]): Options | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    const handlers = names.map((name) => [name, (value as Options)[name]]).filter(([, handler]) => handler !== undefined)
    return handlers.length === 0 ? undefined : Object.fromEntries(handlers)
  } catch (error) {
    throw new WebSocketOptionError(`session handlers cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Throws `WebSocketOptionError` for what stands beside the `websocket` of `route`, and belongs into it: anything but
 * functions that take part in a session. No option of a route has a name that Fastify has for one of its own.
 */
export function checkBeside (route: object): void {
  const misplaced = Object.entries(route).find(([name, value]) => value !== undefined && name !== 'onInvalid' && (name === 'raw' || Object.hasOwn(ROUTE_CHECKS, name)))
  if (misplaced === undefined) return
  const [name] = misplaced
  throw new WebSocketOptionError(`option ${name} stands beside \`websocket\`, and belongs into it: use websocket: { ${name}: … }`)
}

export function pluginSettings (options: Options): PluginSettings {
  const shutdown = { ...DEFAULTS.shutdown, ...defined(options.shutdown ?? {}) }
  return { ...DEFAULTS, ...defined(options), shutdown }
}

/** `sides` tells which side has a schema: JSON is the default there. */
export function routeSettings (plugin: Options, route: Options, sides: { receive: boolean, send: boolean }): RouteSettings {
  const { receiveType, sendType, ...rest } = { ...DEFAULTS, ...defined(plugin), ...defined(route) } as RouteSettings
  return {
    ...rest,
    maxConnections: route.maxConnections as number | undefined,
    heartbeat: heartbeat(plugin.heartbeat as HeartbeatOption | undefined, route.heartbeat as HeartbeatOption | undefined),
    receiveType: (route.receiveType ?? route.valueType ?? (sides.receive ? 'json' : plugin.receiveType ?? plugin.valueType ?? receiveType)) as ValueType,
    sendType: (route.sendType ?? route.valueType ?? (sides.send ? 'json' : plugin.sendType ?? plugin.valueType ?? sendType)) as ValueType
  }
}

type HeartbeatOption = Partial<HeartbeatOptions> | false

/** What a route leaves out is as in the plugin, and what that leaves out is the default. */
function heartbeat (plugin: HeartbeatOption = {}, route: HeartbeatOption = plugin): HeartbeatOptions | false {
  return route !== false && { ...DEFAULTS.heartbeat, ...defined(plugin || {}), ...defined(route) }
}
