import t, { type Test } from 'tap'
import { createApp } from '../helpers/app'
import { collectLogs } from '../helpers/logs'
import { revoked, throwing } from '../helpers/hostile'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { WebSocketClient, WebSocketPluginOptions } from '../../lib/index'

/** An app with a route whose sessions subscribe to the topics of their query, and wait for their client to leave. */
async function createHub (t: Test, options?: WebSocketPluginOptions, serverOptions?: FastifyServerOptions): Promise<FastifyInstance> {
  const app = await createApp(t, options, serverOptions)
  app.websocket('/', async (ws, request) => {
    const { topics = '' } = request.query as { topics?: string }
    await ws.accept()
    for (const topic of topics.split(',').filter(Boolean)) await ws.subscribe(topic)
    await ws.send('ready')
    await ws.closed
  })
  return app
}

async function join (app: FastifyInstance, ...topics: string[]): Promise<WebSocketClient<string | Buffer>> {
  const client = await app.injectWebSocket('/', { query: { topics: topics.join() }, receiveType: 'any' })
  await client.expect('ready')
  return client
}

t.test('size is the number of open sessions', async (t) => {
  const app = await createHub(t)
  t.equal(app.websockets.size, 0)
  const a = await join(app)
  const b = await join(app)
  t.equal(app.websockets.size, 2)
  await a.close()
  await until(() => app.websockets.size === 1) // over HTTP/2, the client knows first
  await b.close()
  await until(() => app.websockets.size === 0)
})

t.test('app.websockets iterates over the open sessions', async (t) => {
  const app = await createHub(t)
  await join(app, 'a')
  await join(app, 'b')
  t.strictSame([...app.websockets].map((ws) => [...ws.topics]), [['a'], ['b']])
  for (const ws of app.websockets) {
    t.equal(ws.state, 'open')
    t.ok(app.websockets.has(ws))
  }
})

t.test('app.websockets does not have a session that has ended', async (t) => {
  const app = await createHub(t)
  const client = await join(app)
  const [session] = app.websockets
  t.ok(app.websockets.has(session))
  await client.close()
  await session.closed
  t.notOk(app.websockets.has(session))
  for (const value of [undefined, null, 5, {}, { socket: session }, revoked(), throwing()]) t.equal(app.websockets.has(value), false)
  t.strictSame([...app.websockets], [])
})

t.test('app.websockets does not have a session whose handshake is not complete or was refused', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    t.equal(app.websockets.size, 0)
    await ws.deny()
    t.equal(app.websockets.size, 0)
  })
  await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', statusCode: 403 })
})

t.test('subscribers returns the subscribers of a topic', async (t) => {
  const app = await createHub(t)
  const client = await join(app, 'room')
  await join(app, 'other')
  const [session] = app.websockets
  t.strictSame([...app.websockets.subscribers('room')], [session])
  t.strictSame([...app.websockets.subscribers('nowhere')], [])
  await client.close()
  await session.closed
  t.strictSame([...app.websockets.subscribers('room')], [])
})

t.test('subscribers throws a WebSocketTopicError for an invalid topic', async (t) => {
  const app = await createHub(t)
  for (const topic of ['', 'a\n', 'x'.repeat(257), null, 1, undefined]) {
    t.throws(() => app.websockets.subscribers(topic as string), { name: 'WebSocketTopicError', code: 'FST_WS_TOPIC' })
  }
})

t.test('publish reaches all subscribers of the topic, and no other session', async (t) => {
  const app = await createHub(t)
  const [a, b, other] = [await join(app, 'room', 'hall'), await join(app, 'room'), await join(app, 'hall')]
  await app.websockets.publish('room', 'for the room')
  await app.websockets.publish('hall', 'for the hall')
  t.equal(await a.receive(), 'for the room')
  t.equal(await a.receive(), 'for the hall')
  t.equal(await b.receive(), 'for the room')
  t.equal(await other.receive(), 'for the hall')
  await t.rejects(b.receive({ timeout: 0 }), { code: 'FST_WS_TIMEOUT' })
})

t.test('publish sends strings as text, bytes as bytes, other values as JSON', async (t) => {
  const app = await createHub(t)
  const client = await join(app, 'room')
  const cases: [unknown, string | Buffer][] = [
    ['text', 'text'], ['', ''], [Buffer.from('bytes'), Buffer.from('bytes')], [new Uint8Array([1, 2]).buffer, Buffer.from([1, 2])],
    [new DataView(new ArrayBuffer(4), 1, 2), Buffer.alloc(2)], [{ a: [1] }, '{"a":[1]}'], [null, 'null'], [true, 'true'], [1.5, '1.5'], [['a'], '["a"]']
  ]
  for (const [message, received] of cases) {
    await app.websockets.publish('room', message)
    t.strictSame(await client.receive(), received)
  }
})

t.test('publish sends a message as the given type', async (t) => {
  const app = await createHub(t)
  const client = await join(app, 'room')
  await app.websockets.publish('room', 'text', { type: 'json' })
  t.equal(await client.receive(), '"text"')
  await app.websockets.publish('room', 'text', {})
  t.equal(await client.receive(), 'text')
})

t.test('publish encodes a message once for all subscribers', async (t) => {
  const app = await createHub(t)
  const clients = [await join(app, 'room'), await join(app, 'room'), await join(app, 'room')]
  let encoded = 0
  await app.websockets.publish('room', { toJSON: () => ++encoded })
  for (const client of clients) t.equal(await client.receive(), '1')
  t.equal(encoded, 1)
})

t.test('publish without subscribers resolves', async (t) => {
  const app = await createHub(t)
  await app.websockets.publish('room', 'hello')
})

t.test('publish rejects with a WebSocketTopicError for an invalid topic', async (t) => {
  const app = await createHub(t)
  for (const topic of ['', 'a\u0000', '\u20ac'.repeat(86), null, undefined, {}]) {
    await t.rejects(app.websockets.publish(topic as string, 'hello'), { name: 'WebSocketTopicError', code: 'FST_WS_TOPIC' })
  }
})

t.test('publish rejects with a WebSocketEncodeError for a message that does not fit its type, and sends nothing', async (t) => {
  const app = await createHub(t)
  const client = await join(app, 'room')
  await t.rejects(app.websockets.publish('room', 1n), { name: 'WebSocketEncodeError' })
  await t.rejects(app.websockets.publish('room', undefined), { name: 'WebSocketEncodeError' })
  await t.rejects(app.websockets.publish('room', 'one', { type: 'integer' }), { name: 'WebSocketEncodeError' })
  await app.websockets.publish('room', 'fine')
  t.equal(await client.receive(), 'fine')
})

t.test('publish rejects for a message that cannot be sent, even without subscribers', async (t) => {
  const app = await createHub(t)
  await t.rejects(app.websockets.publish('room', 1n), { name: 'WebSocketEncodeError' })
})

t.test('publish rejects with a WebSocketOptionError for an unknown type', async (t) => {
  const app = await createHub(t)
  for (const type of ['string', 'jsonBytes', null, 1]) {
    await t.rejects(app.websockets.publish('room', 'hello', { type: type as never }), { name: 'WebSocketOptionError' })
  }
})

t.test('a publish that is not awaited causes no unhandled rejection when it fails', async (t) => {
  const app = await createHub(t)
  t.strictSame(await unhandledRejections(() => {
    app.websockets.publish('', 'hello')
    app.websockets.publish('room', 1n)
  }), [])
})

t.test('brokerState is up without a broker', async (t) => {
  const app = await createHub(t)
  t.equal(app.websockets.brokerState, 'up')
})

t.test('brokerState is the state of the broker', async (t) => {
  const server = new MemoryServer()
  const app = await createApp(t, { broker: new MemoryBroker(server) })
  t.equal(app.websockets.brokerState, 'down')
  await app.ready()
  t.equal(app.websockets.brokerState, 'up')
  server.stop()
  t.equal(app.websockets.brokerState, 'down')
  server.start()
  t.equal(app.websockets.brokerState, 'up')
})

t.test('while the broker is down, publish reaches this process and rejects', async (t) => {
  const server = new MemoryServer()
  const app = await createHub(t, { broker: new MemoryBroker(server) })
  const client = await join(app, 'room')
  server.stop()
  await t.rejects(app.websockets.publish('room', 'hello'), { name: 'WebSocketBrokerError', code: 'FST_WS_BROKER', statusCode: 503 })
  t.equal(await client.receive(), 'hello')
  t.strictSame(await unhandledRejections(() => { app.websockets.publish('room', 'hello') }), [])
})

t.test('all listeners of resync are called, even if one throws, and the error is logged', async (t) => {
  const { lines, serverOptions } = collectLogs('error')
  const server = new MemoryServer()
  const app = await createHub(t, { broker: new MemoryBroker(server) }, serverOptions)
  await join(app, 'room')
  const events: unknown[] = []
  app.websockets.once('resync', () => { throw new Error('sync') })
  app.websockets.on('resync', async () => { throw new Error('async') })
  app.websockets.on('resync', (event) => events.push(event))
  const again = async (): Promise<void> => {
    server.stop()
    server.start()
    await until(() => app.websockets.brokerState === 'up')
  }
  t.strictSame(await unhandledRejections(again), [])
  t.strictSame(events, [{ topics: ['room'], recovered: [], missed: ['room'] }])
  t.strictSame(lines.map(({ msg, err }) => [msg, err.message]), ['sync', 'async'].map((message) => ["a listener on 'resync' of app.websockets threw", message]))
  await again()
  t.equal(events.length, 2)
  await until(() => lines.length === 3)
})

t.test('two apps share no sessions and topics', async (t) => {
  const [one, two] = [await createHub(t), await createHub(t)]
  const client = await join(one, 'room')
  t.equal(two.websockets.size, 0)
  await two.websockets.publish('room', 'from the other')
  await one.websockets.publish('room', 'from its own')
  t.equal(await client.receive(), 'from its own')
})

t.test('stats has the counters of the app, with those of open sessions', async (t) => {
  const app = await createApp(t)
  app.websocket('/counted', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const client = await app.injectWebSocket('/counted')
  await client.pair('one')
  t.match(app.websockets.stats(), { connections: { open: 1, accepted: 1 }, messages: { received: 1, sent: 1 }, brokerState: 'up' })
  await client.close()
  await until(() => app.websockets.size === 0)
  t.match(app.websockets.stats().routes['/counted'], { connections: { open: 0, accepted: 1 }, messages: { received: 1, sent: 1 }, closes: { 1000: 1 } })
})
