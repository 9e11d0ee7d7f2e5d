import fastifyPlugin from 'fastify-plugin'
import fastifyWebsocket from '@fastify/websocket'
import { addWebSocketRoute, allowSessionHandlers } from './define'
import { WebSocketOptionError } from './errors'
import { Handshake } from './handshake'
import { dropIncompleteRequests } from './incomplete'
import { injectWebSocket } from './inject'
import { Link } from './link'
import { checkPluginOptions, pluginSettings, type PluginSettings } from './options'
import { atMost } from './promise'
import { SessionWebSocket } from './raw'
import { Route, type AnyRouteOptions } from './route'
import { Service } from './service'
import { Sessions } from './sessions'
import { shutDown } from './shutdown'
import { checkUpgrade, hideUpgrade, kRoute, showUpgrade, watchUpgrades } from './upgrade'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { WebSocketServer } from 'ws'
import type { Broker } from '../types/broker'

async function plugin (app: FastifyInstance, options: Record<string, unknown>): Promise<void> {
  if (app.hasDecorator('websocketServer')) {
    throw new WebSocketOptionError('@fastify/websocket is registered already: fastify-async-websocket brings it along, ' +
      'so register only this plugin (routes written for @fastify/websocket take `websocket: { raw: true }`)')
  }
  checkPluginOptions(options)
  const service = new Service(options, pluginSettings(options))

  dropIncompleteRequests(app)
  app.addHook('onResponse', hideUpgrade)
  await registerFastifyWebsocket(app, service)
  app.addHook('onResponse', showUpgrade)
  allowSessionHandlers(app)
  app.addHook('onRequest', checkUpgrade)

  const sessions = new Sessions(service)
  const { broker } = service.settings
  if (broker !== undefined) connectBroker(app, service, sessions, broker)
  app.decorate('websockets', sessions as never)
  app.decorate('websocket', addWebSocketRoute as never)
  app.decorate('injectWebSocket', ((url: string, options?: object) => injectWebSocket(app, service, url, options)) as never)
}

/** The app has its broker from when it is ready until its connections have ended. */
function connectBroker (app: FastifyInstance, { hub }: Service, sessions: Sessions, broker: Broker): void {
  const link = new Link(broker, hub.topics, (topics) => sessions.resync(topics, app), app)
  hub.link = link
  app.addHook('onReady', () => link.start())
}

/**
 * @fastify/websocket upgrades, on Fastify's routing, when the handler that it makes for a route is called. One hook
 * before its own says what to make, one after it keeps what it made and puts this package's handler in its place.
 */
async function registerFastifyWebsocket (app: FastifyInstance, service: Service): Promise<void> {
  const routes = new WeakMap<object, Route>()
  const httpHandlers = new WeakMap<object, AnyRouteOptions['handler']>()
  let closed: Promise<void> | undefined

  app.addHook('onRoute', function (options) {
    const route = options as unknown as AnyRouteOptions
    if (!isWebSocketRoute(route)) {
      httpHandlers.set(options, route.handler)
      return
    }
    const made = new Route(service, this, route)
    routes.set(options, made)
    route.config = { ...route.config, [kRoute]: made } as typeof route.config
  })
  await app.register(fastifyWebsocket, {
    options: webSocketServerOptions(service.settings),
    preClose: async () => {
      closed = shutDown(service, service.settings.shutdown, app.log)
      // Fastify gives up on a preClose hook after `pluginTimeout`, unless that is 0.
      const { pluginTimeout } = app.initialConfig
      await (pluginTimeout ? atMost(0.9 * pluginTimeout, closed) : closed)
    }
  })
  watchUpgrades(app, service)
  app.addHook('onClose', async () => {
    await closed
    await service.hub.link?.close()
  })
  app.addHook('onRoute', (options) => {
    const route = routes.get(options)
    if (route !== undefined) route.mount(options as unknown as AnyRouteOptions)
    else options.handler = httpHandlers.get(options) as never // `checkUpgrade` keeps WebSocket requests away from it
  })

  const server: WebSocketServer = app.getDecorator('websocketServer')
  server.clients = service.sockets as WebSocketServer['clients']
  service.server = server
  server.on('headers', (lines, request) => {
    for (const [name, value] of Handshake.of(request)!.headers) lines.push(`${name}: ${value}`)
  })
}

/**
 * A message may come in so many fragments that each has so many bytes, and in so many whatever its size. A fragment keeps
 * in memory what was read with it, 64 KiB, however small it is itself.
 */
const FRAGMENT = 1024
const MIN_FRAGMENTS = 1024

/** A frame may come in so many reads that each has so many bytes. */
const CHUNK = 16

function webSocketServerOptions ({ maxPayload, perMessageDeflate, closeTimeout }: PluginSettings): object {
  return {
    maxPayload,
    maxFragments: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / FRAGMENT)),
    maxBufferedChunks: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / CHUNK)),
    perMessageDeflate,
    closeTimeout,
    maxPendingAutoPongs: 0, // `SessionWebSocket` sees to pings
    WebSocket: SessionWebSocket,
    // Undecided is the handshake of a route with `raw: true`, where the choice is that of `ws`.
    handleProtocols: (offered: Set<string>, request: IncomingMessage) => Handshake.of(request)!.protocol ?? offered.values().next().value
  }
}

function isWebSocketRoute ({ websocket, wsHandler }: AnyRouteOptions): boolean {
  return (websocket !== undefined && websocket !== false) || wsHandler !== undefined
}

/** The plugin, for `app.register`. */
export const websocket = fastifyPlugin(plugin, { fastify: '>=5.3.0 <6', name: 'fastify-async-websocket' })
