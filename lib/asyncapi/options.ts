import { checkAll, fail, func, isObject, members, optional, text, type Check, type Options } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'

const object: Check = (name, value) => { if (!isObject(value)) fail(name, value, 'an object') }

const info: Check = (name, value) => {
  object(name, value)
  const { title, version } = value as Options
  optional(text)(`${name}.title`, title)
  optional(text)(`${name}.version`, version)
}

/** AsyncAPI has the scheme of a server apart from its host, and its own schema does not see a scheme in the host. */
const servers: Check = (name, value) => {
  object(name, value)
  for (const [server, options] of Object.entries(value as object)) {
    object(`${name}.${server}`, options)
    const { host, protocol } = options as Options
    if (typeof host !== 'string' || /\/|^$/.test(host)) fail(`${name}.${server}.host`, host, "a name and a port such as 'chat.example.com:8443'; the scheme is `protocol`, the path is `pathname`")
    if (protocol !== 'ws' && protocol !== 'wss') fail(`${name}.${server}.protocol`, protocol, "'ws' or 'wss'")
  }
}

const components: Check = (name, value) => {
  object(name, value)
  for (const [kind, named] of Object.entries(value as object)) object(`${name}.${kind}`, named)
}

const routePrefix: Check = (name, value) => {
  if (typeof value !== 'string' || !/^(?:\/[\w.~-]+)+$/.test(value)) fail(name, value, "a path such as '/asyncapi', without parameters and without a slash at its end")
}

const hook: Check = (name, value) => { for (const one of [value].flat()) func(name, one) }

const CHECKS = {
  info,
  servers,
  components,
  routePrefix,
  hooks: members({ onRequest: optional(hook), preHandler: optional(hook) })
}

/** Throws `WebSocketOptionError` for an unknown option, and for an invalid value. */
export function checkOptions (options: Options): void {
  const { prefix, ...own } = options
  if (prefix !== undefined) throw new WebSocketOptionError(`option prefix is ${show(prefix)}: use routePrefix for the place of the page; the prefix of its context comes before that`)
  checkAll(own, CHECKS, 'of asyncapi')
  if (own.hooks !== undefined && own.routePrefix === undefined) throw new WebSocketOptionError('option hooks needs routePrefix: nothing is served without it')
}
