import dns from 'node:dns'
import { once } from 'node:events'
import { mock } from 'node:test'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { createServer } from 'node:http2'
import Fastify from 'fastify'
import t from 'tap'
import websocket from '../../lib/index'
import { createApp, listen } from '../helpers/app'
import { connectHttp2Peer, connectRequest, openSession, peerOf, refusalOf, responseTo } from '../helpers/http2'
import { HTTP2_SERVERS, TLS } from '../helpers/http2-servers'
import { connectPeer } from '../helpers/peer'
import { ByteClient } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'

function addEcho (app: FastifyInstance): void {
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
}

for (const [name, server] of Object.entries(HTTP2_SERVERS)) {
  t.test(`a server of HTTP/2 ${name} announces extended CONNECT and serves it`, async (t) => {
    const app = await createApp(t, {}, server)
    addEcho(app)
    const scheme = 'https' in server ? 'wss' : 'ws'
    const peer = await connectHttp2Peer(t, `${scheme}://127.0.0.1:${await listen(app)}/`)
    await peer.send('hello')
    t.equal(await peer.next(), 'hello')
    const begin = performance.now()
    await app.close()
    t.ok(performance.now() - begin < 2_000)
    t.equal((await peer.closed).code, 1001)
    t.equal(app.server.listenerCount('connect'), 0)
  })
}

t.test('with http2: false nothing is announced, and HTTP/1.1 is served beside HTTP/2', async (t) => {
  const app = await createApp(t, { http2: false }, HTTP2_SERVERS['with TLS, beside HTTP/1.1'])
  addEcho(app)
  const port = await listen(app)
  const session = await openSession(t, `https://127.0.0.1:${port}`)
  t.not(session.remoteSettings.enableConnectProtocol, true)
  t.equal(app.server.listenerCount('connect'), 0)
  const peer = await connectPeer(t, `wss://127.0.0.1:${port}/`, { rejectUnauthorized: false })
  await peer.send('hello')
  t.equal(await peer.next(), 'hello')
})

t.test('http2: true needs a server that speaks HTTP/2', async (t) => {
  const app = Fastify()
  await t.rejects(async () => { await app.register(websocket, { http2: true }) }, { name: 'WebSocketOptionError', message: /option http2 .*Fastify\({ http2: true }\)/ })
  const http2 = await createApp(t, { http2: true }, HTTP2_SERVERS['in the clear'])
  t.equal(http2.server.listenerCount('connect'), 2)
})

t.test('a server of a serverFactory is served as well', async (t) => {
  const app = await createApp(t, {}, { serverFactory: (handler: any) => createServer(handler) } as any)
  addEcho(app)
  const peer = await connectHttp2Peer(t, `ws://127.0.0.1:${await listen(app)}/`)
  await peer.send('hello')
  t.equal(await peer.next(), 'hello')
})

t.test('on localhost both servers announce and serve it', async (t) => {
  const { lookup } = dns
  mock.method(dns, 'lookup', (name: string, options: any, callback: any) => {
    if (name !== 'localhost' || options?.all !== true) return lookup(name, options, callback)
    callback(null, [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }])
  })
  t.teardown(() => mock.restoreAll())
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  addEcho(app)
  await app.listen({ port: 0, host: 'localhost' })
  const addresses = app.addresses() as AddressInfo[]
  t.equal(addresses.length, 2)
  const peers = []
  for (const { address, port } of addresses) {
    const peer = await connectHttp2Peer(t, `ws://${address}:${port}/`)
    await peer.send(address)
    t.equal(await peer.next(), address)
    peers.push(peer)
  }
  await app.close()
  for (const peer of peers) t.equal((await peer.closed).code, 1001)
})

t.test('another protocol is 501, CONNECT without a protocol is 405, as without the plugin', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  app.addHook('onRequest', async () => { t.fail('a hook runs') })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  for (const protocol of ['connect-udp', 'Websocket', 'webtransport']) {
    t.equal((await refusalOf(connectRequest(session, '/', { ':protocol': protocol }))).status, 501, protocol)
  }
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'example.com:443' }, { endStream: false })
  t.equal((await refusalOf(stream)).status, 405)
})

t.test('a client that leaves its side open after a 405 or a 501 is reset, and does not hold app.close()', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  const streams = [
    connectRequest(session, '/', { ':protocol': 'connect-udp' }),
    session.request({ ':method': 'CONNECT', ':authority': 'example.com:443' }, { endStream: false })
  ]
  await Promise.all(streams.map(responseTo))
  const closed = streams.map((stream) => once(stream.resume(), 'close'))
  await app.close()
  await Promise.all(closed)
  t.same(streams.map(({ rstCode }) => rstCode), [0, 0])
})

t.test('the request has no body for hooks: its bytes are messages', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  const bodies: unknown[] = []
  app.addHook('onRequest', async ({ raw }) => { bodies.push(await text(raw)) })
  addEcho(app)
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  const peer = await peerOf(connectRequest(session, '/'))
  await peer.send('hello')
  t.equal(await peer.next(), 'hello')
  t.same(bodies, [''])
})

t.test('an unknown route and a route of HTTP only are 404; hooks, validation and routing by host work', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  app.get('/http', () => { t.fail('the handler runs') })
  app.websocket('/:room', {
    schema: { params: { type: 'object', properties: { room: { type: 'integer' } } } },
    constraints: { host: 'chat.example.com' },
    preHandler: async ({ ws }) => { t.equal(ws, true) }
  }, async (ws, request) => {
    await ws.accept()
    await ws.sendJson([ws.params, ws.url.href, request.method, request.raw.httpVersion, request.raw.url, request.host])
  })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  t.equal((await refusalOf(connectRequest(session, '/http'))).status, 404)
  t.equal((await refusalOf(connectRequest(session, '/7/8'))).status, 404)
  t.equal((await refusalOf(connectRequest(session, '/7'))).status, 404, 'another host')
  t.match(await refusalOf(connectRequest(session, '/x', { ':authority': 'chat.example.com' })), { status: 400, body: /params\/room must be integer/ })
  const peer = await peerOf(connectRequest(session, '/7', { ':authority': 'chat.example.com' }))
  t.same(JSON.parse(String(await peer.next())), [{ room: 7 }, 'ws://chat.example.com/7', 'GET', '2.0', '/7', 'chat.example.com'])
})

t.test('beside another listener, requests for no WebSocket route are left to it, and each request is served once', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['in the clear'])
  addEcho(app)
  app.websocket('/taken', () => { t.fail('the handler runs') })
  app.websocket('/read', () => { t.fail('the handler runs') })
  const left: string[] = []
  app.server.on('connect', (request: any, response: any) => {
    left.push(`${request.method} ${request.url}`)
    if (request.url === '/') return
    if (request.url === '/read') request.stream.on('data', (data: Buffer) => response.end(data))
    else response.writeHead(299).end()
  })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  for (const [path, protocol] of [['/other', 'websocket'], ['/', 'connect-udp'], ['/taken', 'websocket']]) {
    const stream = connectRequest(session, path, { ':protocol': protocol })
    if (protocol === 'websocket') t.match(await responseTo(stream), { ':status': 299 }, path)
    await until(() => left.at(-1) === `CONNECT ${path}`) // a stream that is reset at once may never reach a listener
    stream.close()
  }
  const read = connectRequest(session, '/read')
  read.end('bytes')
  t.match(await responseTo(read), { ':status': 200 })
  t.equal(String(await once(read, 'data')), 'bytes')
  const peer = await peerOf(connectRequest(session, '/'))
  await peer.send('hello')
  t.equal(await peer.next(), 'hello')
  t.same(left.sort(), ['CONNECT /', 'CONNECT /', 'CONNECT /other', 'CONNECT /read', 'CONNECT /taken'])
})

t.test('without another listener, CONNECT of HTTP/1.1 ends the connection, as without the plugin', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['with TLS, beside HTTP/1.1'])
  const port = await listen(app)
  const client = (): ByteClient<TLSSocket> => new ByteClient(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }))
  t.equal(await client().write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n').ended, '')
  app.server.on('connect', (request, stream) => { if (request.httpVersionMajor === 1) stream.end('HTTP/1.1 200 Connected\r\n\r\n') })
  t.match(await client().write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n').ended, '200 Connected')
})

t.test('a page of another origin is refused; the own origin is that of :authority', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['with TLS'])
  addEcho(app)
  const session = await openSession(t, `https://127.0.0.1:${await listen(app)}`)
  const headers = { ':authority': 'example.com' }
  t.match(await responseTo(connectRequest(session, '/', { ...headers, origin: 'https://example.com' })), { ':status': 200 })
  for (const origin of ['http://example.com', 'https://example.com:444', 'https://other.example.com']) {
    t.equal((await refusalOf(connectRequest(session, '/', { ...headers, origin }))).status, 403, origin)
  }
})

t.test('maxConnections counts streams', async (t) => {
  const app = await createApp(t, { maxConnections: 2 }, HTTP2_SERVERS['in the clear'])
  addEcho(app)
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  const first = connectRequest(session, '/')
  t.match(await responseTo(first), { ':status': 200 })
  t.match(await responseTo(connectRequest(session, '/')), { ':status': 200 })
  t.match(await refusalOf(connectRequest(session, '/')), { status: 503, headers: { 'retry-after': '10' } })
  first.close()
  await once(first, 'close')
  const { ':status': status } = await responseTo(connectRequest(session, '/'))
  t.equal(status, 200)
})

t.test('what a handler may ask of the connection is known when it has gone', async (t) => {
  const app = await createApp(t, {}, { http2: true, https: TLS } as any)
  const ended = new Promise<unknown[]>((resolve) => {
    app.websocket('/', async (ws, request) => {
      await ws.accept()
      await ws.closed
      resolve([ws.url.protocol, request.ip, request.protocol])
    })
  })
  const peer = await connectHttp2Peer(t, `wss://127.0.0.1:${await listen(app)}/`)
  await peer.terminate()
  t.same(await ended, ['wss:', '127.0.0.1', 'https'])
})
