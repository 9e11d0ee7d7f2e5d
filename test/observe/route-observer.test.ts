import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import websocket from '../../lib/index'
import { createApp, listen as listenOn } from '../helpers/app'
import { brief, listen, type Told } from '../helpers/events'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake } from '../helpers/request-client'
import { ACCEPTED } from '../helpers/transport'
import { eachTransport } from '../helpers/transports'
import { until } from '../helpers/until'
import type WebSocket from 'ws'
import type { WebSocketSession } from '../../types/session'

/* What the channels tell, and what is counted, of each verb and of each way to an end. */

const RECEIVED = ['message.received'] as const
const SENT = ['message.sent'] as const

/** Waits for the next event of the channel. */
async function last<On extends Told['on']> (told: Told[], on: On, count = 1): Promise<Told & { on: On }> {
  await until(() => told.filter((event) => event.on === on).length >= count)
  return told.filter((event) => event.on === on).at(-1) as Told & { on: On }
}

eachTransport('each message that is sent is told once, with its type and size', async (t, start) => {
  const app = await createApp(t)
  app.websocket('/all/:id', async (ws) => {
    await ws.accept()
    await ws.send('é')
    await ws.sendText('text')
    await ws.sendBytes(Buffer.from([1, 2, 3]))
    await ws.sendJson({ a: 1 })
    await ws.sendJson([1], { mode: 'bytes' })
    await ws.sendEvent({ type: 'websocket.send', text: 'event' })
    await ws.sendEvent({ type: 'websocket.send', bytes: Buffer.alloc(7) })
    ws.raw!.send('raw')
    ws.raw!.send('fragments ', { fin: false })
    ws.raw!.send('of one', { fin: true })
    ws.raw!.send('x'.repeat(20_000))
    await ws.pair('last')
  })
  const told = listen(t, SENT)
  const client = await (await start(app))('/all/7')
  for (let i = 0; i < 11; i++) await client.receive('any')
  await client.send('bye')
  await client.closed
  t.same(brief(told, 'type', 'size'), [
    ['text', 2], ['text', 4], ['bytes', 3], ['text', 7], ['bytes', 3], ['text', 5], ['bytes', 7], ['text', 3], ['text', 16], ['text', 20_000], ['text', 4]
  ].map((message) => ['message.sent', '/all/:id', ...message]))
  t.match(app.websockets.stats(), { messages: { received: 1, sent: 11 }, bytes: { received: 3, sent: 20_054 } })
})

eachTransport('each message that is received is told once, with its type and size', async (t, start) => {
  const app = await createApp(t, { receiveType: 'any' })
  const session: Promise<WebSocketSession<any>> = new Promise((resolve) => {
    app.websocket('/', async (ws) => {
      resolve(ws)
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  })
  const told = listen(t, RECEIVED)
  const client = await (await start(app))('/')
  for (const message of ['text', Buffer.alloc(5), 'é', 'x'.repeat(100_000), 'xé'.repeat(30_000)]) await client.pair(message, { type: 'any' })
  client.raw!.send('frag', { fin: false })
  client.raw!.send('ments')
  await client.receive()
  t.same(brief(told, 'type', 'size'), [['text', 4], ['bytes', 5], ['text', 2], ['text', 100_000], ['text', 90_000], ['text', 9]].map((message) => ['message.received', '/', ...message]))
  const ws = await session
  t.ok(told.every((event) => event.session === ws && event.request === ws.request))
  t.same(app.websockets.stats().routes['/'].messages, { received: 6, sent: 6 }, 'while the session is open')
  t.same(app.websockets.stats().bytes, { received: 190_020, sent: 190_020 })
})

t.test('sizes are those of the contents, whether they go compressed or not', async (t) => {
  const app = await createApp(t, { perMessageDeflate: true, receiveType: 'any' })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('x')
    await app.websockets.publish('x', 'p'.repeat(2_000))
    await app.websockets.publish('x', 'q')
    for await (const message of ws) {
      ws.send(message) // long messages are compressed in another thread, and what is sent meanwhile waits
      ws.sendBytes(Buffer.from('behind it'))
      await app.websockets.publish('x', 'behind both')
    }
  })
  const told = listen(t, ['message.sent', 'message.received'])
  const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}`, { perMessageDeflate: { threshold: 0 } })
  t.equal(String(await client.next()).length, 2_000)
  t.equal(await client.next(), 'q')
  const long = 'long'.repeat(100_000)
  await client.send(long)
  t.equal(await client.next(), long)
  t.same(await client.next(), Buffer.from('behind it'))
  t.equal(await client.next(), 'behind both')
  t.same(brief(told, 'type', 'size').map(([on, , ...rest]) => [on, ...rest]), [
    ['message.sent', 'text', 2_000], ['message.sent', 'text', 1],
    ['message.received', 'text', 400_000], ['message.sent', 'text', 400_000], ['message.sent', 'bytes', 9], ['message.sent', 'text', 11]
  ])
  t.same(app.websockets.stats().bytes, { received: 400_000, sent: 402_021 })
})

eachTransport('a publication is told once, and a message that is sent once for each recipient', async (t, start) => {
  const app = await createApp(t)
  const sessions: WebSocketSession<any>[] = []
  app.websocket('/room', async (ws) => {
    await ws.accept()
    await ws.subscribe('room')
    sessions.push(ws)
    await ws.send('ready')
    for await (const message of ws) await ws.publish('room', message)
  })
  const open = await start(app)
  const clients = await Promise.all([open('/room'), open('/room'), open('/room')])
  for (const client of clients) await client.receive()
  const told = listen(t, ['published', 'message.sent'])
  await clients[0].send('hi')
  for (const client of clients.slice(1)) t.equal(await client.receive(), 'hi')
  await Promise.all([app.websockets.publish('room', { all: true }), app.websockets.publish('room', Buffer.alloc(3))])
  for (const client of clients) t.same([await client.receive(), await client.receive('bytes')], ['{"all":true}', Buffer.alloc(3)])
  t.same(brief(told, 'topic', 'type', 'size'), [
    ['published', '/room', 'room', 2], ['message.sent', '/room', 'text', 2], ['message.sent', '/room', 'text', 2],
    ['published', null, 'room', 12], ['published', null, 'room', 3],
    ...Array.from(clients, () => [['message.sent', '/room', 'text', 12], ['message.sent', '/room', 'bytes', 3]]).flat()
  ])
  t.ok(sessions.includes(told[0].session as never), 'the session that publishes')
  t.same([told[3].session, told[3].request], [null, null], 'the app has no session')
  const stats = app.websockets.stats()
  t.equal(stats.publications, 3)
  t.equal(stats.routes['/room'].publications, 1)
  t.equal(stats.messages.sent, 3 + 2 + 2 * 3)
})

/** Registers the routes of the refusals. Returns what the clients have to see. */
function addRefusals (app: FastifyInstance): [path: string, status: number, route: string | null, headers?: Record<string, string>][] {
  const never = (): never => { throw new Error('the handler has run') }
  app.get('/http', async () => 'http')
  app.websocket('/denied', (ws) => ws.deny(401, { no: 'entry' }))
  app.websocket('/closed', (ws) => ws.close(4000, 'no'))
  app.websocket('/thrown', () => { throw new Error('thrown') })
  app.websocket('/returned', () => {})
  app.websocket('/late', { websocket: { handshakeTimeout: 20 } }, (ws) => ws.closed)
  app.websocket('/hook', { preHandler: async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) } }, never)
  app.websocket('/on-send', { onSend: async (_request, reply) => { reply.code(418) } }, async (ws) => { await ws.accept() })
  app.websocket('/header', { onRequest: async (_request, reply) => { reply.header('x-a', 'a\nb') } }, async (ws) => { await ws.accept() })
  app.websocket('/query', { schema: { querystring: { type: 'object', required: ['name'] } } }, never)
  app.websocket('/origin', never)
  app.websocket('/full', { websocket: { maxConnections: 1 } }, async (ws) => { await ws.accept(); await ws.closed })
  app.websocket('/raw', { websocket: { raw: true, perMessageDeflate: true } }, never)
  return [
    ['/unknown', 404, null],
    ['/http', 404, null],
    ['/early?now', 429, null],
    ['/denied?early', 429, '/denied'],
    ['/denied?failing', 500, '/denied'],
    ['/denied', 401, '/denied'],
    ['/closed', 403, '/closed'],
    ['/thrown', 500, '/thrown'],
    ['/returned', 500, '/returned'],
    ['/late', 503, '/late'],
    ['/hook', 403, '/hook'],
    ['/on-send', 418, '/on-send'],
    ['/header', 500, '/header'],
    ['/query', 400, '/query'],
    ['/origin', 403, '/origin', { origin: 'https://evil.example' }],
    ['/origin', 400, '/origin', { 'sec-websocket-protocol': 'a, a' }],
    ['/origin', 426, '/origin', { 'sec-websocket-version': '12' }],
    ['/full', 503, '/full'],
    ['/raw', 400, '/raw', { 'sec-websocket-extensions': 'permessage-deflate; x=y; x=' }],
    ['/%', 400, null]
  ]
}

t.test('each refusal is told once, with the status that the client sees, and counted for its route', async (t) => {
  const app = await createApp(t)
  const expected = addRefusals(app)
  const port = await listenOn(app)
  const full = await connectPeer(t, `ws://127.0.0.1:${port}/full`)
  const told = listen(t, ['refused'])
  for (const [path, status, route, headers] of expected) {
    if (path.includes('early') || path.includes('failing')) continue
    const count = told.length
    t.equal((await refusal(port, path, headers)).status, status, path)
    t.same(brief(told.slice(count), 'statusCode', 'closeCode'), [['refused', route, status, null]], path)
    const [{ session, request }] = told.slice(count)
    t.equal(session, null)
    t.equal(request?.raw.url, path === '/%' ? undefined : path, 'Fastify runs no hook for what is no URL')
  }
  await full.close()
  const stats = app.websockets.stats()
  const statuses = expected.filter(([path]) => !/early|failing/.test(path)).map(([, status]) => status)
  for (const status of statuses) t.equal(stats.refusals[status], statuses.filter((other) => other === status).length, `${status}`)
  t.same(stats.routes['/origin'].refusals, { 400: 1, 403: 1, 426: 1 })
  t.same(stats.connections.accepted, 1)
})

t.test('a hook from before the plugin that refuses is told with its route', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async ({ url }, reply) => {
    if (url.includes('failing')) throw new Error('failing')
    if (url.includes('early')) return reply.code(429).send({ error: 'too many' })
  })
  await app.register(websocket)
  const expected = addRefusals(app).filter(([path]) => /early|failing/.test(path))
  const told = listen(t, ['refused'])
  const port = await listenOn(app)
  for (const [path] of expected) await refusal(port, path)
  t.same(brief(told, 'statusCode'), expected.map(([, status, route]) => ['refused', route, status]))
  t.same(told.map(({ request }) => request?.raw.url), [undefined, '/denied?early', '/denied?failing'], 'a hook of no route sees the request of no route')
})

t.test('what Fastify cannot route is told without a request', async (t) => {
  const app = await createApp(t, {}, { rewriteUrl: () => { throw new Error('cannot') } })
  app.websocket('/', () => {})
  const told = listen(t, ['refused'])
  t.equal((await refusal(await listenOn(app), '/')).status, 500)
  t.same(brief(told, 'statusCode', 'request'), [['refused', null, 500, null]])
  t.same(app.websockets.stats().refusals, { 500: 1 })
})

t.test('a refusal by a close is told with its status and its close code, and is no accepted connection', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/denied', (ws) => ws.deny(401))
  app.websocket('/closed', (ws) => ws.close(4321, 'no'))
  app.websocket('/empty', (ws) => ws.close(null as never))
  const told = listen(t)
  for (const path of ['/denied', '/closed', '/empty']) await (await app.injectWebSocket(path)).closed
  t.same(brief(told, 'statusCode', 'closeCode'), [['refused', '/denied', 401, 4401], ['refused', '/closed', 403, 4321], ['refused', '/empty', 403, null]])
  const { refusals, closes, connections } = app.websockets.stats()
  t.same({ refusals, closes, connections }, { refusals: { 401: 1, 403: 2 }, closes: {}, connections: { open: 0, accepted: 0 } })
})

t.test('a client that leaves during its handshake is neither accepted nor refused', async (t) => {
  for (const refusal of ['http', 'close'] as const) {
    const app = await createApp(t, { refusal })
    let decide = (): void => {}
    const left = new Promise<WebSocketSession>((resolve) => {
      app.websocket('/', async (ws) => {
        resolve(ws)
        await new Promise<void>((resolve) => { decide = resolve })
        await ws.deny(401)
      })
    })
    const told = listen(t)
    const client = await sendHandshake(t, await listenOn(app), '/')
    const ws = await left
    client.leave()
    await ws.closed
    decide()
    await until(() => !app.websockets.size)
    t.same(told, [], refusal)
    t.same(app.websockets.stats().refusals, {})
  }
})

type End = [name: string, code: number, wasClean: boolean, sentCode: number | null, end: (ws: WebSocketSession<any>, client: WebSocket) => unknown]

const ENDS: End[] = [
  ['the client closes', 1000, true, null, (_, client) => client.close(1000)],
  ['the client closes without a code', 1005, true, null, (_, client) => client.close()],
  ['the client makes up a code', 4567, true, null, (_, client) => client.close(4567, 'mine')],
  ['the client is gone', 1006, false, null, (_, client) => client.terminate()],
  ['the client sends what is no text', 1007, false, 1007, (_, client) => client.send(Buffer.from([0xff]), { binary: false })],
  ['the session closes', 1000, true, 1000, (ws) => ws.close()],
  ['the session closes without a code', 1005, true, null, (ws) => ws.close(null)],
  ['the session closes with a code of its own', 4001, true, 4001, (ws) => ws.close(4001, 'own')],
  ['ws.raw closes', 4002, true, 4002, (ws) => ws.raw!.close(4002)],
  ['the session is terminated', 1006, false, null, (ws) => ws.terminate()],
  ['the message is too long', 1009, false, 1009, (_, client) => client.send('x'.repeat(2_000))],
  ['the client sends too many messages', 1008, true, 1008, (_, client) => { for (let i = 0; i < 9; i++) client.send('x') }]
]

for (const [name, code, wasClean, sentCode, end] of ENDS) {
  t.test(`an end is told once: ${name}`, async (t) => {
    const app = await createApp(t, { subprotocols: ['chat'], maxPayload: 1_000, rateLimit: { messages: 5, interval: 60_000 } })
    const session = new Promise<WebSocketSession>((resolve) => {
      app.websocket('/:id', async (ws) => {
        await ws.accept()
        resolve(ws)
        await ws.closed
      })
    })
    const told = listen(t, ['accepted', 'closed', 'message.received'])
    const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/7`, { subprotocols: ['chat'] })
    const ws = await session
    t.same(brief(told, 'statusCode', 'protocol'), [['accepted', '/:id', ACCEPTED, 'chat']])
    t.same(app.websockets.stats().connections, { open: 1, accepted: 1 })
    await delay(2) // a duration that can be measured
    end(ws, client.socket)
    const event = await last(told, 'closed')
    const { reason, wasClean: isClean } = await ws.closed
    t.match(event, { code, reason, wasClean, sentCode, isLost: false, route: { url: '/:id' } })
    t.equal(isClean, wasClean)
    t.equal(event.session, ws)
    t.equal(event.request, ws.request)
    t.ok(event.duration > 1 && event.duration < 10_000, `${event.duration} ms`)
    t.equal(told.filter(({ on }) => on === 'message.received').length, event.received.messages, 'messages over the limit are not received')
    t.ok(event.received.messages <= 5)
    const { connections, closes } = app.websockets.stats()
    t.same({ connections, closes }, { connections: { open: 0, accepted: 1 }, closes: { [code]: 1 } })
  })
}

t.test('a connection that the heartbeat has dropped is told and counted as lost', async (t) => {
  const app = await createApp(t, { heartbeat: { interval: 20, timeout: 20 } })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const told = listen(t, ['closed'])
  const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/`, { autoPong: false })
  await client.closed
  t.match(await last(told, 'closed'), { code: 1006, isLost: true })
  t.equal(app.websockets.stats().heartbeatLosses, 1)
})

t.test('an app that closes tells of its sessions', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const told = listen(t, ['closed'])
  const client = await app.injectWebSocket('/')
  await app.close()
  await client.closed
  t.same(brief(told, 'code', 'sentCode'), [['closed', '/', 1001, 1001]])
  t.same(app.websockets.stats().connections, { open: 0, accepted: 1 })
})

for (const slowSubscriber of ['skip', 'close'] as const) {
  t.test(`a slow subscriber is told and counted: ${slowSubscriber}`, async (t) => {
    const app = await createApp(t, { slowSubscriber, maxBufferedAmount: 100_000 })
    const session = new Promise<WebSocketSession>((resolve) => {
      app.websocket('/', async (ws) => {
        await ws.accept()
        await ws.subscribe('x')
        resolve(ws)
        await ws.closed
      })
    })
    const told = listen(t, ['slow', 'message.sent'])
    const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/`)
    const ws = await session
    await client.pause()
    for (let sent = 0; !told.some(({ on }) => on === 'slow'); sent++) {
      if (sent > 2_000) throw new Error('the kernel takes everything')
      await app.websockets.publish('x', Buffer.alloc(30_000))
    }
    const event = await last(told, 'slow')
    t.match(event, { action: slowSubscriber, messages: slowSubscriber === 'skip' ? 1 : 0, route: { url: '/' } })
    t.equal(event.session, ws)
    const { skipped, slowCloses, messages, publications } = app.websockets.stats()
    t.same([skipped, slowCloses], slowSubscriber === 'skip' ? [1, 0] : [0, 1])
    t.equal(skipped, ws.skipped)
    t.equal(messages.sent, told.filter(({ on }) => on === 'message.sent').length)
    if (slowSubscriber === 'skip') t.equal(messages.sent + skipped, publications)
  })
}
