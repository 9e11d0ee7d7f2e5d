import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import websocket, { defineWebSocket } from '../../lib/index'

const handler = (): void => {}

function createApp (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

for (const [form, declare] of Object.entries<(app: FastifyInstance) => unknown>({
  'websocket: true': (app) => app.get('/early', { websocket: true }, handler),
  'websocket: {}': (app) => app.route({ method: 'GET', url: '/early', websocket: { raw: true }, handler }),
  wsHandler: (app) => app.route({ method: 'GET', url: '/early', handler, wsHandler: handler } as any),
  defineWebSocket: (app) => app.route(defineWebSocket({ url: '/early', handler })),
  'a child that is there before': (app) => app.register(async (child) => { child.get('/early', { websocket: true }, handler) })
})) {
  t.test(`a route with ${form} that is declared before the plugin has loaded keeps the app from getting ready`, async (t) => {
    const app = createApp(t)
    if (form.startsWith('a child')) declare(app)
    app.register(websocket)
    declare(app)
    await t.rejects(async () => { await app.ready() }, {
      code: 'FST_WS_OPTION',
      message: 'the WebSocket route GET /early is declared before fastify-async-websocket has loaded: await app.register(…) first'
    })
  })
}

t.test('a route that is declared outside of the context of the plugin keeps the app from getting ready', async (t) => {
  const app = createApp(t)
  app.register(async (child) => { await child.register(websocket) })
  app.register(async (child) => { child.get('/elsewhere', { websocket: true }, handler) })
  await t.rejects(async () => { await app.ready() }, {
    code: 'FST_WS_OPTION',
    message: /^the WebSocket route GET \/elsewhere is declared outside of the context in which fastify-async-websocket is registered: register fastify-async-websocket further up, or with fastify-plugin/
  })
})

t.test('an app gets ready with routes that are declared in time, and with HTTP routes anywhere', async (t) => {
  const app = createApp(t)
  app.get('/http', { websocket: false } as any, handler)
  app.register(websocket)
  app.get('/also', handler)
  app.register(async (child) => {
    child.get('/child', { websocket: true }, handler)
    child.route({ method: 'GET', url: '/both', handler, wsHandler: handler } as any)
  }, { prefix: '/in' })
  await app.after()
  app.websocket('/later', handler)
  await app.ready()
})

t.test('an app without the plugin gets ready', async (t) => {
  const app = createApp(t)
  app.get('/', { websocket: true }, handler)
  await app.ready()
  t.equal((await app.inject('/nothing')).statusCode, 404)
})

t.test('if the package is imported after the app was created, the routes from the registration on are checked', async (t) => {
  const app = createApp(t)
  const { websocket: late } = t.mockRequire('../../lib/index', {}) as typeof import('../../lib/index')
  app.register(async (child) => { await child.register(late) })
  app.register(async (child) => { child.get('/elsewhere', { websocket: true }, handler) })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_WS_OPTION', message: /is declared outside of the context/ })
})
