import { inspect } from 'node:util'
import { checkCloseCode, closeCodes } from './close'
import { checkOneOf, VALUE_TYPES } from './codec'
import { WebSocketOptionError } from './errors'
import { MAX_DELAY } from './inbox'
import { parseEntry } from './origins'
import type { Refusal } from './refusal'
import type { HeartbeatOptions } from './heartbeat'
import type { RateLimitOptions } from './rate-limit'
import type { Broker } from '../types/broker'
import type { ValueType } from '../types/message'
import type { AllowedOrigins, ShutdownOptions, WebSocketPluginOptions } from '../types/options'

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
  handshakeTimeout: number
  refusal: Refusal
  heartbeat: HeartbeatOptions | false
  idleTimeout: number | false
  rateLimit: RateLimitOptions | false
  slowSubscriber: 'close' | 'skip'
  maxBufferedAmount: number
  /** Of this route: that of the plugin counts besides it. */
  maxConnections?: number
}

/** What applies to all routes alike. */
export interface PluginSettings {
  closeTimeout: number
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

type Options = Record<string, unknown>
type Check = (name: string, value: unknown) => void

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

function fail (name: string, value: unknown, use: string): never {
  throw new WebSocketOptionError(`option ${name} is ${inspect(value)}: use ${use}`)
}

const valueType: Check = (name, value) => checkOneOf(`option ${name}`, value, VALUE_TYPES)
const flag: Check = (name, value) => { if (typeof value !== 'boolean') fail(name, value, 'true or false') }
const wholeNumber = (unit: string): Check => (name, value) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1) fail(name, value, `a whole number of ${unit} from 1 up`)
}
const bytes = wholeNumber('bytes')
const milliseconds: Check = (name, value) => {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_DELAY)) fail(name, value, `a number of milliseconds above 0, at most ${MAX_DELAY}`)
}
const subprotocols: Check = (name, value) => {
  if (!Array.isArray(value) || !value.every((protocol) => typeof protocol === 'string' && protocol !== '')) fail(name, value, 'a list of subprotocol names')
}
const origins: Check = (name, value) => {
  if (value === 'same-origin' || value === '*' || value instanceof RegExp || typeof value === 'function') return
  if (!Array.isArray(value)) fail(name, value, "'same-origin', '*', a list of origins, a RegExp or a function")
  const wrong = value.findIndex((entry) => typeof entry !== 'string' || parseEntry(entry) === undefined)
  if (wrong !== -1) fail(name, value, `origins such as 'https://app.example.com' or 'https://*.example.com:8443' in it, not ${inspect(value[wrong])}`)
}
const func: Check = (name, value) => { if (typeof value !== 'function') fail(name, value, 'a function') }
const deflate: Check = (name, value) => {
  if (typeof value !== 'boolean' && (typeof value !== 'object' || value === null)) fail(name, value, 'true, false or the options of ws')
}
const refusal: Check = (name, value) => checkOneOf(`option ${name}`, value, ['http', 'close', 'auto'])
const closeCode: Check = (name, value) => {
  try {
    checkCloseCode(value)
  } catch (error) {
    throw new WebSocketOptionError(`option ${name}: ${(error as Error).message}`, { cause: error })
  }
}
const routes: Check = (name, value) => {
  if (typeof value === 'function' || (Array.isArray(value) && value.every((url) => typeof url === 'string'))) return
  fail(name, value, 'a list of URLs of routes, or a function that tells of a route')
}
const text: Check = (name, value) => { if (typeof value !== 'string') fail(name, value, 'a string') }
const slowSubscriber: Check = (name, value) => checkOneOf(`option ${name}`, value, ['close', 'skip'])
const orFalse = (check: Check): Check => (name, value) => { if (value !== false) check(name, value) }
const optional = (check: Check): Check => (name, value) => { if (value !== undefined) check(name, value) }
const members = (checks: Record<string, Check>, orElse = ''): Check => (name, value) => {
  const use = `{ ${Object.keys(checks).join(', ')} }`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(name, value, use + orElse)
  for (const [member, own] of Object.entries(value)) {
    if (own !== undefined && !Object.hasOwn(checks, member)) throw new WebSocketOptionError(`unknown ${member} in option ${name}: use ${use}`)
  }
  for (const [member, check] of Object.entries(checks)) check(`${name}.${member}`, (value as Options)[member])
}

const BROKER = ['start', 'subscribe', 'unsubscribe', 'publish', 'close']
const broker: Check = (name, value) => {
  const missing = BROKER.filter((member) => typeof (value as Options | null)?.[member] !== 'function')
  if (missing.length === 0) return
  throw new WebSocketOptionError(`option ${name} is ${typeof value === 'object' && value !== null ? `without ${missing.join(', ')}` : inspect(value)}: ` +
    'use redisBroker(client) from fastify-async-websocket/redis, natsBroker(connection) from fastify-async-websocket/nats, or an object with the functions of a Broker')
}

const ROUTE_CHECKS: Record<string, Check> = {
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
  refusal,
  maxConnections: wholeNumber('connections'),
  heartbeat: orFalse(members({ interval: optional(milliseconds), timeout: optional(milliseconds) }, ' or false')),
  idleTimeout: orFalse(milliseconds),
  rateLimit: orFalse(members({ messages: wholeNumber('messages'), interval: milliseconds }, ' or false')),
  slowSubscriber,
  maxBufferedAmount: bytes
}

const PLUGIN_CHECKS: Record<string, Check> = {
  ...ROUTE_CHECKS,
  closeTimeout: milliseconds,
  maxPayload: bytes,
  perMessageDeflate: deflate,
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

const HANDLER_CHECKS: Record<string, Check> = { raw: flag, onConnect: func, onMessage: func, onDisconnect: func }

/** What a session has, and the plain socket of a route with `raw: true` has not. */
const SESSION_LIMITS = ['heartbeat', 'idleTimeout', 'rateLimit']

/** What Fastify itself puts into the options of a plugin. */
const REGISTER_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

function check (options: Options, checks: Record<string, Check>, place: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (Object.hasOwn(checks, name)) checks[name](name, value)
    else throw new WebSocketOptionError(`unknown option ${name} ${place}: the options are ${Object.keys(checks).join(', ')}`)
  }
}

/** Throws `WebSocketOptionError` for an option of the plugin that is unknown or has a value that it cannot have. */
export function checkPluginOptions (options: Options): void {
  const own = Object.fromEntries(Object.entries(options).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  check(own, PLUGIN_CHECKS, 'of the plugin')
}

/** The same for the `websocket` option of a route. */
export function checkRouteOptions (options: Options): void {
  check(options, { ...ROUTE_CHECKS, ...HANDLER_CHECKS }, "in a route's `websocket`")
  const limit = SESSION_LIMITS.find((name) => options[name])
  if (options.raw === true && limit !== undefined) throw new WebSocketOptionError(`option ${limit} needs a session: with raw: true it has no effect`)
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

/** `options` without those that are undefined, which would stand over the defaults. */
export function defined<T extends object> (options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}
