import fastifyPlugin from 'fastify-plugin'
import { atMost } from '../base/deferred'
import { injectWebSocket } from '../client/inject'
import { Handshake } from '../handshake/handshake'
import { answerBadGateway } from '../handshake/upstream'
import { countApp } from '../observe/process-counters'
import { furtherServers, rootOf } from './adapter'
import { AppState } from './app-state'
import { checkHttp2, serveConnects } from './connects'
import { checkDeclared, markSeen } from './declared-routes'
import { addWebSocketRoute, prepareRoutes } from './define-route'
import { createDispatch, type Dispatch } from './dispatch'
import { retentionBy } from './history-options'
import { IncompleteRequests } from './incomplete-requests'
import { Lookup } from './lookup'
import { checkPluginOptions, pluginSettings } from './options'
import { upgradeOnly } from './other-protocols'
import { checkRegistration, NAME, reserve } from './registration'
import { mount, Route } from './route'
import { isWebSocketRoute, type AnyRouteOptions } from './route-options'
import { shutDown } from './shutdown'
import { checkUpgrade, isUpgrade, routeUpgrades } from './upgrade'
import { WebSockets } from './websockets'
import type { FastifyInstance } from 'fastify'

async function plugin (app: FastifyInstance, options: Record<string, unknown>): Promise<void> {
  checkRegistration(app)
  checkPluginOptions(options)
  checkDeclared(app)
  const appState = new AppState(options, pluginSettings(options), new Lookup(app))
  checkHttp2(appState, app.server)

  reserve(app, appState)
  const dispatch = createDispatch(app, appState)
  attach(app, appState, dispatch)
  const forget = countApp(appState.observer)
  app.addHook('onClose', async () => forget())
  await routeUpgrades(app, appState, dispatch)
  addWebSocketRoutes(app, appState)
  app.addHook('onError', answerBadGateway)
  endConnections(app, appState)

  const sessions = new WebSockets(appState)
  connectTopics(app, appState, sessions)
  app.decorate('websockets', sessions as never)
  app.decorate('websocket', addWebSocketRoute as never)
  app.decorate('injectWebSocket', ((url: unknown, options?: object) => injectWebSocket(app, appState.injected, url, options)) as never)
}

/** Connects the topics of the app to its broker, from `onReady` until the connections of the app have ended, and gives them their history. */
function connectTopics (app: FastifyInstance, { pubsub, settings: { broker, history } }: AppState, sessions: WebSockets): void {
  if (broker !== undefined) {
    pubsub.connect(broker, (topics) => resync(app, pubsub, sessions, topics), app)
    app.addHook('onReady', () => pubsub.link!.start())
  }
  if (history !== false) {
    pubsub.remember(retentionBy(history), broker, (topic) => sessions.resync({ topics: [topic], recovered: [], missed: [topic] }, app))
  }
}

/** The broker is up again: brings the topics with history up to date, then emits 'resync'. */
async function resync (app: FastifyInstance, { history }: AppState['pubsub'], sessions: WebSockets, topics: string[]): Promise<void> {
  if (history === null) return sessions.resync({ topics, recovered: [], missed: topics }, app)
  const recovered = await history.recover()
  if (recovered === null) return // the broker is down again
  const known = new Set(recovered)
  sessions.resync({ topics, recovered, missed: topics.filter((topic) => !known.has(topic)) }, app)
}

/** Makes routes with `websocket` or `wsHandler` WebSocket routes, and adds `request.ws`. */
function addWebSocketRoutes (app: FastifyInstance, appState: AppState): void {
  app.addHook('onRoute', function (options) {
    const route = options as unknown as AnyRouteOptions
    if (!isWebSocketRoute(route)) return
    markSeen(route)
    mount(route, new Route(appState, this, route))
    appState.lookup.add(route)
  })
  prepareRoutes(app)
  // In all contexts, including the existing ones: a WebSocket request may be for any route.
  const root = rootOf(app)
  root.decorateRequest('ws', { getter () { return Handshake.isFor(this.raw) } })
  root.addHook('onRequest', checkUpgrade)
}

/** Attaches the plugin to the servers of `app`, and detaches it when the app has closed. */
function attach (app: FastifyInstance, appState: AppState, dispatch: Dispatch): void {
  const detach: (() => void)[] = []
  const attachTo = (server: FastifyInstance['server']): void => {
    const connections = new IncompleteRequests(server, appState.settings.shutdown.timeout)
    detach.push(() => connections.stop())
    detach.push(upgradeOnly(server, isUpgrade.bind(null, app.server)))
    detach.push(serveConnects(server, appState, dispatch))
  }
  attachTo(app.server)
  app.addHook('onListen', async () => { furtherServers(app).forEach(attachTo) })
  app.addHook('onClose', async () => { detach.forEach((undo) => undo()) })
}

/** Makes `app.close()` end the connections before the server. */
function endConnections (app: FastifyInstance, appState: AppState): void {
  let closed: Promise<void> | undefined
  app.addHook('preClose', async () => {
    closed = shutDown(appState, appState.settings.shutdown, app.log)
    // Fastify gives up on a preClose hook after `pluginTimeout`, unless that is 0.
    const { pluginTimeout } = app.initialConfig
    await (pluginTimeout ? atMost(0.9 * pluginTimeout, closed) : closed)
  })
  app.addHook('onClose', async () => {
    await closed
    await appState.pubsub.close()
  })
}

/** The plugin, for `app.register`. */
export const websocket = fastifyPlugin(plugin, { fastify: '>=5.3.0 <6', name: NAME })
