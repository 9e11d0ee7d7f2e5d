import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { websocket } from '../../lib/plugin/plugin'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR, INFO } from '../helpers/logs'
import { connectPeer, type Peer } from '../helpers/peer'
import { BINARY, clientFrame } from '../helpers/frames'
import { refusal } from '../helpers/refusal'
import { ScriptedBroker } from '../helpers/scripted-broker'
import { linesOver, sendHandshake, statusOf } from '../helpers/request-client'
import { connectTcp, frame, assertNoConnections, upgradeRequest } from '../helpers/tcp'
import { ACCEPTED, CONNECTION_CLOSE } from '../helpers/transport'
import type { WebSocketSession } from '../../types/session'

async function echo (ws: WebSocketSession): Promise<void> {
  await ws.accept()
  for await (const message of ws) await ws.send(message)
}

t.test('the plugin decorates the app, whatever the context it was registered in by fastify-plugin', async (t) => {
  const app = await createApp(t)
  t.type(app.websocket, 'function')
  t.type(app.injectWebSocket, 'function')
  t.equal(app.websockets.size, 0)
  app.register(async (child) => { t.equal(child.websockets, app.websockets) })
  app.get('/', async ({ ws }) => `ws: ${ws}`)
  t.equal((await app.inject('/')).body, 'ws: false')
})

t.test('an unknown option and an invalid value fail at registration', async (t) => {
  for (const options of [{ vlaueType: 'json' }, { valueType: 'xml' }, { closeTimeout: -1 }, { errorHandler: 'log' }, { onMessage () {} }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(websocket, options as any) }, { code: 'FST_WS_OPTION' }, JSON.stringify(options))
  }
})

t.test('options of app.register are no options of the plugin', async (t) => {
  const { lines, serverOptions } = collectLogs()
  await createApp(t, { prefix: '/x', logLevel: 'warn' } as any, serverOptions)
  t.same(lines, [])
})

t.test('HTTP routes keep their handlers, whenever they were registered', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/before', async function () { return `before ${this === app}` })
  await app.register(websocket)
  app.get('/after', async function () { return `after ${this === app}` })
  app.get('/false', { websocket: false } as any, async () => 'false')
  const port = await listen(app)
  for (const [path, body] of [['/before', 'before true'], ['/after', 'after true'], ['/false', 'false']]) {
    t.equal((await app.inject(path)).body, body)
    t.equal((await refusal(port, path)).status, 404, `${path} is no WebSocket route`)
  }
})

t.test('a message above maxPayload ends the connection with 1009, which is a disconnect for the session', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, { maxPayload: 100 }, serverOptions)
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    ended.resolve(await ws.receive().catch((error: Error) => error))
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('x'.repeat(101))
  t.same(await peer.closed, { code: 1009, reason: 'message larger than 100 bytes' })
  t.match(await ended.promise, { code: 'FST_WS_DISCONNECT', closeCode: 1006 })
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, msg: 'a WebSocket connection is ended: message larger than 100 bytes' }])
  t.same(lines.filter((line) => 'err' in line), [])
})

t.test('maxPayload is 1 MiB by default', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws.messages('bytes')) await ws.send(message.length)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send(Buffer.alloc(1024 * 1024))
  t.equal(await peer.next(), '1048576')
  peer.socket.send(Buffer.alloc(1024 * 1024 + 1))
  t.same(await peer.closed, { code: 1009, reason: 'message larger than 1048576 bytes' })
})

t.test('a message that is too large for a closing session is not logged', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, { maxPayload: 100 }, serverOptions)
  app.websocket('/', async (ws) => {
    await ws.accept()
    ws.close(4000)
    await ws.closed
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await client.until('\x88\x02\x0f\xa0')
  t.equal(await client.write(clientFrame(BINARY, Buffer.alloc(101))).ended, '\x88\x02\x0f\xa0', 'it has sent its close frame')
  t.same(lines.filter(({ ws }) => ws !== undefined), [])
})

t.test('an error of a raw handler is logged once, and its socket is dropped', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, {}, serverOptions)
  app.get('/', { websocket: { raw: true } }, () => { throw new Error('raw') })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal((await peer.closed).code, 1006)
  t.match(lines.filter(({ level }) => level === ERROR), [{ reqId: 'req-1', err: { message: 'raw' } }])
})

t.test('the 101 has the subprotocol and headers of accept; a route with raw: true takes the first offered subprotocol', async (t) => {
  const app = await createApp(t)
  app.websocket('/session', (ws) => { ws.accept({ subprotocol: 'b', headers: { 'x-a': ['1', '2'] } }) })
  app.websocket('/none', (ws) => { ws.accept() })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const port = await listen(app)
  const lines = { '/session': ['Sec-WebSocket-Protocol: b', 'x-a: 1', 'x-a: 2'], '/none': [], '/raw': ['Sec-WebSocket-Protocol: a'] }
  for (const [path, expected] of Object.entries(lines)) {
    const client = await sendHandshake(t, port, path, { headers: { 'sec-websocket-protocol': 'a, b' } })
    t.same(await client.answer, { status: ACCEPTED, lines: linesOver(expected) })
  }
})

t.test('messages are compressed with perMessageDeflate', async (t) => {
  const app = await createApp(t, { perMessageDeflate: { threshold: 0 } })
  app.websocket('/', echo)
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  t.match(peer.socket.extensions, 'permessage-deflate')
  peer.socket.send('x'.repeat(1000))
  t.equal(await peer.next(), 'x'.repeat(1000))
  t.equal(await statusOf(t, port, '/', { headers: { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' } }), 400)
})

t.test('there is no compression by default', async (t) => {
  const app = await createApp(t)
  app.websocket('/', echo)
  t.equal((await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)).socket.extensions, '')
})

t.test('app.injectWS of @fastify/websocket keeps working', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send(ws.url.href)
    for await (const message of ws) await ws.send(message)
  })
  app.websocket('/refused', (ws) => ws.deny(401))
  await app.ready()
  const { injectWS } = app as any
  let first: Promise<unknown[]>
  const socket = await injectWS('/', { headers: { 'x-a': '1' } }, { onInit (socket: any) { first = once(socket, 'message') } })
  t.equal(String((await first!)[0]), 'ws://localhost/')
  socket.send('hi')
  t.equal(String((await once(socket, 'message'))[0]), 'hi')
  await t.rejects(injectWS('/refused'), { message: 'Unexpected server response: 401' })
  await t.rejects(injectWS('/unknown'), { message: 'Unexpected server response: 404' })
  const closed = once(socket, 'close')
  await app.close()
  t.equal((await closed)[0], 1001)
})

t.test('the plugin works with TLS', async (t) => {
  const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
  const app = await createApp(t, {}, { https: { key: fixture('key.pem'), cert: fixture('cert.pem') } } as any)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send(ws.url.protocol)
  })
  const peer = await connectPeer(t, `wss://127.0.0.1:${await listen(app)}`, { rejectUnauthorized: false })
  t.equal(await peer.next(), 'wss:')
  t.equal((await peer.closed).code, 1000)
})

t.test('the plugin can be registered in its own context', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (child) => {
    await child.register(websocket)
    child.websocket('/ws', echo as any)
    child.get('/http', () => { t.fail('the handler runs') })
  }, { prefix: '/child' })
  t.notOk(app.hasDecorator('websocket'))
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/child/ws`)
  peer.socket.send('hi')
  t.equal(await peer.next(), 'hi')
  for (const path of ['/child/http', '/child/unknown', '/unknown']) {
    t.match(await refusal(port, path), { status: 404, headers: { connection: CONNECTION_CLOSE } })
  }
  peer.socket.terminate()
  await assertNoConnections(t, app)
})

t.test('app.close() waits for the handlers and resolves, even if this takes longer than pluginTimeout', async (t) => {
  const app = await createApp(t, {}, { pluginTimeout: 200 })
  let hasEnded = false
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
    await setTimeout(400)
    hasEnded = true
  })
  await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.ok(hasEnded)
})

t.test('app.close() waits for the handlers without a pluginTimeout', async (t) => {
  const app = await createApp(t, {}, { pluginTimeout: 0 })
  let hasEnded = false
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
    await setTimeout(50)
    hasEnded = true
  })
  await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.ok(hasEnded)
})

t.test('the broker is up when the app is ready, and is closed when the connections have ended', async (t) => {
  const events: string[] = []
  const broker = new ScriptedBroker()
  broker.start = async (listener) => {
    events.push('start')
    listener.onUp()
  }
  broker.publish = async (topic) => { events.push(`publish ${topic}`) }
  broker.close = async () => { events.push('close') }
  const app = await createApp(t, { broker })
  app.websocket('/', {
    onMessage () {},
    async onDisconnect (ws) {
      await setTimeout(20)
      await ws.publish('room', 'has left')
    }
  })
  await app.ready()
  t.equal(app.websockets.brokerState, 'up')
  await app.injectWebSocket('/')
  await app.close()
  t.strictSame(events, ['start', 'publish room', 'close'])
})

t.test('an app does not start if start of its broker rejects', async (t) => {
  const broker = new ScriptedBroker()
  broker.start = async () => { throw new Error('the prefix is no text') }
  const app = await createApp(t, { broker })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_WS_BROKER', message: 'the broker cannot be started: the prefix is no text' })
})

t.test('the event resync has the topics that may have missed messages', async (t) => {
  const broker = new ScriptedBroker()
  const app = await createApp(t, { broker })
  const resyncs: object[] = []
  app.websockets.on('resync', (event) => resyncs.push(event))
  await app.ready()
  for (const call of ['onUp', 'onDown', 'onUp'] as const) broker.listener[call](new Error('gone'))
  t.strictSame(resyncs, [{ topics: [], recovered: [], missed: [] }])
})

t.test('a Fastify older than 5.3, or newer than 5, is refused with an error that names both', async (t) => {
  for (const [version, isRefused] of [['4.29.1', true], ['5.2.2', true], ['5.3.0', false], ['6.0.0', true]] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    Object.defineProperty(app, 'version', { value: version })
    const registered = (async () => { await app.register(websocket) })()
    if (isRefused) await t.rejects(registered, { code: 'FST_ERR_PLUGIN_VERSION_MISMATCH', message: `fastify-async-websocket - expected '>=5.3.0 <6' fastify version, '${version}' is installed` })
    else await t.resolves(registered)
  }
  const { peerDependencies } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8'))
  t.equal(peerDependencies.fastify, '>=5.3.0 <6')
})

t.test('an app that was never started closes', async (t) => {
  const app = await createApp(t)
  app.websocket('/', echo as any)
  await app.close()
  t.equal(app.websockets.size, 0)
})

t.test('a client that reads the bytes of a connection gets the messages of the handler, and nothing more', async (t) => {
  const app = await createApp(t)
  app.websocket('/', echo as any)
  const client = await connectTcp(t, await listen(app))
  client.write(upgradeRequest('/')).write(frame('a'))
  const response = await client.until('\x81\x01a')
  t.equal(response, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x01a')
})

t.test('a message may have many fragments, and too many close the connection with 1008', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(String(message.length))
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const fragments = async (count: number): Promise<Peer> => {
    const peer = await connectPeer(t, url)
    for (let i = 1; i <= count; i++) peer.socket.send('x', { fin: i === count })
    return peer
  }
  t.equal(await (await fragments(16_384)).next(), '16384')
  t.equal((await (await fragments(16_385)).closed).code, 1008)
})
