// Tests what has to work on every runtime, with the built package and without a test framework:
// `node test/runtimes/smoke.mjs`, `deno run -A test/runtimes/smoke.mjs`, `bun test/runtimes/smoke.mjs`.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import websocket, { connect, WebSocketUpgradeError } from 'fastify-async-websocket'

/** The HTTP server of Bun 1.4.5 raises no 'upgrade' for a pipelined request, and leaves idle connections open when it closes. */
const isBun = 'Bun' in globalThis

const LIMIT = 10_000
const tests = []
const test = (name, run) => { tests.push({ name, run }) }

/** Settles as `promise` does, or rejects after 10 s. */
function inTime (promise) {
  const late = new Promise((_resolve, reject) => { setTimeout(() => reject(new Error('not within 10 s')), LIMIT).unref() })
  return Promise.race([promise, late])
}

async function createApp (options = {}) {
  const app = Fastify({ forceCloseConnections: false })
  await app.register(websocket, options)
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws.messages('any')) await ws.send(message)
  })
  app.websocket('/raw', async (ws) => {
    await ws.accept()
    ws.raw.on('message', (data, isBinary) => ws.raw.send(data, { binary: isBinary }))
    await ws.closed
  })
  app.get('/plain', { websocket: { raw: true } }, (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  app.websocket('/deny', async (ws) => { await ws.deny(401, { who: 'are you' }, { 'x-reason': 'none' }) })
  app.websocket('/topic', async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    await ws.send('subscribed')
    for await (const message of ws) await ws.publish('news', message)
  })
  app.get('/http', async () => 'http')
  app.get('/slow', async () => {
    await delay(200)
    return 'slow'
  })
  app.post('/body', async (request) => request.body)
  return app
}

async function listen (app) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server.address().port
}

/** Opens a TCP connection that sends and receives bytes. */
async function open (port, bytes = '') {
  const socket = connectTcp(port, '127.0.0.1')
  let received = ''
  socket.on('data', (data) => { received += data.toString('latin1') })
  socket.on('error', () => {})
  const ended = new Promise((resolve) => socket.on('close', () => resolve(received)))
  await once(socket, 'connect')
  if (bytes !== '') socket.write(bytes)
  return {
    socket,
    ended,
    async until (text) { while (!received.includes(text)) await delay(5) }
  }
}

const request = (path, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'

test('a session echoes text and bytes, short and long', async () => {
  const app = await createApp()
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/echo`)
  for (const text of ['a', 'ü'.repeat(1000), 'x'.repeat(300_000)]) assert.equal(await client.pair(text, { type: 'text' }), text)
  const bytes = Buffer.alloc(70_000, 7)
  await client.send(bytes, 'bytes')
  assert.deepEqual(Buffer.from(await client.receive('bytes')), bytes)
  await client.close()
  assert.deepEqual(await client.closed, { code: 1000, reason: '', wasClean: true })
  await app.close()
})

test('the handler receives frames that came in one packet with the handshake', async () => {
  const app = await createApp()
  const client = await open(await listen(app))
  client.socket.write(Buffer.concat([Buffer.from(request('/echo', UPGRADE)), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 97])]))
  await client.until('\x81\x01a')
  client.socket.destroy()
  await app.close()
})

test('a client gets the status and the body of a refusal', async () => {
  const app = await createApp()
  const port = await listen(app)
  const refused = async (path) => await connect(`ws://127.0.0.1:${port}${path}`).then(() => assert.fail('accepted'), (error) => error)
  const denied = await refused('/deny')
  assert.ok(denied instanceof WebSocketUpgradeError)
  assert.deepEqual([denied.statusCode, denied.body], [401, '{"who":"are you"}'])
  for (const path of ['/http', '/unknown']) assert.equal((await refused(path)).statusCode, 404)
  await app.close()
})

test('subscribers get the messages of a topic', async () => {
  const app = await createApp()
  const port = await listen(app)
  const clients = await Promise.all([1, 2, 3].map(() => connect(`ws://127.0.0.1:${port}/topic`)))
  for (const client of clients) assert.equal(await client.receive(), 'subscribed')
  await clients[0].send('from one')
  for (const client of clients.slice(1)) assert.equal(await client.receive(), 'from one')
  await app.websockets.publish('news', 'to all')
  for (const client of clients) assert.equal(await client.receive(), 'to all')
  assert.equal(app.websockets.subscribers('news').size, 3)
  await app.close()
  for (const client of clients) assert.equal((await client.closed).code, 1001)
})

test('injectWebSocket opens a session', async () => {
  const app = await createApp()
  const client = await app.injectWebSocket('/echo')
  assert.equal(await client.pair('x'.repeat(100_000)), 'x'.repeat(100_000))
  await assert.rejects(app.injectWebSocket('/deny'), { statusCode: 401 })
  await client.close()
  await app.close()
})

test('the heartbeat keeps a client that answers, and drops a client that does not', async () => {
  const app = await createApp({ heartbeat: { interval: 50, timeout: 50 } })
  const port = await listen(app)
  const silent = await open(port, request('/echo', UPGRADE))
  await silent.until('101')
  const client = await connect(`ws://127.0.0.1:${port}/echo`)
  await silent.ended
  assert.equal(await client.pair('still here'), 'still here')
  await app.close()
})

test('messages are compressed, also those of ws.raw and of a route with raw: true', async () => {
  const app = await createApp({ perMessageDeflate: true })
  const port = await listen(app)
  for (const path of ['/echo', '/raw', '/plain']) {
    const client = await connect(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: true, valueType: 'any' })
    for (const message of ['', 'short', 'x'.repeat(1000), JSON.stringify(Array(20_000).fill('long'))]) assert.equal(await client.pair(message), message)
    await client.close()
  }
  await app.close()
})

test('ping has the round trip, and each side learns of the close of the other', async () => {
  const app = await createApp()
  let info
  app.websocket('/closes', async (ws) => {
    await ws.accept()
    assert.ok(await ws.ping() >= 0)
    await ws.close(4001, 'enough')
    info = await ws.closed
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/closes`)
  await assert.rejects(client.receive(), { closeCode: 4001, reason: 'enough' })
  await app.close()
  assert.deepEqual(info, { code: 4001, reason: 'enough', wasClean: true })
})

test('an upgrade behind a pipelined request is answered after it', async () => {
  if (isBun) return
  const app = await createApp()
  const client = await open(await listen(app), request('/slow') + request('/echo', UPGRADE))
  await client.until('101')
  client.socket.destroy()
  await app.close()
})

test('a request that offers another protocol is answered as a plain request', async () => {
  const app = await createApp()
  const client = await open(await listen(app), 'POST /body HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}')
  await client.until('{"a":1}')
  client.socket.destroy()
  await app.close()
})

test('a running hook learns that its client has left', async () => {
  const app = await createApp()
  let told
  const left = new Promise((resolve) => { told = resolve })
  let arrived
  const began = new Promise((resolve) => { arrived = resolve })
  app.websocket('/hook', {
    async preHandler (request) {
      request.raw.on('close', told)
      arrived()
      await left
    }
  }, () => {})
  const client = await open(await listen(app), request('/hook', UPGRADE))
  await began
  client.socket.destroy()
  await left
  await app.close()
})

test('app.close() waits only for requests that are being answered', async () => {
  const app = await createApp()
  const port = await listen(app)
  const session = await connect(`ws://127.0.0.1:${port}/echo`)
  const idle = await open(port, request('/http'))
  await idle.until('http')
  const behind = await open(port, request('/http') + 'GET /http HT')
  await behind.until('http')
  const half = [await open(port), await open(port, 'G'), await open(port, 'GET /http HTTP/1.1\r\nHost: x\r\n')]
  const slow = await open(port, request('/slow'))
  await delay(50) // so that all requests have arrived
  const begin = performance.now()
  await app.close()
  assert.ok(performance.now() - begin < 2000)
  assert.match(await slow.ended, /slow/)
  for (const client of isBun ? [] : [idle, behind, ...half]) await client.ended
  assert.equal((await session.closed).code, 1001)
})

for (const { name, run } of tests) {
  try {
    await inTime(run())
    console.log(`ok - ${name}`)
  } catch (error) {
    console.log(`not ok - ${name}\n`, error)
    process.exit(1)
  }
}
if (isBun) process.exit() // connections that Bun has left open keep the process alive
