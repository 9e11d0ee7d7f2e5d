import {
  bytes, checkAll, closeCode, defined, fail, flag, func, isObject, maxPayload, members, milliseconds, oneOf, optional, orFalse,
  readOptions, subprotocols, text, wholeNumber, type Check, type Checks, type Options
} from '../base/checks'
import { closeCodes } from '../base/close-codes'
import { WebSocketOptionError, type WebSocketError } from '../base/errors'
import { messageOf, show } from '../base/show'
import { VALUE_TYPES } from '../base/value-types'
import { parseEntry } from '../handshake/origins'
import { perMessageDeflate } from '../protocol/deflate-checks'
import { history } from './history-options'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { HeartbeatOptions } from '../connection/heartbeat'
import type { RateLimitOptions } from '../connection/rate-limit'
import type { Refusal } from '../handshake/refusal'
import type { Broker } from '../../types/broker'
import type { ValueType } from '../../types/message'
import type { AllowedOrigins, ShutdownOptions, WebSocketPluginOptions } from '../../types/options'

/** The settings of the connections of a route. An option of the route overrides the plugin's, which overrides the default. */
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
  /** Gets the error of a message that does not decode or validate in an iteration. The iteration goes on with the next message. */
  onInvalid?: (this: FastifyInstance, ws: any, error: WebSocketError, request: FastifyRequest) => unknown
  /** The limit of this route. The limit of the plugin applies as well. */
  maxConnections?: number
}

/** The settings of all routes. */
export interface PluginSettings {
  closeTimeout: number
  /** The value for a route without its own. */
  maxPayload: number
  perMessageDeflate: boolean | object
  /** The limit of all routes together. */
  maxConnections?: number
  errorHandler?: WebSocketPluginOptions['errorHandler']
  /** Applies to routes, and to upgrade requests that wait for the responses to earlier requests. */
  handshakeTimeout: number
  rawRoutes: NonNullable<WebSocketPluginOptions['rawRoutes']>
  shutdown: ShutdownSettings
  /** Carries messages to other processes. */
  broker?: Broker
  /** Whether WebSockets over HTTP/2 are served. Undefined: if the server speaks HTTP/2. */
  http2?: boolean
  /** How much of which topics is kept. */
  history: NonNullable<WebSocketPluginOptions['history']>
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
  history: false,
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
  fail(name, value, 'a list of the URLs of routes, or a function of a route that returns whether the route is raw')
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
  http2: flag,
  shutdown: members({
    code: optional(closeCode),
    reason: optional(text),
    spread: optional((name, value) => { if (value !== 0) milliseconds(name, value) }),
    timeout: optional(milliseconds),
    notify: optional(func)
  }),
  broker,
  history
}

const HANDLER_CHECKS: Checks = { onConnect: func, onMessage: func, onDisconnect: func }

/** The options that also apply to the `ws` socket of a route with `raw: true`. All other options need a session. */
const RAW_OPTIONS = ['raw', 'origins', 'refusal', 'maxConnections', 'maxPayload', 'perMessageDeflate', ...Object.keys(HANDLER_CHECKS)]

/** The options of Fastify among the options of a plugin. */
const REGISTER_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

/** Throws `WebSocketOptionError` for an unknown option of the plugin, and for an invalid value. */
export function checkPluginOptions (options: Options): void {
  const own = Object.fromEntries(Object.entries(readOptions('the plugin', options)).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  checkAll(own, PLUGIN_CHECKS, 'of the plugin')
  checkHistory(own)
}

function checkHistory ({ broker, history = false }: Options): void {
  if (history === false || broker === undefined || isObject((broker as Broker).history)) return
  throw new WebSocketOptionError('option history needs a broker that keeps messages: use redisBroker, natsBroker, or a broker with a `history` (docs/brokers.md)')
}

/** Throws `WebSocketOptionError` for an unknown option in the `websocket` of a route, and for an invalid value. */
export function checkRouteOptions (options: Options): void {
  checkAll(options, { ...ROUTE_CHECKS, raw: flag, ...HANDLER_CHECKS }, "in a route's `websocket`")
  const ineffective = Object.keys(options).find((name) => options[name] && !RAW_OPTIONS.includes(name))
  if (options.raw === true && ineffective !== undefined) throw new WebSocketOptionError(`option ${ineffective} needs a session: it has no effect with raw: true`)
}

/** Returns the session handlers among the properties of `value`; undefined if there are none. */
export function sessionHandlersIn (value: unknown): Options | undefined {
  return membersIn(value, Object.keys(HANDLER_CHECKS))
}

/** Returns the `onInvalid` of `value`, which may be session handlers or options; undefined if there is none. */
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
 * Throws `WebSocketOptionError` for an option that stands beside the `websocket` of `route` and belongs in `websocket`. Only session
 * handlers and `onInvalid` may stand beside `websocket`. No option of this package has the name of an option of Fastify.
 */
export function checkPlacement (route: object): void {
  const misplaced = Object.entries(route).find(([name, value]) => value !== undefined && name !== 'onInvalid' && (name === 'raw' || Object.hasOwn(ROUTE_CHECKS, name)))
  if (misplaced === undefined) return
  const [name] = misplaced
  throw new WebSocketOptionError(`option ${name} stands beside \`websocket\` and belongs in \`websocket\`: use websocket: { ${name}: … }`)
}

export function pluginSettings (options: Options): PluginSettings {
  const shutdown = { ...DEFAULTS.shutdown, ...defined(options.shutdown ?? {}) }
  return { ...DEFAULTS, ...defined(options), shutdown }
}

/** Returns the settings of a route. `sides` tells which side has a schema; the default type of that side is JSON. */
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

/** Returns the heartbeat of a route. A member that the route omits has the plugin's value, or else the default. */
function heartbeat (plugin: HeartbeatOption = {}, route: HeartbeatOption = plugin): HeartbeatOptions | false {
  return route !== false && { ...DEFAULTS.heartbeat, ...defined(plugin || {}), ...defined(route) }
}
