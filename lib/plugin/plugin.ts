import fastifyPlugin from 'fastify-plugin'
import { Connections } from './incomplete-requests'
import { checkDeclared, see } from './declared-routes'
import { addWebSocketRoute, allowSessionHandlers } from './define-route'
import { furtherServers, rootOf } from './fastify-internals'
import { Handshake } from '../handshake/handshake'
import { injectWebSocket } from '../client/inject'
import { Link } from '../pubsub/broker-link'
import { Lookup } from './lookup'
import { checkPluginOptions, pluginSettings } from './options'
import { upgradeOnly } from './other-protocols'
import { atMost } from '../base/deferred'
import { checkRegistration, NAME, reserve } from './registration'
import { isWebSocketRoute, mount, Route, type AnyRouteOptions } from './route'
import { Service } from './app-state'
import { Sessions } from './websockets'
import { shutDown } from './shutdown'
import { checkUpgrade, isUpgrade, routeUpgrades } from './upgrade'
import { answerBadGateway } from '../handshake/upstream'
import type { FastifyInstance } from 'fastify'
import type { Broker } from '../../types/broker'

async function plugin (app: FastifyInstance, options: Record<string, unknown>): Promise<void> {
  checkRegistration(app)
  checkPluginOptions(options)
  checkDeclared(app)
  const service = new Service(options, pluginSettings(options), new Lookup(app))

  reserve(app)
  attach(app, service)
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
  app.addHook('onRoute', function (options) {
    const route = options as unknown as AnyRouteOptions
    if (!isWebSocketRoute(route)) return
    see(route)
    mount(route, new Route(service, this, route))
    service.lookup.add(route)
  })
  allowSessionHandlers(app)
  // Of all contexts, those that there are already among them: a WebSocket request may be for any route.
  const root = rootOf(app)
  root.decorateRequest('ws', { getter () { return Handshake.isFor(this.raw) } })
  root.addHook('onRequest', checkUpgrade)
}

/** What is set on the servers of `app`, and taken back when it has closed. */
function attach (app: FastifyInstance, { settings: { shutdown } }: Service): void {
  const detach: (() => void)[] = []
  const attachTo = (server: FastifyInstance['server']): void => {
    const connections = new Connections(server, shutdown.timeout)
    detach.push(() => connections.stop())
    detach.push(upgradeOnly(server, isUpgrade.bind(null, app.server)))
  }
  attachTo(app.server)
  app.addHook('onListen', async () => { furtherServers(app).forEach(attachTo) })
  app.addHook('onClose', async () => { detach.forEach((undo) => undo()) })
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
export const websocket = fastifyPlugin(plugin, { fastify: '>=5.3.0 <6', name: NAME })
