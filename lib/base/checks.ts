import { checkCloseCode } from './closing'
import { WebSocketOptionError } from './errors'
import { messageOf, show } from './show'

/* Checks of options. Each throws a `WebSocketOptionError` that names the option and says which value to use. */

export type Options = Record<string, unknown>
export type Check = (name: string, value: unknown) => void
export type Checks = Record<string, Check>

/** The longest delay of Node's timers, in milliseconds. A timer with a longer delay fires at once. */
export const MAX_DELAY = 2 ** 31 - 1

/** A token (RFC 9110, section 5.6.2). */
export const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/

/**
 * The sockets of `raw: true` routes are those of `ws`, which reads `maxPayload` as a signed integer of 32 bits. From 2^31 on it
 * would be negative, which `ws` takes for no limit.
 */
const MAX_PAYLOAD = 2 ** 31 - 1

export function fail (name: string, value: unknown, use: string): never {
  throw new WebSocketOptionError(`option ${name} is ${show(value)}: use ${use}`)
}

/** Throws `WebSocketOptionError` unless `value` is one of `allowed`. `name` begins the message. */
export function checkOneOf (name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) {
    throw new WebSocketOptionError(`${name} is ${show(value)}: use one of ${allowed.map((v) => `'${v}'`).join(', ')}`)
  }
}

/**
 * Copies the options of `owner`: `value`, or no options where `value` is undefined. Throws `WebSocketOptionError` if `value` is
 * no object, or if one of its getters throws.
 */
export function readOptions (owner: string, value: unknown = {}): Options {
  if (!isObject(value)) throw new WebSocketOptionError(`the options of ${owner} are an object, not ${show(value)}`)
  try {
    return { ...value }
  } catch (error) {
    throw new WebSocketOptionError(`the options of ${owner} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Whether `value` is an object and not an array. Never throws. */
export function isObject (value: unknown): value is object {
  try {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return true // a proxy that has been revoked
  }
}

/**
 * Runs the check of each option that is not undefined. Throws `WebSocketOptionError` for an option that `checks` does not have;
 * `place` says in the message where the option stands.
 */
export function checkAll (options: Options, checks: Checks, place: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!Object.hasOwn(checks, name)) throw new WebSocketOptionError(`unknown option ${shownName(name)} ${place}: the options are ${Object.keys(checks).join(', ')}`)
    try {
      checks[name](name, value)
    } catch (error) {
      if (error instanceof WebSocketOptionError) throw error
      throw new WebSocketOptionError(`option ${name} cannot be read: ${messageOf(error)}`, { cause: error })
    }
  }
}

/** `name` for a message: cut if it is long, and without quotes. */
function shownName (name: string): string {
  return show(name).slice(1, -1)
}

/** `options` without those that are undefined, which would replace the defaults in a spread. */
export function defined<T extends object> (options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

export const oneOf = (allowed: readonly string[]): Check => (name, value) => checkOneOf(`option ${name}`, value, allowed)

export const orFalse = (check: Check): Check => (name, value) => { if (value !== false) check(name, value) }

export const optional = (check: Check): Check => (name, value) => { if (value !== undefined) check(name, value) }

export const flag: Check = (name, value) => { if (typeof value !== 'boolean') fail(name, value, 'true or false') }

export const text: Check = (name, value) => { if (typeof value !== 'string') fail(name, value, 'a string') }

export const func: Check = (name, value) => { if (typeof value !== 'function') fail(name, value, 'a function') }

export const wholeNumber = (unit: string, min = 1, max = Number.MAX_SAFE_INTEGER): Check => (name, value) => {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return
  fail(name, value, `a whole number of ${unit} from ${min} ${max === Number.MAX_SAFE_INTEGER ? 'up' : `to ${max}`}`)
}

export const bytes = /* @__PURE__ */ wholeNumber('bytes')

export const maxPayload = /* @__PURE__ */ wholeNumber('bytes', 1, MAX_PAYLOAD)

export const milliseconds: Check = (name, value) => {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_DELAY)) fail(name, value, `a number of milliseconds above 0, at most ${MAX_DELAY}`)
}

export const closeCode: Check = (name, value) => {
  try {
    checkCloseCode(value)
  } catch (error) {
    throw new WebSocketOptionError(`option ${name}: ${(error as Error).message}`, { cause: error })
  }
}

/** RFC 6455, section 4.1: subprotocols are tokens, and all differ. */
export const subprotocols: Check = (name, value) => {
  const use = 'a list of subprotocols'
  if (!Array.isArray(value)) fail(name, value, use)
  const wrong = value.findIndex((protocol, i) => typeof protocol !== 'string' || !TOKEN.test(protocol) || value.indexOf(protocol) < i)
  if (wrong !== -1) fail(name, value, `${use}, tokens such as 'chat.v1' and none of them twice, not ${show(value[wrong])}`)
}

/** The check of an object: `checks` has the checks of its members. `orElse` adds to the message which other values there are. */
export const members = (checks: Checks, orElse = ''): Check => (name, value) => {
  const use = `{ ${Object.keys(checks).join(', ')} }`
  if (!isObject(value)) fail(name, value, use + orElse)
  const own = readOptions(name, value)
  for (const [member, set] of Object.entries(own)) {
    if (set !== undefined && !Object.hasOwn(checks, member)) throw new WebSocketOptionError(`unknown ${shownName(member)} in option ${name}: use ${use}`)
  }
  for (const [member, check] of Object.entries(checks)) check(`${name}.${member}`, own[member])
}
