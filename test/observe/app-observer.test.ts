import t from 'tap'
import { AppObserver } from '../../lib/observe/app-observer'
import { createApp } from '../helpers/app'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'
import { until } from '../helpers/until'

t.test('stats has every route from the start, by its URL', async (t) => {
  const app = await createApp(t)
  app.websocket('/a/:id', () => {})
  app.get('/both', { wsHandler: () => {} }, async () => 'http')
  app.register(async (app) => { app.websocket('/', { websocket: { raw: true } }, () => {}) }, { prefix: '/nested' })
  await app.ready()
  const nothing = {
    connections: { open: 0, accepted: 0 },
    refusals: {},
    closes: {},
    messages: { received: 0, sent: 0 },
    bytes: { received: 0, sent: 0 },
    publications: 0,
    skipped: 0,
    slowCloses: 0,
    heartbeatLosses: 0
  }
  const { routes, brokerState, ...all } = app.websockets.stats()
  t.same(all, nothing)
  t.equal(brokerState, 'up')
  t.same(routes, { '/a/:id': nothing, '/both': nothing, '/nested': nothing })
})

t.test('a HEAD route is observed with its GET route', async (t) => {
  const observer = new AppObserver(() => [])
  const route = observer.route('/nested/')
  t.equal(observer.route('/nested/'), route)
  t.equal(observer.headRoute('/nested/'), route)
  t.equal(observer.headRoute('/nested'), route)
  const without = observer.route('/a')
  t.equal(observer.headRoute('/a/'), without)
  t.equal(observer.headRoute('/none'), observer.other)
})

t.test('stats is a snapshot, which does not change', async (t) => {
  const app = await createApp(t)
  app.websocket('/:id', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const before = app.websockets.stats()
  const clients = await Promise.all(['/1', '/2'].map((path) => app.injectWebSocket(path)))
  for (const client of clients) await client.pair('hello')
  const during = app.websockets.stats()
  t.match(during.routes['/:id'], { connections: { open: 2, accepted: 2 }, messages: { received: 2, sent: 2 }, bytes: { received: 10, sent: 10 } })
  t.match(during, { connections: { open: 2, accepted: 2 }, messages: { received: 2, sent: 2 }, bytes: { received: 10, sent: 10 } })
  await clients[0].close()
  await until(() => app.websockets.size === 1) // over HTTP/2, the client knows first
  t.match(app.websockets.stats(), { connections: { open: 1, accepted: 2 }, closes: { 1000: 1 }, messages: { received: 2, sent: 2 } })
  t.match(before, { connections: { open: 0, accepted: 0 } })
  t.match(during, { connections: { open: 2 }, closes: {} })
})

t.test('what is published and not written yet counts in a snapshot', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('x')
    await ws.send('ready')
    await ws.closed
  })
  const clients = await Promise.all([app.injectWebSocket('/'), app.injectWebSocket('/')])
  for (const client of clients) await client.receive()
  app.websockets.publish('x', 'one')
  t.equal(app.websockets.stats().messages.sent, 4)
})

t.test('brokerState is that of app.websockets', async (t) => {
  const server = new MemoryServer()
  const app = await createApp(t, { broker: new MemoryBroker(server) })
  t.equal(app.websockets.stats().brokerState, 'down')
  server.start()
  await app.ready()
  t.equal(app.websockets.stats().brokerState, 'up')
})
