import { isDeepStrictEqual } from 'node:util'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { customConstraints, rewritesUrls } from './adapter'
import type { IncomingMessage } from 'node:http'

/** The default values of Fastify's options for routing. */
const ROUTING: Record<string, unknown> = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 100,
  allowUnsafeRegex: false,
  useSemicolonDelimiter: false
}

/** The constraints for which Fastify itself has a strategy. */
const BUILT_IN = ['host', 'version']

type Constraints = Record<string, unknown>

/** The options of a Fastify route that decide which requests the route gets. */
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
 * Tells which requests would go to a WebSocket route of an app, without running a hook. Fastify has no method for this: the result
 * of `findRoute` does not say which route it is. So the lookup also asks a second app, the mirror, which has only the WebSocket
 * routes and the same routing.
 */
export class Lookup {
  readonly #app: FastifyInstance
  readonly #routes: Pick<Place, 'url' | 'constraints'>[] = []
  #mirror: FastifyInstance | null = null

  constructor (app: FastifyInstance) {
    this.#app = app
  }

  /** Adds a WebSocket route. */
  add ({ url, routePath, prefixTrailingSlash = 'both', constraints }: Place): void {
    this.#mirror = null
    this.#routes.push({ url, constraints })
    if (routePath === '' && prefixTrailingSlash === 'both') this.#routes.push({ url: `${url}/`, constraints })
  }

  /** Whether `request` would go to a WebSocket route of an app that is ready. True if that is not known. */
  has ({ method, url, headers }: IncomingMessage): boolean {
    if (rewritesUrls(this.#app)) return true
    this.#mirror ??= this.#createMirror()
    const target = { method: method as 'GET', url: url!, constraints: { host: headers.host ?? headers[':authority'], version: headers['accept-version'] } as never }
    const own = this.#mirror.findRoute(target) as Found | null
    if (own === null || own.searchParams === undefined) return false // `searchParams` is undefined for a text that is no URL
    const found = this.#app.findRoute(target) as Found | null
    return found === null || isDeepStrictEqual(own.params, found.params) // the app does not find a route with a custom constraint
  }

  #createMirror (): FastifyInstance {
    const mirror = fastify(routingOptions(this.#app))
    const custom = customConstraints(this.#app)
    for (const { url, constraints = {} } of this.#routes) {
      const common = Object.fromEntries(Object.entries(constraints).filter(([name]) => BUILT_IN.includes(name) && !custom.includes(name)))
      const key = { method: 'GET', url, constraints: common } as const
      if (!mirror.hasRoute(key)) mirror.route({ ...key, exposeHeadRoute: false, handler: Object }) // never called
    }
    return mirror
  }
}

/**
 * Returns the routing options of `app` that differ from the defaults. Newer versions of Fastify warn about an option that they
 * have in `routerOptions`.
 */
function routingOptions ({ initialConfig }: FastifyInstance): FastifyServerOptions {
  const { routerOptions } = initialConfig as FastifyServerOptions
  return { ...differing(initialConfig), ...(routerOptions !== undefined && { routerOptions: differing(routerOptions) }) }
}

function differing (options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => Object.hasOwn(ROUTING, name) && value !== ROUTING[name]))
}
