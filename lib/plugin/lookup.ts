import { isDeepStrictEqual } from 'node:util'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { customConstraints, rewritesUrls } from './adapter'
import type { IncomingMessage } from 'node:http'

/** How Fastify routes unless it is told otherwise. */
const ROUTING: Record<string, unknown> = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 100,
  allowUnsafeRegex: false,
  useSemicolonDelimiter: false
}

/** The constraints for which Fastify has a strategy by itself. */
const BUILT_IN = ['host', 'version']

type Constraints = Record<string, unknown>

/** What Fastify's options of a route say of where it is. */
interface Place {
  url: string
  routePath?: string
  prefixTrailingSlash?: string
  constraints?: Constraints
}

interface Found {
  params?: unknown
  searchParams?: unknown
}

/**
 * Tells which requests would come to one of the WebSocket routes of an app, without a hook being run. The app has no such
 * question: what is looked up of it does not say which route it is. So another one is asked as well, which has those
 * routes only and routes alike.
 */
export class Lookup {
  readonly #app: FastifyInstance
  readonly #routes: Pick<Place, 'url' | 'constraints'>[] = []
  #mirror: FastifyInstance | null = null

  constructor (app: FastifyInstance) {
    this.#app = app
  }

  /** A WebSocket route has been added. */
  add ({ url, routePath, prefixTrailingSlash = 'both', constraints }: Place): void {
    this.#mirror = null
    this.#routes.push({ url, constraints })
    if (routePath === '' && prefixTrailingSlash === 'both') this.#routes.push({ url: `${url}/`, constraints })
  }

  /** Whether `request` would come to a WebSocket route, of an app that is ready. Where that cannot be told: true. */
  has ({ method, url, headers }: IncomingMessage): boolean {
    if (rewritesUrls(this.#app)) return true
    this.#mirror ??= this.#createMirror()
    const target = { method: method as 'GET', url: url!, constraints: { host: headers.host, version: headers['accept-version'] } as never }
    const own = this.#mirror.findRoute(target) as Found | null
    if (own === null || own.searchParams === undefined) return false // `undefined` is found of what is no URL
    const found = this.#app.findRoute(target) as Found | null
    return found === null || isDeepStrictEqual(own.params, found.params) // with a constraint of the user's, the app does not find it
  }

  #createMirror (): FastifyInstance {
    const mirror = fastify(routingOptions(this.#app))
    const custom = customConstraints(this.#app)
    for (const { url, constraints = {} } of this.#routes) {
      const common = Object.fromEntries(Object.entries(constraints).filter(([name]) => BUILT_IN.includes(name) && !custom.includes(name)))
      const key = { method: 'GET', url, constraints: common } as const
      if (!mirror.hasRoute(key)) mirror.route({ ...key, exposeHeadRoute: false, handler: Object }) // which nobody calls
    }
    return mirror
  }
}

/** Those of the options of `app` that it routes by. Of one that newer versions of Fastify have in `routerOptions`, they warn. */
function routingOptions ({ initialConfig }: FastifyInstance): FastifyServerOptions {
  const { routerOptions } = initialConfig as FastifyServerOptions
  return { ...differing(initialConfig), ...(routerOptions !== undefined && { routerOptions: differing(routerOptions) }) }
}

function differing (options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => Object.hasOwn(ROUTING, name) && value !== ROUTING[name]))
}
