import t from 'tap'
import { rememberingContract } from '../contract/remembering'
import { createApp } from '../helpers/app'
import { CutBroker } from '../helpers/cut-broker'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'
import { until } from '../helpers/until'

const server = new MemoryServer()
t.test('topics with history, with the broker in memory', async (t) => rememberingContract(t, {
  createBroker: (_t, options) => new MemoryBroker(server, options),
  stop: () => server.stop(),
  start: () => server.start()
}))

t.test('the option history: what it can be', async (t) => {
  for (const history of [false, { size: 1, ttl: 1 }, { size: 1, ttl: 1, maxBytes: 1 }, { size: 1, ttl: 1, maxBytes: undefined }, () => false]) {
    await (await createApp(t, { history: history as any })).ready()
  }
  for (const history of [true, null, 5, 'all', [], {}, { size: 1 }, { ttl: 1 }, { size: 0, ttl: 1 }, { size: 1.5, ttl: 1 }, { size: 1, ttl: 0 }, { size: 1, ttl: -1 }, { size: 1, ttl: '1' }, { size: 1, ttl: 1, maxBytes: 0 }, { size: 1, ttl: 1, other: 1 }]) {
    await t.rejects(createApp(t, { history: history as any }), { name: 'WebSocketOptionError', message: /history/ })
  }
})

t.test('a broker that keeps no messages is refused with history, and taken without', async (t) => {
  const broker = (): any => ({ start: async () => {}, subscribe: async () => {}, unsubscribe: async () => {}, publish: async () => {}, close: async () => {} })
  await t.rejects(createApp(t, { broker: broker(), history: { size: 1, ttl: 1 } }), { name: 'WebSocketOptionError', message: /history needs a broker that keeps messages/ })
  await createApp(t, { broker: broker(), history: false })
  await createApp(t, { broker: broker() })
})

t.test('a function for history that throws or returns something else is an error of the verb', async (t) => {
  const cause = new Error('no such room')
  const app = await createApp(t, {
    history (topic) {
      if (topic === 'missing') throw cause
      return topic === 'good' ? { size: 1, ttl: 1_000 } : { size: 0, ttl: 1 }
    }
  })
  t.match(await app.websockets.publish('good', 'x'), { position: /./ })
  await t.rejects(app.websockets.publish('bad', 'x'), { name: 'WebSocketOptionError', message: /history.size is 0/ })
  await t.rejects(app.websockets.publish('missing', 'x'), { name: 'WebSocketOptionError', message: "option history throws for the topic 'missing': no such room", cause })
})

t.test('a broker that goes down while sessions are brought up to date: resync comes when that is done', async (t) => {
  const inner = new MemoryBroker(new MemoryServer())
  const broker = new CutBroker(inner)
  const app = await createApp(t, { broker, history: { size: 10, ttl: 60_000 } })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('room')
    await ws.send('ready')
    await ws.closed
  })
  const client = await app.injectWebSocket('/')
  await client.expect('ready')
  const events: unknown[] = []
  app.websockets.on('resync', (event) => events.push(event))
  const read = inner.history!.read.bind(inner.history)
  broker.cut()
  let isRead = false
  inner.history!.read = async () => {
    isRead = true
    broker.cut()
    throw new Error('cut off')
  }
  broker.mend()
  await until(() => isRead)
  t.equal(app.websockets.brokerState, 'down')
  inner.history!.read = read
  broker.mend()
  await until(() => events.length > 0)
  t.strictSame(events, [{ topics: ['room'], recovered: ['room'], missed: [] }])
  await client.close()
})
