import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { asyncapi } from '../../lib/asyncapi/plugin'
import entry from '../../lib/asyncapi/index'
import websocket from '../../lib/index'
import { checkDocument } from '../helpers/asyncapi'
import type { AsyncApiOptions } from '../../types/asyncapi'

function create (t: { teardown: (close: () => unknown) => void }): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

async function handler (): Promise<void> {}

t.test('the CommonJS export is the plugin, with all other exports as properties', async (t) => {
  const exported = entry as unknown as Record<string, unknown>
  t.equal(exported, asyncapi)
  t.equal(exported.default, asyncapi)
  t.equal(exported.asyncapi, asyncapi)
})

for (const [order, plugins] of Object.entries({
  'asyncapi, then the plugin, then routes': [asyncapi, websocket],
  'the plugin, then asyncapi, then routes': [websocket, asyncapi]
})) {
  t.test(`${order}: the document has the routes, and what the user has hidden is not there`, async (t) => {
    const app = create(t)
    for (const plugin of plugins) await app.register(plugin as typeof websocket)
    app.websocket('/shown', { schema: { hide: false } as object }, handler)
    app.websocket('/hidden', { schema: { hide: true } as object }, handler)
    app.websocket('/config', { config: { hide: true } }, handler)
    app.route({ method: 'GET', url: '/both', schema: { hide: true } as object, config: { hide: false }, handler: async () => 'http', wsHandler: handler })
    await app.ready()
    t.same(Object.values(app.asyncapi().channels).map(({ address }) => address), ['/shown', '/both'], 'config wins over the schema')
  })
}

t.test('routes that were added before asyncapi are in the document, too', async (t) => {
  const app = create(t)
  await app.register(websocket)
  app.websocket('/early', handler)
  await app.register(asyncapi)
  app.websocket('/late', handler)
  await app.ready()
  t.same(Object.keys(app.asyncapi().channels), ['early', 'late'])
})

t.test('a document has the routes of its context, and of the contexts in it', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  app.websocket('/root', handler)
  await app.register(async (child) => {
    await child.register(asyncapi, { info: { title: 'Child' } })
    child.websocket('/a', handler)
    await child.register(async (grandchild) => { grandchild.websocket('/b', handler) }, { prefix: '/grand' })
    child.addHook('onReady', async () => {
      t.same(Object.values(child.asyncapi().channels).map(({ address }) => address), ['/child/a', '/child/grand/b'])
      t.equal(child.asyncapi().info.title, 'Child')
    })
  }, { prefix: '/child' })
  await app.ready()
  t.same(Object.keys(app.asyncapi().channels), ['root', 'childA', 'childGrandB'])
})

t.test('what the hooks of others change in a route is in the document', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  app.addHook('onRoute', (route) => { route.schema = { ...route.schema, tags: ['all'] } as object })
  app.websocket('/x', handler)
  await app.ready()
  t.same(app.asyncapi().channels.x.tags, [{ name: 'all' }])
})

t.test('each call returns a new object', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  await app.ready()
  const document = app.asyncapi()
  document.info.title = 'Changed'
  t.equal(app.asyncapi({ yaml: false }).info.title, 'WebSocket API')
  t.match(app.asyncapi({ yaml: true }), /^asyncapi: 3\.0\.0\ninfo:\n {2}title: WebSocket API\n/)
})

t.test('a channel without a path parameter, an empty app and an app that listens have valid documents', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  const closed = once(app.server, 'close')
  await app.listen({ port: 0, host: '127.0.0.1' })
  checkDocument(t, app.asyncapi())
  await app.close()
  await closed
  t.ok(app.asyncapi(), 'also when the app has closed')
})

t.test('app.asyncapi() before the app is ready is an error', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  t.throws(() => app.asyncapi(), { code: 'FST_WS_OPTION', message: 'app.asyncapi() is called before the app is ready: its routes are known after await app.ready()' })
})

t.test('asyncapi without the plugin is an error', async (t) => {
  const app = create(t)
  await app.register(asyncapi)
  await t.rejects(async () => await app.ready(), { code: 'FST_WS_OPTION', message: /^asyncapi needs fastify-async-websocket/ })
})

t.test('asyncapi twice in one context is an error', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  await t.rejects(async () => await app.register(asyncapi), { code: 'FST_WS_OPTION', message: /^asyncapi is registered twice in one context/ })
})

t.test('a reference that leads nowhere fails when the app gets ready, with the route and the way out', async (t) => {
  const app = create(t)
  await app.register(websocket)
  await app.register(asyncapi)
  app.websocket('/x', { schema: { send: { $ref: 'Usr#' } }, serializerCompiler: () => JSON.stringify }, handler)
  await t.rejects(async () => await app.ready(), { code: 'FST_WS_OPTION', message: /^GET \/x: schema\.send refers to 'Usr#', which is nowhere/ })
})

const WRONG: [options: unknown, message: string | RegExp][] = [
  [{ tilte: 'x' }, 'unknown option tilte of asyncapi: the options are info, servers, components, routePrefix, hooks'],
  [{ info: 'x' }, "option info is 'x': use an object"],
  [{ info: { title: 1 } }, 'option info.title is 1: use a string'],
  [{ info: { version: 1 } }, 'option info.version is 1: use a string'],
  [{ servers: [] }, 'option servers is []: use an object'],
  [{ servers: { a: 'wss://x' } }, "option servers.a is 'wss://x': use an object"],
  [{ servers: { a: { host: 'wss://x', protocol: 'wss' } } }, /^option servers\.a\.host is 'wss:\/\/x': use a name and a port such as 'chat\.example\.com:8443'/],
  [{ servers: { a: { protocol: 'wss' } } }, /^option servers\.a\.host is undefined/],
  [{ servers: { a: { host: 'x', protocol: 'https' } } }, "option servers.a.protocol is 'https': use 'ws' or 'wss'"],
  [{ components: { schemas: [] } }, 'option components.schemas is []: use an object'],
  [{ components: null }, 'option components is null: use an object'],
  ...['asyncapi', '/', '/asyncapi/', '/:a', '/*', 1].map((routePrefix): [unknown, RegExp] => [{ routePrefix }, /^option routePrefix is .*: use a path such as '\/asyncapi'/]),
  [{ routePrefix: '/a', hooks: { onRequest: 'x' } }, "option hooks.onRequest is 'x': use a function"],
  [{ routePrefix: '/a', hooks: { preHandler: [() => {}, 1] } }, 'option hooks.preHandler is 1: use a function'],
  [{ routePrefix: '/a', hooks: { onSend: () => {} } }, 'unknown onSend in option hooks: use { onRequest, preHandler }'],
  [{ hooks: {} }, 'option hooks needs routePrefix: nothing is served without it'],
  [{ prefix: '/a' }, "option prefix is '/a': use routePrefix for the place of the page; the prefix of its context comes before that"]
]

t.test('wrong options are errors that name the option and the way out', async (t) => {
  for (const [options, message] of WRONG) {
    const app = create(t)
    await app.register(websocket)
    await t.rejects(async () => await app.register(asyncapi, options as AsyncApiOptions), { code: 'FST_WS_OPTION', message })
  }
})
