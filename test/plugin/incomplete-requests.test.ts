import dns from 'node:dns'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, type ServerHttp2Stream } from 'node:http2'
import { connect, type AddressInfo, type Socket, type TcpNetConnectOpts } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { IncompleteRequests, release } from '../../lib/plugin/incomplete-requests'
import websocket from '../../lib/index'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { connectRequest, openSession, responseTo } from '../helpers/http2'
import { connectPeer } from '../helpers/peer'
import { ByteClient, connectTcpPair, connectTcp, upgradeRequest, type TcpClient } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { Duplex } from 'node:stream'

const HALF = 'GET /ws HTTP/1.1\r\nHost: x\r\nUpgr'

/** The preface of HTTP/2, with its settings. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

/** The frame with which a server has read `PREFACE`. */
const SETTINGS_READ = '\0\0\0\x04\x01\0\0\0\0'

/** With this frame, a client ends its session. */
const GOAWAY = '\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0'

/** A HEADERS frame on stream 1: a GET request for `/`, with an authority. */
const REQUEST = Buffer.from('\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01x', 'latin1')

/** The beginning of a HEADERS frame of 50 bytes, on stream 3. */
const HALF_HEADERS = Buffer.from('\0\0\x32\x01\x05\0\0\0\x03\x82', 'latin1')

const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
const https = { key: fixture('key.pem'), cert: fixture('cert.pem') }

/** Resolves when the server has as many connections as there are clients. There is no event for a connection that has sent nothing. */
async function taken (app: FastifyInstance, clients: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => { app.server.getConnections((_error, count) => { count >= clients ? resolve() : setImmediate(look) }) }
    look()
  })
}

/** Closes the app within the time of a test. Without the plugin, the connections would keep the server open without limit. */
async function closes (t: Test, app: FastifyInstance): Promise<void> {
  const begin = performance.now()
  await app.close()
  t.ok(performance.now() - begin < 2000, 'at once')
}

t.test('app.close() does not wait for an incomplete request', async (t) => {
  for (const beginning of ['', 'G', HALF, 'GET /http HTTP/1.1\r\nHost: x\r\n\r\n' + HALF]) {
    const app = await createApp(t)
    app.websocket('/ws', () => { t.fail('the handler runs') })
    app.get('/http', async () => 'http')
    const client = await connectTcp(t, await listen(app))
    client.write(beginning)
    if (beginning.includes('/http')) await client.until('http')
    else await taken(app, 1)
    await closes(t, app)
    t.equal((await client.ended).includes('http'), beginning.includes('/http'), JSON.stringify(beginning))
  }
})

const SECURE = { rejectUnauthorized: false }

/** Connects to `port`, with TLS if `options` say so. The connection is dropped at the end of `t`. */
async function open (t: Test, port: number, options: ConnectionOptions | null): Promise<TcpClient> {
  if (options === null) return await connectTcp(t, port)
  const socket = connectTls({ port, host: '127.0.0.1', ...SECURE, ...options })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new ByteClient(socket)
}

/** The kinds of servers, and the clients that do not complete a request. */
const SERVERS: Record<string, { server: object, clients: Record<string, [ConnectionOptions | null, string | Buffer]> }> = {
  https: {
    server: { https },
    clients: { 'no TLS': [null, ''], 'half of TLS': [null, Buffer.from([22, 3, 1])], 'no request': [{}, ''], 'half a request': [{}, HALF] }
  },
  'https that takes HTTP/2 and HTTP/1': {
    server: { http2: true, https: { allowHTTP1: true, ...https } },
    clients: {
      'no TLS': [null, ''],
      'no request': [{}, ''],
      'half a request': [{ ALPNProtocols: ['http/1.1'] }, HALF],
      'no frame': [{ ALPNProtocols: ['h2'] }, ''],
      'half of a preface': [{ ALPNProtocols: ['h2'] }, 'PRI * HTTP/2.0']
    }
  },
  'https that takes HTTP/2': { server: { http2: true, https }, clients: { 'no TLS': [null, ''], 'no protocol': [{}, ''], 'no frame': [{ ALPNProtocols: ['h2'] }, ''] } },
  'HTTP/2 without TLS': { server: { http2: true }, clients: { nothing: [null, ''], 'half of a preface': [null, 'PRI * HTTP/2.0'] } }
}

for (const [name, { server, clients }] of Object.entries(SERVERS)) {
  for (const [client, [options, bytes]] of Object.entries(clients)) {
    t.test(`app.close() of ${name} does not wait for a client that sends ${client}`, async (t) => {
      const app = await createApp(t, {}, server)
      app.get('/', async () => 'http')
      const port = await listen(app)
      const connection = await open(t, port, options)
      connection.stream.write(bytes)
      await taken(app, 1)
      await closes(t, app)
      await connection.ended
    })
  }
}

t.test('a WebSocket connection over TLS gets its closing handshake, beside half a request', async (t) => {
  const app = await createApp(t, {}, { https } as any)
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  const peer = await connectPeer(t, `wss://127.0.0.1:${port}/ws`, { rejectUnauthorized: false })
  const client = await open(t, port, {})
  client.write(HALF)
  await taken(app, 2)
  await closes(t, app)
  await client.ended
  t.equal((await peer.closed).code, 1001)
})

t.test('app.close() lets a response that is being sent end', async (t) => {
  const app = await createApp(t)
  const started = new Deferred<void>()
  const goOn = new Deferred<void>()
  app.get('/http', async () => {
    started.resolve()
    await goOn.promise
    return 'the answer'
  })
  const port = await listen(app)
  const half = await connectTcp(t, port)
  half.write(HALF)
  const whole = await connectTcp(t, port)
  whole.write('GET /http HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n')
  await started.promise
  const closed = app.close()
  await half.ended
  goOn.resolve()
  t.match(await whole.ended, /the answer$/)
  await closed
})

t.test('a WebSocket connection gets its closing handshake, even if the server has begun to close before', async (t) => {
  const app = await createApp(t, { shutdown: { notify: () => closing.promise } })
  const closing = new Deferred<void>()
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const client = await connectTcp(t, await listen(app))
  await client.write(upgradeRequest('/ws')).until('101')
  app.server.close()
  const closed = app.close()
  closing.resolve()
  await client.until('\x88\x02\x03\xe9')
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]))
  await client.ended
  await closed
})

/** Listens on `localhost`, which is 127.0.0.1 and ::1, whatever the hosts file says. Returns the addresses. */
async function listenTwice (t: Test, app: FastifyInstance): Promise<AddressInfo[]> {
  const { lookup } = dns
  mock.method(dns, 'lookup', (name: string, options: any, callback: any) => {
    if (name !== 'localhost' || options?.all !== true) return lookup(name, options, callback)
    callback(null, [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }])
  })
  t.teardown(() => mock.restoreAll())
  await app.listen({ port: 0, host: 'localhost' })
  return app.addresses() as AddressInfo[]
}

t.test('an app that does not listen closes', async (t) => {
  const app = await createApp(t)
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const client = await app.injectWebSocket('/ws')
  await closes(t, app)
  t.equal((await client.closed).code, 1001)
})

t.test('neither of the two servers of localhost keeps the process running', async (t) => {
  for (const place of ['the app', 'a context of its own']) {
    const app = Fastify()
    t.teardown(() => app.close())
    if (place === 'the app') app.register(websocket)
    else app.register(async (child) => { await child.register(websocket) })
    const addresses = await listenTwice(t, app)
    if (addresses.length === 1) return t.comment('no IPv6 on this machine')
    const clients: Socket[] = []
    for (const { port, address } of addresses) {
      const client = connect(port, address)
      t.teardown(() => client.destroy())
      await once(client, 'connect')
      // A response shows that the server has the connection, and has read half a request behind the first one.
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n' + HALF)
      await once(client, 'data')
      clients.push(client.resume())
    }
    const ended = clients.map((client) => once(client, 'close'))
    await closes(t, app)
    await Promise.all(ended)
    t.pass(place)
  }
})

t.test('app.close() lets a response over TLS end, also on a Unix socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connections-')) // the path of a socket is short
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'socket')
  for (const where of [{ port: 0, host: '127.0.0.1' }, { path }]) {
    const app = await createApp(t, {}, { https } as any)
    const started = new Deferred<void>()
    const goOn = new Deferred<void>()
    app.get('/http', async () => {
      started.resolve()
      await goOn.promise
      return 'the answer'
    })
    await app.listen(where)
    const to = where.path === undefined ? { ...where, port: (app.server.address() as AddressInfo).port } : where
    const beginning = connect(to as TcpNetConnectOpts)
    t.teardown(() => beginning.destroy())
    await taken(app, 1)
    const socket = connectTls({ ...to, ...SECURE })
    t.teardown(() => socket.destroy())
    const client = new ByteClient(socket)
    client.write('GET /http HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await started.promise
    const closed = app.close()
    await until(() => !app.server.listening)
    goOn.resolve()
    t.match(await client.ended, /the answer$/)
    if (where.path !== undefined) beginning.destroy()
    await closed
  }
})

t.test('the requests of an HTTP/2 session are answered', async (t) => {
  const app = await createApp(t, {}, { http2: true, https: { allowHTTP1: true, ...https } } as any)
  const started = new Deferred<void>()
  const goOn = new Deferred<void>()
  app.get('/http', async () => {
    started.resolve()
    await goOn.promise
    return 'http'
  })
  const session = connectHttp2(`https://127.0.0.1:${await listen(app)}`, SECURE)
  t.teardown(() => session.destroy())
  const request = session.request({ ':path': '/http' })
  await started.promise
  const closed = app.close()
  await once(session, 'goaway')
  goOn.resolve()
  t.equal((await request.toArray()).join(''), 'http')
  await closed
})

t.test('app.close() waits for a body until shutdown.timeout, and longer for the response to a complete request', async (t) => {
  const timeout = 200
  for (const server of [{}, { https }]) {
    const app = await createApp(t, { shutdown: { timeout } }, server as object)
    app.post('/', async ({ body }) => body)
    const started = new Deferred<void>()
    app.get('/slow', async () => {
      started.resolve()
      await setTimeout(2 * timeout)
      return 'slow'
    })
    const port = await listen(app)
    const [never, late, slow] = await Promise.all([1, 2, 3].map(() => open(t, port, 'https' in server ? {} : null)))
    for (const client of [never, late]) client.write('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nha')
    slow.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
    await started.promise
    await taken(app, 3)
    const begin = performance.now()
    const closed = app.close()
    await until(() => !app.server.listening)
    late.write('lf')
    t.match(await late.ended, /half$/)
    t.equal(await never.ended, '')
    t.ok(performance.now() - begin > 0.9 * timeout)
    t.match(await slow.ended, /slow$/)
    await closed
  }
})

t.test('app.close() does not wait for half a request behind another one, and lets a complete one be answered', async (t) => {
  for (const [behind, answers] of [[HALF, 1], ['GET /http HTTP/1.1\r\nHost: x\r\n\r\n', 2]] as const) {
    const app = await createApp(t)
    const started = new Deferred<void>()
    const goOn = new Deferred<void>()
    app.get('/http', async () => {
      started.resolve()
      await goOn.promise
      return 'the answer'
    })
    const client = await connectTcp(t, await listen(app))
    client.write('GET /http HTTP/1.1\r\nHost: x\r\n\r\n' + behind)
    await started.promise
    const closed = app.close()
    await until(() => !app.server.listening)
    goOn.resolve()
    t.equal((await client.ended).split('the answer').length - 1, answers)
    await closed
  }
})

t.test('connections that other listeners have upgraded stay open', async (t) => {
  const app = await createApp(t)
  const taken: Record<string, Duplex> = {}
  app.server.on('upgrade', ({ url }, stream) => { if (url === '/theirs') stream.write('HTTP/1.1 101 Theirs\r\n\r\n', () => { taken.upgrade = stream }) })
  app.server.on('connect', (_request, stream) => { stream.write('HTTP/1.1 200 Connected\r\n\r\n', () => { taken.connect = stream }) })
  const port = await listen(app)
  const clients = await Promise.all([connectTcp(t, port), connectTcp(t, port)])
  await clients[0].write(upgradeRequest('/theirs')).until('101 Theirs')
  await clients[1].write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n').until('200 Connected')
  const closed = app.close()
  await until(() => !app.server.listening)
  for (const stream of Object.values(taken)) {
    stream.write('still there')
    stream.end()
  }
  for (const client of clients) t.match(await client.ended, /still there$/)
  await closed
})

t.test('without a listener for CONNECT the connection ends, as without the plugin', async (t) => {
  for (const isRemoved of [false, true]) {
    const app = await createApp(t)
    const listener = (): void => { t.fail('it is not there any more') }
    if (isRemoved) app.server.on('connect', listener).removeListener('connect', listener)
    const client = await connectTcp(t, await listen(app))
    t.equal(await client.write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n').ended, '')
    await app.close()
  }
})

t.test('a listener for CONNECT from before the plugin is called as well', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.server.on('connect', (_request, stream) => { stream.end('HTTP/1.1 200 Connected\r\n\r\n') })
  await app.register(websocket)
  const client = await connectTcp(t, await listen(app))
  t.match(await client.write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n').ended, '200 Connected')
})

t.test('a connection that arrives after the server has begun to close ends', async (t) => {
  const server = createServer()
  const connections = new IncompleteRequests(server, 1000)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { stream } = await connectTcpPair(t)
  server.close()
  server.emit('connection', stream)
  t.ok(stream.destroyed)
  connections.stop()
})

t.test('a connection that is emitted twice is listed once, and may be released twice', async (t) => {
  const server = createServer()
  const connections = new IncompleteRequests(server, 1000)
  const { stream } = await connectTcpPair(t)
  server.emit('connection', stream)
  server.emit('connection', stream)
  const { length } = stream.listeners('close')
  release(stream)
  t.equal(stream.listenerCount('close'), length - 1)
  release(stream)
  server.close()
  t.notOk(stream.destroyed)
  connections.stop()
})

t.test('a close that has replaced the close of the plugin stays, and works', async (t) => {
  const app = await createApp(t)
  const { close } = app.server
  let calls = 0
  const theirs: typeof close = function (this: typeof app.server, ...args) {
    calls++
    return close.apply(this, args)
  }
  app.server.close = theirs
  const client = await connectTcp(t, await listen(app))
  client.write(HALF)
  await taken(app, 1)
  await closes(t, app)
  t.equal(calls, 1)
  t.equal(app.server.close, theirs)
})

t.test('a close from before the plugin is restored', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const { close } = app.server
  const theirs: typeof close = function (this: typeof app.server, ...args) { return close.apply(this, args) }
  app.server.close = theirs
  await app.register(websocket)
  t.not(app.server.close, theirs)
  await app.close()
  t.equal(app.server.close, theirs)
})

t.test('over HTTP/2, app.close() drops half a request at shutdown.timeout, and waits for the response to a whole one', async (t) => {
  const timeout = 200
  const app = await createApp(t, { shutdown: { timeout } }, { http2: true } as object)
  app.post('/', async ({ body }) => body)
  app.get('/slow', async () => await setTimeout(2 * timeout, 'slow'))
  const session = connectHttp2(`http://127.0.0.1:${await listen(app)}`)
  t.teardown(() => session.destroy())
  await once(session, 'remoteSettings')
  const half = session.request({ ':method': 'POST', ':path': '/', 'content-type': 'text/plain' }, { endStream: false }).on('error', () => {})
  half.write('ha')
  const slow = session.request({ ':path': '/slow' })
  await new Promise<void>((resolve) => { session.ping(() => resolve()) })
  const ended = once(half, 'close')
  const closed = app.close()
  t.equal((await slow.toArray()).join(''), 'slow')
  await Promise.all([ended, closed])
})

t.test('over HTTP/2, app.close() does not wait for the rest of a HEADERS frame', async (t) => {
  const app = await createApp(t, {}, { http2: true } as object)
  app.get('/', async () => 'http')
  const client = await connectTcp(t, await listen(app))
  client.write(Buffer.concat([Buffer.from(PREFACE), HALF_HEADERS]))
  await client.until(SETTINGS_READ)
  await closes(t, app)
  await client.ended
})

t.test('over HTTP/2, app.close() waits for the response to a request, and drops a half HEADERS frame behind it at shutdown.timeout', async (t) => {
  const timeout = 200
  const app = await createApp(t, { shutdown: { timeout } }, { http2: true } as object)
  const [started, goOn] = [new Deferred<void>(), new Deferred<void>()]
  app.get('/', async () => {
    started.resolve()
    await goOn.promise
    return 'http'
  })
  const client = await connectTcp(t, await listen(app))
  client.write(Buffer.concat([Buffer.from(PREFACE), REQUEST, HALF_HEADERS]))
  await started.promise
  const closed = app.close()
  await setTimeout(2 * timeout)
  goOn.resolve()
  t.match(await client.ended, 'http')
  await closed
})

t.test('over HTTP/2, app.close() leaves a connection of another listener to CONNECT open', async (t) => {
  const app = await createApp(t, {}, { http2: true } as object)
  const stream = new Deferred<Duplex>()
  app.server.on('connect', (({ headers }: IncomingMessage, { stream: tunnel }: { stream: ServerHttp2Stream }): void => {
    if (headers[':protocol'] !== 'other') return
    tunnel.respond({ ':status': 200 })
    stream.resolve(tunnel)
  }) as never)
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  const client = connectRequest(session, '/', { ':protocol': 'other' })
  await responseTo(client)
  const goaway = once(session, 'goaway')
  const closed = app.close()
  await goaway
  client.end('still open')
  t.equal((await (await stream.promise).toArray()).join(''), 'still open')
  ;(await stream.promise).end()
  await closed
})

for (const [when, bytes, event] of [['with app.close()', PREFACE, 'data'], ['before, with its GOAWAY frame', PREFACE + GOAWAY, 'end']]) {
  t.test(`over HTTP/2, app.close() waits a second for a client that never closes its side, and whose session ends ${when}`, async (t) => {
    const app = await createApp(t, {}, { http2: true } as object)
    app.get('/', async () => 'http')
    const socket = connect({ port: await listen(app), host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    socket.on('error', () => {}).resume().write(bytes)
    await once(socket, event)
    const begin = performance.now()
    await closes(t, app)
    t.ok(performance.now() - begin > 900, 'not before: the client may be reading')
  })
}

t.test('over HTTP/2, app.close() does not wait for a client that neither reads a refusal nor closes its side, if the session ends after shutdown.timeout', async (t) => {
  const app = await createApp(t, { shutdown: { timeout: 100 } }, { http2: true } as object)
  app.websocket('/', async (ws) => { await ws.deny(403, 'no') })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`)
  await responseTo(connectRequest(session, '/'))
  await closes(t, app)
})
