import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fastifyCookie from '@fastify/cookie'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { connectStreams } from '../../lib/client/duplex-pair'
import type { WebSocketChannel, WebSocketSession } from '../../types/session'
import { createApp } from '../helpers/app'
import { urlOver } from '../helpers/transport'
import { until } from '../helpers/until'

const key = readFileSync(join(__dirname, '..', 'fixtures/key.pem'))
const cert = readFileSync(join(__dirname, '..', 'fixtures/cert.pem'))

const UPGRADE = { name: 'WebSocketUpgradeError', code: 'FST_WS_UPGRADE' }
const CHUNK = 'a'.repeat(64 * 1024)

type Session = WebSocketSession<any, any, any, any, any>

/** The session of a route '/', which lasts until its connection ends. */
function sessionOf (app: FastifyInstance): Promise<Session> {
  return new Promise((resolve) => {
    app.websocket('/', async (ws) => {
      resolve(await ws.accept())
      await ws.closed
    })
  })
}

/** Lets all pending work in the process finish. */
async function turns (): Promise<void> {
  for (let n = 0; n < 1000; n++) await setImmediate()
}

t.test('injectWebSocket waits until the app is ready, and opens no port', async (t) => {
  const app = await createApp(t)
  app.register(async (app) => {
    await setImmediate()
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.send('hello')
    })
  }, { prefix: '/late' })
  const client = await app.injectWebSocket('/late/')
  t.equal(await client.receive(), 'hello')
  t.equal(app.server.listening, false)
})

t.test('an app that does not start rejects the injection', async (t) => {
  const app = await createApp(t)
  app.register(async () => { throw new Error('no database') })
  await t.rejects(app.injectWebSocket('/'), /no database/)
})

t.test('every message from the first on is kept until it is received', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for (const message of ['1', '2', '3']) ws.send(message)
    await ws.close(4001, 'bye')
  })
  const client = await app.injectWebSocket('/')
  t.same(await client.closed, { code: 4001, reason: 'bye', wasClean: true })
  for (const message of ['1', '2', '3']) t.equal(await client.receive(), message)
  await t.rejects(client.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
})

t.test('the error of a refusal has the status, the headers and the body', async (t) => {
  const app = await createApp(t)
  app.websocket('/json', async (ws) => { await ws.deny(401, { error: 'who are you?' }, { 'www-authenticate': 'Basic' }) })
  app.websocket('/text', async (ws) => { await ws.deny(403, 'no: grüße', { 'set-cookie': ['a=1', 'b=2'] }) })
  app.websocket('/large', async (ws) => { await ws.deny(403, CHUNK.repeat(50)) })
  app.websocket('/closed', async (ws) => { await ws.close() })
  app.websocket('/broken', async () => { throw Object.assign(new Error('broken'), { statusCode: 418 }) })
  await t.rejects(app.injectWebSocket('/json'), {
    ...UPGRADE,
    statusCode: 401,
    responseHeaders: { 'www-authenticate': 'Basic', 'content-type': /^application\/json/ },
    body: JSON.stringify({ error: 'who are you?' })
  })
  await t.rejects(app.injectWebSocket('/text'), { ...UPGRADE, statusCode: 403, responseHeaders: { 'set-cookie': ['a=1', 'b=2'] }, body: 'no: grüße' })
  await t.rejects(app.injectWebSocket('/large'), { ...UPGRADE, statusCode: 403, body: CHUNK.repeat(50) })
  await t.rejects(app.injectWebSocket('/closed'), { ...UPGRADE, statusCode: 403 })
  await t.rejects(app.injectWebSocket('/broken'), { ...UPGRADE, statusCode: 418, body: /broken/ })
})

t.test('a hook, a schema, an unknown URL and an HTTP route refuse as they do over the network', async (t) => {
  const app = await createApp(t)
  let called = false
  app.get('/guarded', { websocket: true, preHandler: (_request, reply) => { reply.code(401).send({ error: 'who are you?' }) } }, () => { called = true })
  app.websocket('/schema', { schema: { querystring: { type: 'object', properties: { n: { type: 'integer' } } } } }, () => { called = true })
  app.get('/http', () => { called = true })
  await t.rejects(app.injectWebSocket('/guarded'), { ...UPGRADE, statusCode: 401, body: '{"error":"who are you?"}' })
  await t.rejects(app.injectWebSocket('/schema?n=one'), { ...UPGRADE, statusCode: 400, body: /querystring\/n must be integer/ })
  await t.rejects(app.injectWebSocket('/unknown'), { ...UPGRADE, statusCode: 404, body: /Not Found/ })
  await t.rejects(app.injectWebSocket('/http'), { ...UPGRADE, statusCode: 404, body: /Not Found/ })
  t.equal(called, false)
})

t.test('headers are sent', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept({ headers: { 'x-answer': '42' } })
    await ws.sendJson([ws.headers['x-one'], ws.headers['x-two'], 'x-none' in ws.headers, ws.headers.host, ws.headers.cookie])
  })
  const client = await app.injectWebSocket('/', { headers: { 'x-one': '1', 'X-Two': ['2', '3'], 'x-none': undefined, Host: 'example.com', Cookie: 'a=1' } })
  t.equal(client.headers['x-answer'], '42')
  t.same(await client.receiveJson(), ['1', '2, 3', false, 'example.com', 'a=1'])
})

t.test('cookies are sent after those of the headers', async (t) => {
  const app = await createApp(t)
  await app.register(fastifyCookie)
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    await ws.sendJson(request.cookies)
  })
  const cookies = { name: 'Ada; Lovelace', b: '2' }
  for (const [headers, others] of [
    [undefined, {}],
    [{ cookie: 'a=1' }, { a: '1' }],
    [{ Cookie: ['a=1', 'c=3'] }, { a: '1', c: '3' }]
  ] as const) {
    const client = await app.injectWebSocket('/', { headers: headers as never, cookies: { ...cookies, none: undefined } })
    t.same(await client.receiveJson(), { ...others, ...cookies })
  }
})

t.test('the query is added to that of the URL, and replaces parameters of the same name', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.sendJson(ws.query)
  })
  for (const [url, query, received] of [
    ['/?a=1', undefined, { a: '1' }],
    ['/?a=1&b=2', { b: 3, c: 'grüße & more', d: true }, { a: '1', b: '3', c: 'grüße & more', d: 'true' }],
    ['/?a=1&b=2', { b: ['3', '4'], c: undefined }, { a: '1', b: ['3', '4'] }],
    ['/?a=1&b=2', 'b=3&b=4&c=5', { a: '1', b: ['3', '4'], c: '5' }]
  ] as const) {
    const client = await app.injectWebSocket(url, { query: query as never })
    t.same(await client.receiveJson(), received)
  }
})

t.test('a path may begin with slashes, or be a whole URL', async (t) => {
  const app = await createApp(t, {}, { routerOptions: { ignoreDuplicateSlashes: true } })
  app.websocket('/path', async (ws) => {
    await ws.accept()
    await ws.send(ws.url.href)
  })
  t.equal(await (await app.injectWebSocket('//path')).receive(), urlOver('ws://localhost//path'))
  t.equal(await (await app.injectWebSocket('ws://example.com/path?a=1')).receive(), urlOver('ws://example.com/path?a=1'))
  t.equal(await (await app.injectWebSocket('path')).receive(), urlOver('ws://localhost/path'))
  await t.rejects(app.injectWebSocket('http://'), { name: 'WebSocketOptionError', message: "the URL of injectWebSocket is 'http://': use a path of the app" })
})

t.test('remoteAddress is the address of the request', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    await ws.send(request.ip)
  })
  t.equal(await (await app.injectWebSocket('/')).receive(), '127.0.0.1')
  t.equal(await (await app.injectWebSocket('/', { remoteAddress: '203.0.113.7' })).receive(), '203.0.113.7')
})

t.test('subprotocols and types are set as for connect', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { subprotocols: ['b', 'a'], valueType: 'json' } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const client = await app.injectWebSocket('/', { subprotocols: ['a', 'b'], valueType: 'json' })
  t.equal(client.protocol, 'b')
  t.same(await client.pair({ a: 1 }), { a: 1 })
  await t.rejects(app.injectWebSocket('/', { valueType: 'string' as never }), { name: 'WebSocketOptionError' })
})

t.test('a receive rejects after receiveTimeout', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const client = await app.injectWebSocket('/', { receiveTimeout: 1 })
  await t.rejects(client.receive(), { name: 'WebSocketTimeoutError' })
  await t.rejects(client.expect('text'), { name: 'WebSocketTimeoutError' })
})

t.test('a receive waits for 5 s by default', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.expect('now')
    await ws.send('message')
  })
  for (const options of [undefined, { receiveTimeout: undefined }]) {
    const client = await app.injectWebSocket('/', options)
    const timers = t.capture(globalThis, 'setTimeout', setTimeout)
    const received = client.receive()
    t.match(timers(), [{ args: [Function, 5_000] }])
    timers.restore()
    await client.send('now')
    t.equal(await received, 'message')
  }
})

t.test('app.close() ends the clients', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const clients = await Promise.all([app.injectWebSocket('/'), app.injectWebSocket('/')])
  const receiving = clients.map((client) => client.receive())
  await app.close()
  for (const { closed } of clients) t.same(await closed, { code: 1001, reason: '', wasClean: true })
  for (const received of receiving) await t.rejects(received, { name: 'WebSocketDisconnect', closeCode: 1001 })
})

t.test('app.close() ends clients that do not answer', async (t) => {
  const app = await createApp(t, { closeTimeout: 20 })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const client = await app.injectWebSocket('/')
  client.raw.pause()
  await app.close()
  await client.closed
  t.equal(client.state, 'closed')
})

t.test('app.close() ends the clients of raw routes', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { raw: true } }, () => {})
  const client = await app.injectWebSocket('/')
  await app.close()
  await client.closed
  t.equal(client.state, 'closed')
})

t.test('app.close() ends an injection whose handler never accepts', async (t) => {
  const app = await createApp(t)
  const reached = new Promise<WebSocketChannel>((resolve) => {
    app.websocket('/', async (ws) => {
      resolve(ws)
      await ws.closed
    })
  })
  const refused = t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', statusCode: 503 })
  await reached
  await app.close()
  await refused
})

t.test('app.close() ends an injection whose hooks are still at work', async (t) => {
  const app = await createApp(t)
  let reach!: () => void
  let end!: () => void
  const reached = new Promise<void>((resolve) => { reach = resolve })
  const ended = new Promise<void>((resolve) => { end = resolve })
  const preHandler = async (): Promise<void> => {
    reach()
    await ended
  }
  app.get('/', { websocket: true, preHandler }, async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const refused = t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', statusCode: 503 })
  await reached
  const closing = app.close()
  setImmediate().then(end)
  await closing
  await refused
})

t.test('an injection into an app that is closing, or closed, rejects', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  await app.ready()
  const before = app.injectWebSocket('/').then((client) => client.closed)
  const closing = app.close()
  const refused = t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError' })
  await before.catch(() => {})
  await closing
  await refused
  await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError' })
})

t.test('a handler that sends to a client that does not receive is held up', async (t) => {
  const app = await createApp(t)
  let session!: WebSocketChannel
  let sent = 0
  app.websocket('/', async (ws) => {
    session = await ws.accept()
    for (; sent < 100; sent++) await ws.send(sent + CHUNK)
  })
  const client = await app.injectWebSocket('/')
  await turns()
  t.ok(sent < 10, `${sent} messages went out`)
  t.ok(session.bufferedAmount > CHUNK.length && session.bufferedAmount < 3 * CHUNK.length, `${session.bufferedAmount} bytes wait`)
  for (let n = 0; n < 100; n++) {
    if (await client.receive() !== n + CHUNK) t.fail(`message ${n} is not what was sent`)
  }
})

t.test('a client that sends to a handler that does not receive is held up', async (t) => {
  const app = await createApp(t)
  const session = sessionOf(app)
  const client = await app.injectWebSocket('/')
  let sent = 0
  const sending = (async () => { for (; sent < 100; sent++) await client.send(sent + CHUNK) })()
  await turns()
  t.ok(sent < 10, `${sent} messages went out`)
  t.ok(client.bufferedAmount > CHUNK.length && client.bufferedAmount < 3 * CHUNK.length, `${client.bufferedAmount} bytes wait`)
  for (let n = 0; n < 100; n++) {
    if (await (await session).receive() !== n + CHUNK) t.fail(`message ${n} is not what was sent`)
  }
  await sending
})

t.test('when one end is dropped, the other one ends', async (t) => {
  for (const dropped of ['client', 'session']) {
    const app = await createApp(t)
    const session = sessionOf(app)
    const client = await app.injectWebSocket('/')
    const [end, other] = dropped === 'client' ? [client, await session] : [await session, client]
    end.terminate()
    t.match(await other.closed, { code: 1006, wasClean: false })
  }
})

t.test('messages sent before the connection is dropped arrive, even in the turn of accept', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    ws.accept()
    ws.send('last')
    ws.send('words')
    ws.terminate()
  })
  const client = await app.injectWebSocket('/')
  t.equal(await client.receive(), 'last')
  t.equal(await client.receive(), 'words')
  t.match(await client.closed, { code: 1006, wasClean: false })
})

t.test('messages of the client before it drops the connection arrive', async (t) => {
  const app = await createApp(t)
  const accepted = sessionOf(app)
  const client = await app.injectWebSocket('/')
  const session = await accepted
  client.raw.send('last')
  client.raw.send('words')
  client.terminate()
  t.equal(await session.receive(), 'last')
  t.equal(await session.receive(), 'words')
  t.match(await session.closed, { code: 1006, wasClean: false })
})

t.test('a write that waits fails when its end is dropped', async (t) => {
  const app = await createApp(t)
  const accepted = sessionOf(app)
  const client = await app.injectWebSocket('/')
  const session = await accepted
  client.raw.pause()
  const written = Array.from({ length: 2 }, () => new Promise<Error | undefined>((resolve) => session.raw!.send(CHUNK, resolve)))
  await turns()
  session.terminate()
  for (const error of await Promise.all(written)) t.ok(error instanceof Error)
})

t.test('no end gets an answer before its write has returned', async (t) => {
  const [near, far] = connectStreams('127.0.0.1', false)
  far.on('data', (chunk) => far.write(chunk))
  const answered = once(near, 'data')
  let hasReturned = false
  near.on('data', () => t.ok(hasReturned))
  near.write('question')
  hasReturned = true
  t.same(await answered, [Buffer.from('question')])
})

t.test('when one end is dropped while the other waits to send, the other one ends', async (t) => {
  for (const dropped of ['client', 'session']) {
    const app = await createApp(t)
    const session = sessionOf(app)
    const client = await app.injectWebSocket('/')
    const [end, other] = dropped === 'client' ? [client, await session] : [await session, client]
    end.raw!.pause()
    const sends = Array.from({ length: 20 }, () => other.send(CHUNK))
    await turns()
    end.terminate()
    t.match(await other.closed, { code: 1006, wasClean: false })
    await t.rejects(sends.at(-1)!, { name: 'WebSocketDisconnect', closeCode: 1006 })
  }
})

t.test('when one end is dropped, a paused other end ends as soon as it sends', async (t) => {
  const app = await createApp(t)
  const accepted = sessionOf(app)
  const client = await app.injectWebSocket('/')
  const session = await accepted
  session.raw!.pause()
  client.terminate()
  await client.closed
  session.send('into the void')
  t.match(await session.closed, { code: 1006, wasClean: false })
})

t.test('the end is seen while a few small messages wait, also where the pool of buffers is as large as in Node 24', async (t) => {
  const { poolSize } = Buffer
  t.teardown(() => { Buffer.poolSize = poolSize })
  Buffer.poolSize = 64 * 1024
  for (let bytes = 0; bytes <= poolSize; bytes += 1024) Buffer.allocUnsafe(1024) // uses up the old pool
  const app = await createApp(t)
  const session = sessionOf(app)
  const client = await app.injectWebSocket('/')
  for (const message of ['a', '', 'b', '']) {
    await client.send(message)
    await turns()
  }
  client.close(4001)
  t.match(await (await session).closed, { code: 4001 })
  for (const message of ['a', '', 'b', '']) t.equal(await (await session).receive(), message)
})

t.test('many clients connect at once', async (t) => {
  const app = await createApp(t)
  app.websocket('/:n', async (ws, request) => {
    await ws.accept()
    const { n } = request.params as { n: string }
    for await (const message of ws) await ws.send(`${n}: ${message}`)
  })
  await Promise.all(Array.from({ length: 100 }, async (_, n) => {
    const client = await app.injectWebSocket(`/${n}`)
    for (let m = 0; m < 10; m++) {
      if (await client.pair(m) !== `${n}: ${m}`) t.fail(`client ${n} was given another answer`)
    }
    await client.close()
  }))
  await until(() => app.websockets.size === 0)
})

t.test('an https app takes injections', async (t) => {
  const app = await createApp(t, {}, { https: { key, cert } } as object)
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    await ws.sendJson([request.protocol, ws.url.href])
    await ws.expect(CHUNK)
  })
  app.websocket('/refused', async (ws) => { await ws.deny(401) })
  const client = await app.injectWebSocket('/')
  t.same(await client.receiveJson(), ['https', 'wss://localhost/'])
  await client.send(CHUNK)
  t.match(await client.closed, { code: 1000 })
  await t.rejects(app.injectWebSocket('/refused'), { ...UPGRADE, statusCode: 401 })
})

t.test('an app whose server speaks HTTP/2 and HTTP/1.1 takes injections', async (t) => {
  for (const options of [
    { http2: true, https: { key, cert, allowHTTP1: true } },
    { serverFactory: (handler: never) => createSecureServer({ key, cert, allowHTTP1: true }, handler) }
  ]) {
    const app = await createApp(t, {}, options as object)
    app.websocket('/', async (ws, request) => {
      await ws.accept()
      await ws.sendJson([request.protocol, ws.url.href])
      for await (const message of ws) await ws.send(message)
    })
    const client = await app.injectWebSocket('/', { remoteAddress: '203.0.113.7' })
    t.same(await client.receiveJson(), ['https', 'wss://localhost/'])
    t.equal(await client.pair(CHUNK.repeat(10)), CHUNK.repeat(10))
    await client.close()
    await t.rejects(app.injectWebSocket('/unknown'), { ...UPGRADE, statusCode: 404 })
  }
})

t.test('an app whose server speaks HTTP/2 only rejects an injection, and the error says how to allow HTTP/1.1', async (t) => {
  for (const options of [
    { http2: true },
    { http2: true, https: { key, cert } },
    { serverFactory: (handler: never) => createSecureServer({ key, cert }, handler) }
  ]) {
    const app = await createApp(t, {}, options as object)
    app.websocket('/', async (ws) => { await ws.accept() })
    await t.rejects(app.injectWebSocket('/'), { ...UPGRADE, statusCode: undefined, message: /takes HTTP\/2 only: .*allowHTTP1: true/ })
    t.equal(app.server.listenerCount('unknownProtocol'), 0)
  }
})

t.test('injectWS of @fastify/websocket works on session routes', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(`${message}!`)
  })
  app.websocket('/refused', async (ws) => { await ws.deny(401) })
  await app.ready()
  const socket = await app.injectWS('/')
  socket.send('hello')
  const [message] = await once(socket, 'message')
  t.equal(message.toString(), 'hello!')
  socket.terminate()
  await t.rejects(app.injectWS('/refused'), /401/)
})

t.test('injectWS of @fastify/websocket works on raw routes', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { raw: true } }, (socket) => {
    socket.on('message', (message: Buffer) => socket.send(`${message.toString()}!`))
  })
  await app.ready()
  const socket = await app.injectWS('/')
  socket.send('hello')
  const [message] = await once(socket, 'message')
  t.equal(message.toString(), 'hello!')
  socket.terminate()
})

t.test('the server counts the bytes that it reads from an injected client, as from any other', async (t) => {
  const app = await createApp(t)
  const counts: number[] = []
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    for await (const message of ws) {
      counts.push(request.raw.socket.bytesRead)
      await ws.send(message)
    }
  })
  const client = await app.injectWebSocket('/')
  for (let n = 0; n < 2; n++) t.equal(await client.pair('x'.repeat(10)), 'x'.repeat(10))
  t.equal(counts[1] - counts[0], 2 + 4 + 10) // header, mask and payload
})

t.test('with http2: true an injection is a stream of HTTP/2, which passes through the server like others', async (t) => {
  for (const [options, protocol] of [[{ http2: true }, 'http'], [{ http2: true, https: { key, cert } }, 'https']] as const) {
    const app = await createApp(t, {}, options as object)
    app.websocket('/', async (ws, request) => {
      await ws.accept()
      await ws.sendJson([request.raw.httpVersion, request.protocol, request.ip, request.host, ws.query])
      for await (const message of ws) await ws.send(message)
    })
    const client = await app.injectWebSocket('/?a=1', { http2: true, remoteAddress: '203.0.113.7', query: { b: '2' } })
    t.same(await client.receiveJson(), ['2.0', protocol, '203.0.113.7', 'localhost', { a: '1', b: '2' }])
    t.equal(await client.pair(CHUNK.repeat(10)), CHUNK.repeat(10))
    await client.close()
    await t.rejects(app.injectWebSocket('/unknown', { http2: true }), { ...UPGRADE, statusCode: 404 })
    t.equal(app.server.listenerCount('session'), 2, 'those of Fastify and the plugin')
  }
})

t.test('with http2: true, many messages that go both ways at once all arrive', async (t) => {
  const app = await createApp(t, {}, { http2: true } as any)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const client = await app.injectWebSocket('/', { http2: true })
  const messages = Array.from({ length: 200 }, (_, i) => `${i}`.padEnd(5_000))
  const sent = Promise.all(messages.map((message) => client.send(message)))
  for (const message of messages) t.equal(await client.receive(), message)
  await sent
  await client.close()
})

t.test('http2: true needs a server that speaks HTTP/2', async (t) => {
  const app = await createApp(t)
  await t.rejects(app.injectWebSocket('/', { http2: true }), { name: 'WebSocketOptionError', message: /option http2 of injectWebSocket .*Fastify\({ http2: true }\)/ })
})
