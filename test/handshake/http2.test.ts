import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { http2 } from '../../lib/handshake/http2'
import { createApp, listen } from '../helpers/app'
import { brief, listen as listenToEvents } from '../helpers/events'
import { clientFrame, CLOSE, closePayload, messagesIn, TEXT } from '../helpers/frames'
import { connectRequest, openSession, peerOf, refusalOf, responseTo } from '../helpers/http2'
import { HTTP2_SERVERS } from '../helpers/http2-servers'
import { collectLogs } from '../helpers/logs'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { ClientHttp2Session, Http2ServerRequest } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { WebSocketPluginOptions } from '../../types/options'

async function createHttp2App (t: Test, options?: WebSocketPluginOptions, serverOptions: object = {}): Promise<FastifyInstance> {
  return await createApp(t, options, { ...HTTP2_SERVERS['in the clear'], ...serverOptions })
}

async function connectTo (t: Test, app: FastifyInstance): Promise<ClientHttp2Session> {
  return await openSession(t, `http://127.0.0.1:${await listen(app)}`)
}

t.test('accept answers 200 with the headers of hooks and of accept, without those of a connection', async (t) => {
  const app = await createHttp2App(t)
  app.addHook('onRequest', async (_request, reply) => { reply.header('set-cookie', 'a=1').header('x-hook', '1').header('keep-alive', 'timeout=5').header('content-length', '5') })
  app.websocket('/', { websocket: { subprotocols: ['v1'] } }, async (ws) => {
    await ws.accept({ headers: [['set-cookie', 'b=2'], ['set-cookie', 'c=3'], ['x-own', '1'], ['x-own', ' 2 '], ['constructor', '3'], ['proxy-connection', 'close']] })
  })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/', { 'sec-websocket-protocol': 'v2, v1' })
  const { date, ...headers } = await responseTo(stream)
  t.same(headers, { ':status': 200, 'set-cookie': ['a=1', 'b=2', 'c=3'], 'x-hook': '1', 'x-own': '1, 2', constructor: '3', 'sec-websocket-protocol': 'v1' })
})

t.test('headers of accept that exceed what Node sends in one block reset the stream, and end the session', async (t) => {
  const app = await createHttp2App(t)
  const end = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept({ headers: { 'x-long': 'x'.repeat(100_000) } })
    end.resolve(await ws.closed)
  })
  const stream = connectRequest(await connectTo(t, app), '/')
  await t.rejects(responseTo(stream), { message: /FRAME_SIZE_ERROR/ })
  t.match(await end.promise, { code: 1006 })
})

t.test('a request needs an authority, in :authority or Host', async (t) => {
  t.throws(() => http2.check({ headers: {} } as any), { name: 'WebSocketHandshakeError', statusCode: 400, message: ':authority' })
  t.doesNotThrow(() => http2.check({ headers: { ':authority': 'localhost' } } as any))
  t.doesNotThrow(() => http2.check({ headers: { host: 'localhost' } } as any))
})

t.test('a version other than 13, and an invalid subprotocol, are refused', async (t) => {
  const app = await createHttp2App(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  const session = await connectTo(t, app)
  t.match(await refusalOf(connectRequest(session, '/', { 'sec-websocket-version': '12' })), { status: 426, headers: { 'sec-websocket-version': '13', upgrade: undefined } })
  t.match(await refusalOf(connectRequest(session, '/', { 'sec-websocket-protocol': 'a, a' })), { status: 400, body: /Sec-WebSocket-Protocol/ })
})

t.test('a refusal has its status, headers and body, without headers of a connection', async (t) => {
  const app = await createHttp2App(t)
  app.addHook('onRequest', async (_request, reply) => { reply.raw.setHeader('keep-alive', 'timeout=5') })
  app.websocket('/', async (ws) => { await ws.deny(401, { who: 'are you?' }, { 'www-authenticate': 'Basic', 'proxy-connection': 'close' }) })
  const session = await connectTo(t, app)
  const { date, ...headers } = await refusalOf(connectRequest(session, '/')).then(({ status, headers, body }) => ({ ...headers, status, body }))
  t.same(headers, { status: 401, body: '{"who":"are you?"}', 'www-authenticate': 'Basic', 'content-type': 'application/json; charset=utf-8', 'content-length': '18' })
})

t.test('a refusal whose status would open the connection is 403, from whatever it comes', async (t) => {
  const app = await createHttp2App(t)
  const statuses: number[] = []
  app.addHook('onResponse', async (_request, { statusCode }) => { statuses.push(statusCode) })
  app.setNotFoundHandler(async (_request, reply) => await reply.code(200).type('text/html').send('<p>the page</p>'))
  app.websocket('/deny', async (ws) => { await ws.deny(204) })
  app.websocket('/hook', { preHandler: async (_request, reply) => await reply.send('busy') }, () => { t.fail('the handler runs') })
  app.websocket('/onSend', { onSend: async (_request, reply) => { reply.code(201) } }, async (ws) => { await t.rejects(ws.accept(), { message: /to status 201/ }) })
  const session = await connectTo(t, app)
  for (const [path, body] of [['/deny', ''], ['/hook', 'busy'], ['/onSend', ''], ['/unknown', '<p>the page</p>']]) {
    t.match(await refusalOf(connectRequest(session, path)), { status: 403, body }, path)
  }
  await until(() => statuses.length === 4)
  t.same(statuses, [403, 403, 403, 403])
})

t.test('a refusal that exceeds the windows is sent to its end, also while the app closes, and leaves no stream', async (t) => {
  const app = await createHttp2App(t)
  const begun = new Deferred<void>()
  app.websocket('/', async (ws) => {
    ws.deny(401, 'x'.repeat(4 * 1024 * 1024))
    begun.resolve()
  })
  const session = await connectTo(t, app)
  const refused = refusalOf(connectRequest(session, '/'))
  await begun.promise
  const closed = app.close()
  t.equal((await refused).body.length, 4 * 1024 * 1024)
  await closed
})

t.test('a client that leaves its side open after a refusal is reset without an error', async (t) => {
  const app = await createHttp2App(t)
  app.websocket('/', async (ws) => { await ws.deny() })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/')
  await responseTo(stream)
  await once(stream.resume(), 'close')
  t.equal(stream.rstCode, 0)
})

t.test("with refusal: 'close' the connection opens, and is closed with the code and reason; onResponse has the status of the refusal", async (t) => {
  const app = await createHttp2App(t, { refusal: 'close' })
  const statuses: number[] = []
  app.addHook('onResponse', async (_request, { statusCode }) => { statuses.push(statusCode) })
  app.websocket('/', async (ws) => { await ws.deny(401, 'who are you?') })
  const session = await connectTo(t, app)
  const peer = await peerOf(connectRequest(session, '/', { 'sec-websocket-protocol': 'v1' }))
  t.same(await peer.closed, { code: 4401, reason: 'who are you?' })
  t.equal(await peer.protocol(), 'v1')
  session.close()
  await app.close()
  t.same(statuses, [401])
})

t.test('onResponse hooks run once, with 200, when the session is over, and the response of a complete handshake writes nothing', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createHttp2App(t, {}, serverOptions)
  const order: unknown[] = []
  app.addHook('onResponse', async (request, reply) => { order.push([reply.statusCode, request.ip, request.protocol, request.raw.aborted]) })
  app.addHook('onRequestAbort', async (_request) => { order.push('abort') })
  app.websocket('/', async (ws) => {
    const { raw } = (ws.request as any).server.replies.pop()
    await ws.accept()
    raw.writeHead(500)
    raw.write('nothing')
    raw.end('nothing')
    raw.destroy()
    await ws.send('hello')
    await ws.closed
    order.push('closed')
    await new Promise(setImmediate)
    order.push('returned')
  })
  app.decorate('replies', [] as unknown[])
  app.addHook('preHandler', async (_request, reply) => { (app as any).replies.push(reply) })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/')
  const [bytes] = await once(stream, 'data')
  t.same(messagesIn(bytes), ['hello'])
  stream.close(8)
  await until(() => order.length === 3)
  t.same(order, ['closed', 'returned', [200, '127.0.0.1', 'http', false]])
  await until(() => lines.some(({ msg }) => msg === 'request completed'))
})

t.test('the payload that a hook returns for a handshake that is accepted is discarded', async (t) => {
  const app = await createHttp2App(t)
  const stream = new Readable({ read () {} })
  const payloads: Record<string, unknown> = { stream, text: 'text', bytes: Buffer.from('bytes'), response: new Response('response') }
  for (const [name, payload] of Object.entries(payloads)) {
    app.websocket(`/${name}`, { onSend: async () => payload }, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  }
  const session = await connectTo(t, app)
  for (const name of Object.keys(payloads)) {
    const peer = await peerOf(connectRequest(session, `/${name}`))
    peer.socket.send('echo')
    t.equal(await peer.next(), 'echo', name)
    peer.socket.close()
    await peer.closed
  }
  t.ok(stream.destroyed)
})

t.test('a client that resets the stream during the handshake has left', async (t) => {
  const app = await createHttp2App(t)
  const arrived = new Deferred<void>()
  const told: unknown[] = []
  app.addHook('onRequest', async ({ raw }) => { raw.on('aborted', () => told.push('aborted')).on('close', () => told.push('close')) })
  app.websocket('/before', async (ws) => {
    arrived.resolve()
    told.push(await ws.closed)
    await t.rejects(ws.accept(), { message: 'the client left during the handshake' })
  })
  const session = await connectTo(t, app)
  for (const code of [0, 2, 7, 8]) {
    told.length = 0
    const stream = connectRequest(session, '/before')
    await arrived.promise
    stream.close(code)
    await until(() => told.length === 3)
    t.same(told, ['aborted', 'close', { code: 1006, reason: '', wasClean: false }], `code ${code}`)
  }
})

t.test('a client whose connection ends during the handshake has left, and is not refused', async (t) => {
  const app = await createHttp2App(t)
  const arrived = new Deferred<void>()
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    arrived.resolve()
    await ws.closed
    ended.resolve(await ws.accept().catch((error: Error) => error.message))
  })
  const session = await connectTo(t, app)
  connectRequest(session, '/')
  await arrived.promise
  session.destroy()
  t.equal(await ended.promise, 'the client left during the handshake')
})

t.test('a client that sends more than the server keeps of early bytes, and resets the stream during a hook, has left', async (t) => {
  const app = await createHttp2App(t, {}, { http: { settings: { initialWindowSize: 1024 * 1024 } } })
  const inHook = new Deferred<Duplex>()
  const left = new Deferred<void>()
  const told: unknown[] = []
  app.addHook('onRequest', async ({ raw }) => {
    raw.on('aborted', () => left.resolve())
    inHook.resolve((raw as unknown as Http2ServerRequest).stream)
    await left.promise
    await new Promise(setImmediate)
  })
  app.websocket('/', async (ws) => {
    told.push(await ws.closed, await ws.accept().catch(({ message }) => message))
  })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/')
  const received = await inHook.promise
  stream.write(clientFrame(TEXT, 'x'.repeat(300_000)))
  await until(() => received.isPaused())
  stream.close(0)
  await until(() => told.length === 2)
  t.same(told, [{ code: 1006, reason: '', wasClean: false }, 'the client left during the handshake'])
})

t.test('an answer, a close frame and the end of the stream that come at once are a clean close', async (t) => {
  const app = await createHttp2App(t)
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
    ended.resolve(await ws.closed)
  })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/').resume()
  await responseTo(stream)
  stream.write(clientFrame(TEXT, 'hello'))
  stream.end(clientFrame(CLOSE, closePayload(1000)))
  t.same(await ended.promise, { code: 1000, reason: '', wasClean: true })
})

t.test('a refusal by ws of a raw route that the client does not take holds neither the stream nor app.close()', async (t) => {
  const app = await createHttp2App(t)
  app.get('/', { websocket: { raw: true, perMessageDeflate: true } }, () => { t.fail('the handler runs') })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`, { settings: { initialWindowSize: 0 } })
  const stream = connectRequest(session, '/', { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' })
  t.match(await responseTo(stream), { ':status': 400 })
  await once(stream.resume(), 'close')
  t.equal(stream.rstCode, 0)
  await app.close()
})

t.test("a listener to 'wsClientError' of app.websocketServer may answer with bytes, later, and cannot open the connection", async (t) => {
  const app = await createHttp2App(t)
  app.get('/', { websocket: { raw: true, perMessageDeflate: true } }, () => { t.fail('the handler runs') })
  await app.ready()
  const heads = ['HTTP/1.1 418 Teapot\r\nx-own: 1\r\n\r\nshort and stout', 'HTTP/1.1 200 OK\r\n\r\n']
  app.websocketServer.on('wsClientError', (_error, socket) => { setImmediate(() => socket.end(Buffer.from(heads.shift()!))) })
  const session = await connectTo(t, app)
  const refuse = async (): Promise<unknown> => await refusalOf(connectRequest(session, '/', { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' }))
  t.match(await refuse(), { status: 418, headers: { 'x-own': '1' }, body: 'short and stout' })
  t.match(await refuse(), { status: 403 })
})

t.test('a raw route gets the plain ws socket: its subprotocol, compression, headers, clients, and the close of its own', async (t) => {
  const app = await createHttp2App(t)
  let responses = 0
  app.addHook('onResponse', async () => { responses++ })
  const handler = (socket: any): void => {
    socket.on('message', (message: Buffer) => {
      if (message.toString() === 'close') socket.close(4001, 'bye')
      else socket.send(`${message.toString()}!`)
    })
  }
  app.get('/', { websocket: { raw: true, perMessageDeflate: true } }, handler)
  app.get('/plain', { websocket: { raw: true } }, handler)
  await app.ready()
  app.websocketServer.on('headers', (headers: string[]) => headers.push('X-Added: by a listener'))
  const session = await connectTo(t, app)
  const offer = { 'sec-websocket-extensions': 'permessage-deflate', 'sec-websocket-protocol': 'a, b' }
  const stream = connectRequest(session, '/', offer)
  t.match(await responseTo(stream), { 'sec-websocket-extensions': 'permessage-deflate', 'sec-websocket-protocol': 'a', 'x-added': 'by a listener' })
  t.equal(app.websocketServer.clients.size, 1)
  stream.close(8)
  await until(() => app.websocketServer.clients.size === 0)
  for (const [path, extensions] of [['/plain', 'permessage-deflate'], ['/', 'x-other']]) {
    const peer = await peerOf(connectRequest(session, path, { 'sec-websocket-extensions': extensions }))
    await peer.send('hello')
    t.equal(await peer.next(), 'hello!')
    await peer.send('close')
    t.same(await peer.closed, { code: 4001, reason: 'bye' })
  }
  t.match(await refusalOf(connectRequest(session, '/', { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' })), { status: 400 })
  app.websocketServer.options.handleProtocols = (protocols) => [...protocols][1]
  t.match(await responseTo(connectRequest(session, '/', offer)), { 'sec-websocket-protocol': 'b' })
  app.websocketServer.options.handleProtocols = () => false
  t.notMatch(await responseTo(connectRequest(session, '/', offer)), { 'sec-websocket-protocol': /./ })
  t.equal(responses, 1, 'only the refusal has a response')
})

for (const event of ['headers', 'connection']) {
  t.test(`a listener to '${event}' of app.websocketServer that throws resets the stream, and the handler does not run`, async (t) => {
    const { lines, serverOptions } = collectLogs('warn')
    const app = await createHttp2App(t, {}, serverOptions)
    app.get('/', { websocket: { raw: true } }, () => { t.fail('the handler runs') })
    await app.ready()
    app.websocketServer.on(event, () => { throw new Error('from the listener') })
    const session = await connectTo(t, app)
    await once(connectRequest(session, '/').resume(), 'close')
    t.match(lines, [{ err: { message: 'from the listener' } }])
    t.equal(lines.length, 1)
    await until(() => app.websocketServer.clients.size === 0)
  })
}

t.test('early messages are not lost, and a message before a reset is delivered', async (t) => {
  const app = await createHttp2App(t)
  const told: unknown[] = []
  app.websocket('/', async (ws) => {
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    await ws.accept()
    await ws.closed
    for (;;) told.push(await ws.receive().catch(({ closeCode }) => { throw closeCode }))
  })
  const session = await connectTo(t, app)
  const stream = connectRequest(session, '/')
  stream.write(clientFrame(TEXT, 'early'))
  await responseTo(stream)
  stream.end(Buffer.concat([clientFrame(TEXT, 'late'), clientFrame(CLOSE, closePayload(4002))]))
  await until(() => told.length === 2)
  t.same(told, ['early', 'late'])
})

t.test('an accept is observed with 200, of sessions and of raw sockets, and ends the span of its request with 200', async (t) => {
  const app = await createHttp2App(t)
  const told = listenToEvents(t, ['accepted', 'closed'])
  const spans: unknown[] = []
  app.decorateRequest('opentelemetry', () => ({ span: { setAttribute (name: string, value: number) { spans.push([name, value]) }, end () { spans.push('end') } } }) as never)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const session = await connectTo(t, app)
  for (const path of ['/', '/raw']) {
    const peer = await peerOf(connectRequest(session, path))
    const { connections, routes } = app.websockets.stats()
    t.same([connections.open, routes[path].connections.open], [1, 1], path)
    await peer.close(1000)
    await until(() => app.websockets.stats().connections.open === 0)
  }
  t.match(app.websockets.stats(), { connections: { open: 0, accepted: 2 }, refusals: {}, closes: { 1000: 2 } })
  t.same(brief(told, 'statusCode', 'code'), [['accepted', '/', 200], ['closed', '/', 1000], ['accepted', '/raw', 200], ['closed', '/raw', 1000]])
  t.same(spans, [['http.response.status_code', 200], 'end', ['http.response.status_code', 200], 'end'])
})

t.test('a refusal is observed once, with the status that the client gets', async (t) => {
  const app = await createHttp2App(t)
  const told = listenToEvents(t, ['refused'])
  app.websocket('/deny', async (ws) => { await ws.deny(401) })
  app.websocket('/success', async (ws) => { await ws.deny(200, 'no') })
  app.websocket('/reply', { preHandler: async (_request, reply) => { reply.hijack().raw.end('by itself') } }, () => { t.fail('the handler runs') })
  app.websocket('/close', { websocket: { refusal: 'close' } }, async (ws) => { await ws.deny(409) })
  app.get('/raw', { websocket: { raw: true, perMessageDeflate: true } }, () => { t.fail('the handler runs') })
  const session = await connectTo(t, app)
  t.equal((await refusalOf(connectRequest(session, '/deny'))).status, 401)
  t.match(await refusalOf(connectRequest(session, '/success')), { status: 403, body: 'no' })
  t.match(await refusalOf(connectRequest(session, '/reply')), { status: 403, body: 'by itself' })
  t.equal((await (await peerOf(connectRequest(session, '/close'))).closed).code, 4409)
  t.equal((await refusalOf(connectRequest(session, '/raw', { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' }))).status, 400)
  t.equal((await refusalOf(connectRequest(session, '/unknown'))).status, 404)
  t.same(brief(told, 'statusCode', 'closeCode'), [
    ['refused', '/deny', 401, null], ['refused', '/success', 403, null], ['refused', '/reply', 403, null],
    ['refused', '/close', 409, 4409], ['refused', '/raw', 400, null], ['refused', null, 404, null]
  ])
  t.match(app.websockets.stats(), { connections: { accepted: 0 }, refusals: { 400: 1, 401: 1, 403: 2, 404: 1, 409: 1 } })
})

t.test('a request that cannot be routed is 500', async (t) => {
  const app = await createHttp2App(t, {}, { rewriteUrl () { throw new Error('from rewriteUrl') } })
  const session = await connectTo(t, app)
  t.match(await refusalOf(connectRequest(session, '/')), { status: 500, body: '' })
})

t.test('sendTimeout lets a slow client take a message longer than its window, compressed or not, and ends a client that takes nothing', async (t) => {
  const message = randomBytes(1024 * 1024)
  const app = await createHttp2App(t, { perMessageDeflate: { threshold: 0 } })
  const sendTimeout = 1_000
  const sent: string[] = []
  app.websocket('/', { websocket: { sendTimeout } }, async (ws) => {
    await ws.accept()
    const begin = performance.now()
    const outcome = await ws.send(message).then(() => 'sent', ({ closeCode }) => `ended with ${closeCode}`)
    sent.push(`${outcome} ${performance.now() - begin > sendTimeout ? 'after' : 'before'} sendTimeout`)
    await ws.close()
  })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`, { settings: { initialWindowSize: 64 * 1024 } })
  for (const headers of [{}, { 'sec-websocket-extensions': 'permessage-deflate' }]) {
    const stream = connectRequest(session, '/', headers)
    await responseTo(stream)
    for (let read = 0; read < message.length && !stream.destroyed;) {
      const chunk = stream.read()
      read += chunk?.length ?? 0
      await delay(100) // a slow client
    }
    await until(() => sent.length === 1)
    t.equal(sent.pop(), 'sent after sendTimeout')
    stream.close()
  }
  await responseTo(connectRequest(session, '/').pause())
  await until(() => sent.length === 1)
  t.same(sent, ['ended with 1006 after sendTimeout'])
})
