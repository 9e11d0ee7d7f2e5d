import { checkOneOf, VALUE_TYPES } from './codec'
import { WebSocketOptionError } from './errors'
import { MAX_DELAY } from './inbox'
import type { HeartbeatOptions } from './heartbeat'
import type { RateLimitOptions } from './rate-limit'
import type { ValueType } from '../types/message'
import type { WebSocketPluginOptions } from '../types/options'

/** What applies to the connections of a route: its own options over the plugin's over the defaults. */
export interface RouteSettings {
  receiveType: ValueType
  sendType: ValueType
  subprotocols: readonly string[]
  autoAccept: boolean
  catchDisconnect: boolean
  receiveHighWaterMark: number
  sendHighWaterMark: number
  sendTimeout: number
  handshakeTimeout: number
  heartbeat: HeartbeatOptions | false
  idleTimeout: number | false
  rateLimit: RateLimitOptions | false
  slowSubscriber: 'close' | 'skip'
  maxBufferedAmount: number
}

/** What applies to all routes alike. */
export interface PluginSettings {
  closeTimeout: number
  maxPayload: number
  perMessageDeflate: boolean | object
  errorHandler?: WebSocketPluginOptions['errorHandler']
}

type Options = Record<string, unknown>
type Check = (name: string, value: unknown) => void

const DEFAULTS = {
  receiveType: 'text',
  sendType: 'any',
  subprotocols: [],
  autoAccept: false,
  catchDisconnect: true,
  receiveHighWaterMark: 64 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendTimeout: 30_000,
  handshakeTimeout: 10_000,
  heartbeat: { interval: 25_000, timeout: 10_000 },
  idleTimeout: false,
  rateLimit: false,
  slowSubscriber: 'close',
  maxBufferedAmount: 1024 * 1024,
  closeTimeout: 5_000,
  maxPayload: 1024 * 1024,
  perMessageDeflate: false
} satisfies RouteSettings & PluginSettings

function fail (name: string, value: unknown, use: string): never {
  throw new WebSocketOptionError(`option ${name} is ${typeof value === 'string' ? `'${value}'` : String(value)}: use ${use}`)
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
const func: Check = (name, value) => { if (typeof value !== 'function') fail(name, value, 'a function') }
const deflate: Check = (name, value) => {
  if (typeof value !== 'boolean' && (typeof value !== 'object' || value === null)) fail(name, value, 'true, false or the options of ws')
}
const slowSubscriber: Check = (name, value) => checkOneOf(`option ${name}`, value, ['close', 'skip'])
const orFalse = (check: Check): Check => (name, value) => { if (value !== false) check(name, value) }
const optional = (check: Check): Check => (name, value) => { if (value !== undefined) check(name, value) }
const members = (checks: Record<string, Check>): Check => (name, value) => {
  const use = `{ ${Object.keys(checks).join(', ')} }`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(name, value, `${use} or false`)
  for (const member of Object.keys(value)) {
    if (!Object.hasOwn(checks, member)) throw new WebSocketOptionError(`unknown ${member} in option ${name}: use ${use}`)
  }
  for (const [member, check] of Object.entries(checks)) check(`${name}.${member}`, (value as Options)[member])
}

const ROUTE_CHECKS: Record<string, Check> = {
  valueType,
  receiveType: valueType,
  sendType: valueType,
  subprotocols,
  autoAccept: flag,
  catchDisconnect: flag,
  receiveHighWaterMark: bytes,
  sendHighWaterMark: bytes,
  sendTimeout: milliseconds,
  handshakeTimeout: milliseconds,
  heartbeat: orFalse(members({ interval: optional(milliseconds), timeout: optional(milliseconds) })),
  idleTimeout: orFalse(milliseconds),
  rateLimit: orFalse(members({ messages: wholeNumber('messages'), interval: milliseconds })),
  slowSubscriber,
  maxBufferedAmount: bytes
}

const PLUGIN_CHECKS: Record<string, Check> = {
  ...ROUTE_CHECKS,
  closeTimeout: milliseconds,
  maxPayload: bytes,
  perMessageDeflate: deflate,
  errorHandler: func
}

const HANDLER_CHECKS: Record<string, Check> = { raw: flag, onConnect: func, onMessage: func, onDisconnect: func }

/** What a session has, and the plain socket of a route with `raw: true` has not. */
const SESSION_LIMITS = ['heartbeat', 'idleTimeout', 'rateLimit']

/** What Fastify itself puts into the options of a plugin. */
const REGISTER_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

/** Part of the contract, and not implemented in this version. */
const PLANNED = new Set(['origins', 'maxConnections', 'refusal', 'shutdown'])

function check (options: Options, checks: Record<string, Check>, place: string, warn: (message: string) => void): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (Object.hasOwn(checks, name)) checks[name](name, value)
    else if (PLANNED.has(name)) warn(`the option ${name} is not implemented in this version of fastify-async-websocket and has no effect`)
    else throw new WebSocketOptionError(`unknown option ${name} ${place}: the options are ${Object.keys(checks).join(', ')}`)
  }
}

/** Throws `WebSocketOptionError` for an option of the plugin that is unknown or has a value that it cannot have. */
export function checkPluginOptions (options: Options, warn: (message: string) => void): void {
  const own = Object.fromEntries(Object.entries(options).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  check(own, PLUGIN_CHECKS, 'of the plugin', warn)
}

/** The same for the `websocket` option of a route. */
export function checkRouteOptions (options: Options, warn: (message: string) => void): void {
  check(options, { ...ROUTE_CHECKS, ...HANDLER_CHECKS }, "in a route's `websocket`", warn)
  const limit = SESSION_LIMITS.find((name) => options[name])
  if (options.raw === true && limit !== undefined) throw new WebSocketOptionError(`option ${limit} needs a session: with raw: true it has no effect`)
}

export function pluginSettings (options: Options): PluginSettings {
  return { ...DEFAULTS, ...defined(options) }
}

/** `sides` tells which side has a schema: JSON is the default there. */
export function routeSettings (plugin: Options, route: Options, sides: { receive: boolean, send: boolean }): RouteSettings {
  const { receiveType, sendType, ...rest } = { ...DEFAULTS, ...defined(plugin), ...defined(route) } as RouteSettings
  return {
    ...rest,
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
