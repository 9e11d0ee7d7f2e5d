import fastifyPlugin from 'fastify-plugin'
import { addWebSocketRoute, allowSessionHandlers } from './define'
import { WebSocketOptionError } from './errors'
import { Handshake } from './handshake'
import { dropIncompleteRequests } from './incomplete'
import { injectWebSocket } from './inject'
import { Link } from './link'
import { checkPluginOptions, pluginSettings } from './options'
import { atMost } from './promise'
import { isWebSocketRoute, mount, Route, type AnyRouteOptions } from './route'
import { Service } from './service'
import { Sessions } from './sessions'
import { shutDown } from './shutdown'
import { checkUpgrade, routeUpgrades } from './upgrade'
import { answerBadGateway } from './upstream'
import type { FastifyInstance } from 'fastify'
import type { Broker } from '../types/broker'

async function plugin (app: FastifyInstance, options: Record<string, unknown>): Promise<void> {
  if (app.hasDecorator('websocketServer')) {
    throw new WebSocketOptionError('@fastify/websocket is registered already: fastify-async-websocket brings it along, ' +
      'so register only this plugin (routes written for @fastify/websocket take `websocket: { raw: true }`)')
  }
  checkPluginOptions(options)
  const service = new Service(options, pluginSettings(options))

  dropIncompleteRequests(app)
  await routeUpgrades(app, service)
  addWebSocketRoutes(app, service)
  app.addHook('onError', answerBadGateway)
  endConnections(app, service)

  const sessions = new Sessions(service)
  const { broker } = service.settings
  if (broker !== undefined) connectBroker(app, service, sessions, broker)
  app.decorate('websockets', sessions as never)
  app.decorate('websocket', addWebSocketRoute as never)
  app.decorate('injectWebSocket', ((url: unknown, options?: object) => injectWebSocket(app, service, url, options)) as never)
}

/** The app has its broker from when it is ready until its connections have ended. */
function connectBroker (app: FastifyInstance, { hub }: Service, sessions: Sessions, broker: Broker): void {
  const link = new Link(broker, hub.topics, (topics) => sessions.resync(topics, app), app)
  hub.link = link
  app.addHook('onReady', () => link.start())
}

/** What Fastify and its users see of WebSocket routes. */
function addWebSocketRoutes (app: FastifyInstance, service: Service): void {
  app.decorateRequest('ws', { getter () { return Handshake.isFor(this.raw) } })
  app.addHook('onRoute', function (options) {
    const route = options as unknown as AnyRouteOptions
    if (isWebSocketRoute(route)) mount(route, new Route(service, this, route))
  })
  allowSessionHandlers(app)
  app.addHook('onRequest', checkUpgrade)
}

/** `app.close()` ends the connections before the server. */
function endConnections (app: FastifyInstance, service: Service): void {
  let closed: Promise<void> | undefined
  app.addHook('preClose', async () => {
    closed = shutDown(service, service.settings.shutdown, app.log)
    // Fastify gives up on a preClose hook after `pluginTimeout`, unless that is 0.
    const { pluginTimeout } = app.initialConfig
    await (pluginTimeout ? atMost(0.9 * pluginTimeout, closed) : closed)
  })
  app.addHook('onClose', async () => {
    await closed
    await service.hub.link?.close()
  })
}

/** The plugin, for `app.register`. */
export const websocket = fastifyPlugin(plugin, { fastify: '>=5.3.0 <6', name: 'fastify-async-websocket' })
