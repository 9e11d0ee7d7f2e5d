import { EventEmitter } from 'node:events'
import fastifyWebsocket from '@fastify/websocket'
import fastifyPlugin from 'fastify-plugin'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { WebSocketServer } from 'ws'
import type { Compilers } from '../codec/message-schema'

/*
 * Everything that the package does to Fastify and @fastify/websocket, or reads of them, beyond their documentation. Each
 * function looks whether the part is there. Where it is missing, the function does what its comment says.
 * docs/internals.md lists the parts and their tests.
 */

export const FASTIFY_WEBSOCKET = '@fastify/websocket'

/**
 * Registers @fastify/websocket with `app`. Only its decorators remain: `app.websocketServer`, which is returned, and
 * `app.injectWS`. It gets a facade of the app, so that its hooks have no effect, and an emitter in place of the server.
 * Its listener to upgrade requests is replaced by `onUpgrade`, which gets the requests of `injectWS`.
 */
export async function registerFastifyWebsocket (app: FastifyInstance, server: object, onUpgrade: (request: IncomingMessage, stream: Duplex) => void): Promise<WebSocketServer> {
  const upgrades = new EventEmitter()
  const nothing = { value: () => {} }
  const facade = Object.create(app, {
    addHook: nothing,
    decorateRequest: nothing, // this package decorates requests with `ws`
    decorate: { value: (name: string, value: unknown) => app.decorate(name, value) }
  })
  const plugin = (_app: FastifyInstance, _options: object, done: (error?: Error) => void): void => {
    fastifyWebsocket(facade, { options: { ...server, server: upgrades as never } }, done)
  }
  await app.register(fastifyPlugin(plugin, { fastify: '5.x', name: FASTIFY_WEBSOCKET }))
  upgrades.removeAllListeners('upgrade').on('upgrade', onUpgrade)
  return app.getDecorator('websocketServer')
}

/**
 * Whether @fastify/websocket is registered in any context of the app. Its decorators are visible in that context only;
 * Fastify's list of plugins has the plugins of all contexts. False where the list has another form.
 */
export function hasFastifyWebsocket (app: FastifyInstance): boolean {
  return app.hasDecorator('websocketServer') || new RegExp(` ${FASTIFY_WEBSOCKET} -?\\d+ ms$`, 'm').test(app.printPlugins())
}

/**
 * Makes each later registration of @fastify/websocket fail: the app does not get ready, with `createError()` as the error.
 * The first thing that @fastify/websocket does is to decorate requests with `ws`. What its function throws would end the
 * process, since it is no async function. Where it does not decorate, nothing fails.
 */
export function rejectFastifyWebsocket (app: FastifyInstance, createError: () => Error): void {
  const root = rootOf(app)
  const { decorate, decorateRequest } = root as { decorate: Function, decorateRequest: Function }
  let error: Error | undefined
  Object.assign(root, {
    decorateRequest (this: FastifyInstance, name: string, ...rest: unknown[]) {
      if (name !== 'ws' || !root.hasRequestDecorator('ws')) return decorateRequest.call(this, name, ...rest)
      error ??= createError()
      this.register(async () => { throw error })
      return this
    },
    decorate (this: FastifyInstance, name: string, ...rest: unknown[]) {
      return error !== undefined && this.hasDecorator(name) ? this : decorate.call(this, name, ...rest)
    }
  })
}

/** The app of which `app` is a context, or `app` itself. The prototype of a context is the context around it. */
export function rootOf (app: FastifyInstance): FastifyInstance {
  let root = app
  for (let outer = Object.getPrototypeOf(app); 'printPlugins' in outer; outer = Object.getPrototypeOf(outer)) root = outer
  return root
}

/** Whether `context` is `outer`, or a context within it. */
export function isWithin (outer: FastifyInstance, context: FastifyInstance): boolean {
  return context === outer || Object.prototype.isPrototypeOf.call(outer, context)
}

/**
 * The servers of an app beside `app.server`: where it listens on `localhost`, Fastify opens a server for each address.
 * Empty where Fastify keeps them elsewhere.
 */
export function furtherServers (app: FastifyInstance): Server[] {
  return internal(app, 'fastify.serverBindings') as Server[] | undefined ?? []
}

/** Whether the app has the option `rewriteUrl`. False where Fastify keeps its options elsewhere. */
export function rewritesUrls (app: FastifyInstance): boolean {
  return optionsOf(app).rewriteUrl !== undefined
}

/** The names of the constraints of the app's own strategies, which may be `host` and `version`. Empty where Fastify keeps its options elsewhere. */
export function customConstraints (app: FastifyInstance): string[] {
  const { constraints, routerOptions } = optionsOf(app)
  return Object.keys({ ...constraints, ...routerOptions?.constraints })
}

/**
 * Has `app` route only requests for which `isRouted` holds. Returns the routing of Fastify, which routes all.
 * `app.routing` is documented; that others call it, and that it can be replaced, is not.
 */
export function limitRouting (app: FastifyInstance, isRouted: (request: IncomingMessage) => boolean): FastifyInstance['routing'] {
  const root = rootOf(app)
  const { routing } = root
  root.routing = (request, response) => { if (isRouted(request)) routing(request, response) }
  return routing
}

/**
 * The compilers of schemas in the context `instance`, which Fastify makes first where no HTTP route has needed them.
 * Undefined where Fastify has them in another form.
 */
export function contextCompilers (instance: FastifyInstance): Compilers {
  const controller = internal(instance, 'fastify.schemaController') as Record<string, any> | undefined
  const options = internal(instance, 'fastify.options')
  const compiler = (setup: string, name: string): ReturnType<Compilers['validator']> => {
    if (typeof controller?.[setup] !== 'function' || options === undefined) return undefined
    controller[setup](options)
    return controller[name]
  }
  return {
    validator: () => compiler('setupValidator', 'validatorCompiler'),
    serializer: () => compiler('setupSerializer', 'serializerCompiler')
  }
}

/** Has `app.get` and `app.route` take what `complete` makes of the options and the handler of a route, before Fastify checks them. */
export function completeRoutes (app: FastifyInstance, complete: (options: any, handler: any) => { options: object, handler: unknown }): void {
  const { get, route } = app as unknown as { get: Function, route: Function }
  Object.assign(app, {
    get (this: FastifyInstance, url: string, given: any, givenHandler?: unknown) {
      const isWithin = givenHandler === undefined // the handler may stand in the options
      const { options, handler } = complete(given, isWithin ? given?.handler : givenHandler)
      return isWithin ? get.call(this, url, withHandler(options, handler)) : get.call(this, url, options, handler)
    },
    route (this: FastifyInstance, given: any) {
      const { options, handler } = complete(given, given?.handler)
      return route.call(this, withHandler(options, handler))
    }
  })
}

function withHandler (options: any, handler: unknown): unknown {
  return options?.handler === handler ? options : { ...options, handler }
}

/** A media type that makes Fastify pass a text to the serializer of the reply. */
const NO_TYPE = 'application/vnd.fastify-async-websocket.none'

/** The key under which a reply keeps its serializer. No public method takes a serializer away again. */
let kSerializer: symbol | undefined

/**
 * Sends null: onSend hooks get null as the payload, where `reply.send(null)` would give them a JSON text. Where a reply
 * keeps its serializer elsewhere, onSend hooks get undefined.
 */
export function sendNull (reply: FastifyReply): void {
  const type = reply.getHeader('content-type')
  const serialize = (): any => {
    (reply as any)[kSerializer!] = null
    if (type === undefined) reply.removeHeader('content-type')
    else reply.header('content-type', type)
    return null
  }
  reply.serializer(serialize)
  kSerializer = keyOf(reply, serialize)
  if (kSerializer === undefined) reply.send()
  else reply.type(NO_TYPE).send('')
}

function keyOf (reply: any, serialize: Function): symbol | undefined {
  return reply[kSerializer!] === serialize ? kSerializer : Object.getOwnPropertySymbols(reply).find((key) => reply[key] === serialize)
}

interface Options {
  rewriteUrl?: Function
  constraints?: object
  routerOptions?: { constraints?: object }
}

function optionsOf (app: FastifyInstance): Options {
  return internal(app, 'fastify.options') as Options | undefined ?? {}
}

/** The value that `app`, or else the context around it, has under the symbol of this description. */
function internal (app: object | null, description: string): unknown {
  if (app === null) return undefined
  const key = Object.getOwnPropertySymbols(app).find((symbol) => symbol.description === description)
  return key === undefined ? internal(Object.getPrototypeOf(app), description) : Reflect.get(app, key)
}
