import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketOptionError } from '../../lib/base/errors'
import websocket, { connect } from '../../lib/index'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR, WARN } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake, statusOf } from '../helpers/request-client'
import { connectTcp, frame, assertNoConnections, upgradeRequest } from '../helpers/tcp'
import { http1Only, urlOver } from '../helpers/transport'
import type { Socket } from 'node:net'
import type { RawWebSocket } from '../../types/raw'
import type { WebSocketSession } from '../../types/session'

const handler = async (ws: any): Promise<void> => { await ws.accept() }

for (const method of ['GET', 'HEAD']) {
  t.test(`a plain ${method} of a WebSocket route is 426 with Upgrade: websocket`, async (t) => {
    const app = await createApp(t)
    app.websocket('/', () => { t.fail('the handler runs') })
    app.get('/option', { websocket: true }, () => { t.fail('the handler runs') })
    app.websocket('/handlers', { onMessage () {} })
    app.get('/raw', { websocket: { raw: true } }, () => { t.fail('the handler runs') })
    for (const url of ['/', '/option', '/handlers', '/raw']) {
      const { statusCode, headers, body } = await app.inject({ method: method as 'GET', url })
      t.equal(statusCode, 426, url)
      t.equal(headers.upgrade, 'websocket')
      t.equal(headers.connection, 'upgrade')
      if (method === 'GET') t.match(JSON.parse(body), { statusCode: 426, code: 'FST_WS_HANDSHAKE', message: `${url} is a WebSocket route` })
    }
  })
}

t.test('the connection of a plain GET is kept open after 426, unless the client asks to close it', async (t) => {
  const app = await createApp(t)
  app.websocket('/', handler)
  const port = await listen(app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set()
  for (let i = 0; i < 2; i++) {
    const asked = httpRequest({ port, host: '127.0.0.1', agent }).end()
    const [response] = await once(asked, 'response')
    t.equal(response.statusCode, 426)
    t.equal(response.headers.connection, 'upgrade')
    await text(response)
    ports.add(asked.socket!.localPort)
  }
  t.equal(ports.size, 1)
  const client = await connectTcp(t, port)
  const answer = await client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n').ended
  t.match(answer, /^connection: close, upgrade\r$/mi)
})

t.test('a request of HTTP/2 is 426 as well, without the headers that HTTP/2 does not have', async (t) => {
  const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
  const app = await createApp(t, {}, { http2: true, https: { allowHTTP1: true, key: fixture('key.pem'), cert: fixture('cert.pem') } } as any)
  app.websocket('/', handler)
  const port = await listen(app)
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const [headers] = await once(session.request({ ':path': '/' }).resume(), 'response')
  t.equal(headers[':status'], 426)
  t.equal(headers.upgrade, undefined)
  t.equal((await (await connectPeer(t, `wss://127.0.0.1:${port}`, { rejectUnauthorized: false })).closed).code, 1000)
})

t.test('the error handler gets the error of a 426', async (t) => {
  const app = await createApp(t)
  app.setErrorHandler((error: any, _, reply) => { reply.code(error.statusCode).send({ handled: error.code }) })
  app.websocket('/', handler)
  const { statusCode, body } = await app.inject('/')
  t.equal(statusCode, 426)
  t.equal(body, '{"handled":"FST_WS_HANDSHAKE"}')
})

t.test('one URL serves HTTP and WebSocket with wsHandler', async (t) => {
  const app = await createApp(t)
  const settings = { querystring: { type: 'object', properties: { n: { type: 'integer' } } } }
  app.route({
    method: 'GET',
    url: '/both',
    schema: settings,
    async handler (request) { return { http: (request.query as any).n, ws: request.ws } },
    async wsHandler (ws, request) {
      await ws.accept()
      await ws.send({ websocket: (request.query as any).n, ws: request.ws })
    }
  })
  app.get('/shorthand', {
    async wsHandler (ws) {
      await ws.accept()
      await ws.send(await ws.receive() + 1)
    },
    websocket: { valueType: 'integer' }
  }, async () => 'http')
  app.route({ method: 'GET', url: '/raw', websocket: { raw: true }, handler: async () => 'http', wsHandler: ((socket: RawWebSocket) => { socket.send('raw') }) as any } as any)
  const url = `ws://127.0.0.1:${await listen(app)}`
  t.same((await app.inject('/both?n=1')).json(), { http: 1, ws: false })
  t.equal((await app.inject({ method: 'HEAD', url: '/both?n=1' })).statusCode, 200)
  t.same(JSON.parse(await (await connectPeer(t, `${url}/both?n=2`)).next() as string), { websocket: 2, ws: true })
  t.equal((await app.inject('/shorthand')).body, 'http')
  const peer = await connectPeer(t, `${url}/shorthand`)
  peer.socket.send('41')
  t.equal(await peer.next(), '42')
  t.equal(await (await connectPeer(t, `${url}/raw`)).next(), 'raw')
  t.equal((await app.inject('/raw')).body, 'http')
})

t.test('wsHandler works beside websocket: false and websocket: true', async (t) => {
  const app = await createApp(t)
  for (const option of [false, true]) {
    app.route({ method: 'GET', url: `/${option}`, websocket: option as any, handler: async () => 'http', wsHandler: handler } as any)
  }
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const option of [false, true]) {
    t.equal((await app.inject(`/${option}`)).body, 'http')
    t.equal((await (await connectPeer(t, `${url}/${option}`)).closed).code, 1000)
  }
})

t.test('a route with a mistake fails at registration, and the error names the route and the mistake', async (t) => {
  const http = async (): Promise<string> => ''
  const mistakes: Record<string, [(app: FastifyInstance) => unknown, RegExp]> = {
    'method POST': [(app) => app.post('/x', { websocket: true } as any, handler), /^POST \/x: a WebSocket route has the method GET, not POST$/],
    'method HEAD': [(app) => app.route({ method: 'HEAD', url: '/x', websocket: true, handler } as any), /^HEAD \/x: .* GET, not HEAD$/],
    'all methods': [(app) => app.all('/x', { websocket: true } as any, handler), /the method GET, not GET,HEAD,/],
    'wsHandler of a POST': [(app) => app.route({ method: 'POST', url: '/x', handler: http, wsHandler: handler } as any), /GET, not POST/],
    'a body': [(app) => app.get('/x', { websocket: true, schema: { body: false } } as any, handler), /^GET \/x: a handshake has no body: use schema\.receive/],
    'websocket: a string': [(app) => app.get('/x', { websocket: 'yes' } as any, handler), /^GET \/x: option websocket: use true or an object$/],
    'websocket: null': [(app) => app.get('/x', { websocket: null } as any, handler), /use true or an object/],
    'websocket: an array': [(app) => app.get('/x', { websocket: [] } as any, handler), /use true or an object/],
    'an unknown option': [(app) => app.get('/x', { websocket: { vlaueType: 'json' } } as any, handler), /^GET \/x: unknown option vlaueType in a route's `websocket`/],
    'an unknown value': [(app) => app.get('/x', { websocket: { valueType: 'xml' } } as any, handler), /^GET \/x: option valueType is 'xml': use one of 'text'/],
    'an option of the plugin': [(app) => app.get('/x', { websocket: { closeTimeout: 5 } } as any, handler), /unknown option closeTimeout/],
    'raw that is no flag': [(app) => app.get('/x', { websocket: { raw: 1 } } as any, handler), /option raw is 1: use true or false/],
    'a wsHandler that is none': [(app) => app.route({ method: 'GET', url: '/x', handler: http, wsHandler: 5 } as any), /^GET \/x: wsHandler is not a function$/],
    'raw and a schema of messages': [(app) => app.get('/x', { websocket: { raw: true }, schema: { receive: {} } } as any, handler), /^GET \/x: schema\.receive and schema\.send need a session: they have no effect with raw: true$/],
    'raw and a schema of answers': [(app) => app.get('/x', { websocket: { raw: true }, schema: { send: {} } } as any, handler), /need a session/],
    'raw and a type': [(app) => app.get('/x', { websocket: { raw: true, valueType: 'json' } } as any, handler), /^GET \/x: option valueType needs a session/],
    'session handlers twice': [(app) => app.get('/x', { websocket: { onMessage () {} }, onMessage () {} } as any), /^GET \/x: session handlers are given twice$/],
    'no onMessage': [(app) => app.get('/x', { websocket: { onConnect () {} } } as any), /^GET \/x: session handlers need onMessage$/],
    'an onMessage that is none': [(app) => app.get('/x', { websocket: { onMessage: 5 } } as any), /option onMessage is 5: use a function/],
    'handler and session handlers': [(app) => app.get('/x', { websocket: { onMessage () {} } } as any, handler), /give one or the other/],
    'wsHandler and session handlers': [(app) => app.route({ method: 'GET', url: '/x', handler: http, wsHandler: handler, websocket: { onMessage () {} } } as any), /give one or the other/],
    'raw session handlers': [(app) => app.get('/x', { websocket: { raw: true, onMessage () {} } } as any), /give one or the other/],
    'no handler': [(app) => app.websocket('/x', {} as any, undefined as any), /^GET \/x: the handler is missing: give a function, or onMessage$/],
    'no handler of app.get': [(app) => app.get('/x', { websocket: true } as any), /^GET \/x: the handler is missing: give a function, or onMessage$/],
    'no handler of app.route': [(app) => app.route({ method: 'GET', url: '/x', websocket: {} } as any), /^GET \/x: the handler is missing: give a function, or onMessage$/]
  }
  for (const [name, [register, message]] of Object.entries(mistakes)) {
    const app = await createApp(t)
    t.throws(() => register(app), { name: 'WebSocketOptionError', code: 'FST_WS_OPTION', message }, name)
  }
  const app = await createApp(t)
  t.throws(() => app.get('/x', { websocket: { valueType: 'xml' } } as any, handler), { cause: WebSocketOptionError })
  t.throws(() => app.get('/x', { websocket: true, schema: { body: {} } } as any, handler), { code: 'FST_ERR_ROUTE_BODY_VALIDATION_SCHEMA_NOT_SUPPORTED' })
})

t.test('a HEAD route may be given beside the GET route, and is 426', async (t) => {
  const app = await createApp(t)
  app.get('/x', { websocket: true, exposeHeadRoute: false }, handler)
  app.route({ method: 'HEAD', url: '/x', websocket: true, handler } as any)
  app.route({ method: ['GET', 'HEAD'], url: '/y', websocket: true, handler } as any)
  for (const url of ['/x', '/y']) t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 426)
  t.equal((await (await connectPeer(t, `ws://127.0.0.1:${await listen(app)}/y`)).closed).code, 1000)
})

t.test('the options of a route override the options of the plugin; a side with a schema is JSON', async (t) => {
  const app = await createApp(t, { receiveType: 'integer', subprotocols: ['plugin'] })
  const echo = async (ws: any): Promise<void> => {
    await ws.accept()
    const message = await ws.receive()
    await ws.send(`${ws.protocol} ${typeof message}`)
  }
  app.websocket('/plugin', echo)
  app.websocket('/route', { websocket: { receiveType: 'boolean', subprotocols: ['route'] } }, echo)
  app.websocket('/schema', { schema: { receive: { type: 'array' } } }, echo)
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const [path, message, answer] of [['plugin', '5', 'plugin number'], ['route', 'true', 'route boolean'], ['schema', '[]', 'plugin object']]) {
    const peer = await connectPeer(t, `${url}/${path}`, { subprotocols: ['plugin', 'route'] })
    peer.socket.send(message)
    t.equal(await peer.next(), answer)
  }
})

t.test('autoAccept has no effect on routes with raw: true, whose sockets are open', async (t) => {
  const app = await createApp(t, { autoAccept: true })
  app.websocket('/', async (ws) => await ws.send(ws.state))
  app.websocket('/raw', { websocket: { raw: true } }, (socket) => socket.send('raw'))
  const url = `ws://127.0.0.1:${await listen(app)}`
  t.equal(await (await connectPeer(t, `${url}/`)).next(), 'open')
  t.equal(await (await connectPeer(t, `${url}/raw`)).next(), 'raw')
})

t.test('JSON is parsed with Fastify\'s protection against prototype poisoning', async (t) => {
  const results: unknown[] = []
  const receive = (ws: WebSocketSession<any>): Promise<any> => ws.receive().catch((error: Error) => error.name)
  for (const onProtoPoisoning of [undefined, 'error', 'remove', 'ignore'] as const) {
    const app = await createApp(t, { valueType: 'json' }, { onProtoPoisoning, onConstructorPoisoning: onProtoPoisoning })
    app.websocket('/', async (ws: WebSocketSession<any>) => {
      await ws.accept()
      const [proto, constructor] = [await receive(ws), await receive(ws)]
      results.push([Object.hasOwn(proto, '__proto__') || proto, Object.hasOwn(constructor, 'constructor') || constructor])
    })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
    peer.socket.send('{"__proto__":{"isAdmin":true}}')
    peer.socket.send('{"constructor":{"prototype":{"isAdmin":true}}}')
    await peer.closed
  }
  const refused = ['WebSocketDecodeError', 'WebSocketDecodeError']
  t.same(results, [refused, refused, [{}, {}], [true, true]])
})

t.test('a handshake is refused by the hooks, by the handler, and by the connection limit of the route', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const onSend = async (_request: unknown, _reply: unknown, payload: unknown): Promise<string> => String(payload).replace('guard', 'hook')
  const guard = async (): Promise<void> => { throw Object.assign(new Error('the guard'), { statusCode: 401 }) }
  app.websocket('/one', { preHandler: guard, onSend }, handler)
  app.websocket('/several', { preHandler: guard, onSend: [onSend, async () => '{"message":"another"}'] }, handler)
  app.websocket('/close', (ws) => ws.close(4000, 'no'))
  app.websocket('/http', { websocket: { refusal: 'http' } }, (ws) => ws.close(4000, 'no'))
  app.websocket('/full', { websocket: { maxConnections: 1 } }, async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  await connectPeer(t, `ws://127.0.0.1:${port}/full`)
  for (const [path, code, reason] of [['one', 4401, 'the hook'], ['several', 4401, 'another'], ['close', 4000, 'no'], ['full', 4503, 'too many connections']]) {
    t.same(await (await connectPeer(t, `ws://127.0.0.1:${port}/${path}`)).closed, { code, reason }, path as string)
  }
  t.equal((await refusal(port, '/http')).status, 403)
})

t.test('upgrade requests after app.close() get 503, even if Fastify goes on answering', async (t) => {
  http1Only('a connection that is open before its upgrade request')
  for (const return503OnClosing of [true, false]) {
    const app = await createApp(t, { closeTimeout: 500 }, { return503OnClosing })
    const goOn = new Deferred<void>()
    let handlers = 0
    app.websocket('/', async (ws) => {
      handlers++
      await ws.accept()
      await goOn.promise
    })
    const port = await listen(app)
    const late = await connectTcp(t, port)
    const early = await connectPeer(t, `ws://127.0.0.1:${port}`)
    const closed = app.close()
    t.equal((await early.closed).code, 1001)
    t.match(await late.write(upgradeRequest('/')).ended, 'HTTP/1.1 503 ', `return503OnClosing: ${return503OnClosing}`)
    t.equal(handlers, 1)
    goOn.resolve()
    await closed
  }
})

/** What clients and handlers of a route of @fastify/websocket do, step by step. */
const SCENARIOS: Record<string, (t: Test, side: Side) => Promise<unknown>> = {
  async 'echoes, with the app as this and the request' (t, { app, raw, start }) {
    app.decorate('name', 'the app')
    raw(function (this: any, socket, request) {
      socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(`${this.name} ${request.url} ${request.ws} ${request.id} ${data} ${isBinary}`))
    })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await start()}/?a=1`)
    peer.socket.send('text')
    peer.socket.send(Buffer.from('bytes'))
    const answers = [await peer.next(), await peer.next()]
    peer.socket.close(4000)
    return [answers, await peer.closed]
  },
  async 'keeps messages of the packet of the upgrade request, if the handler listens at once' (t, { raw, start }) {
    raw((socket) => socket.on('message', (data: Buffer) => socket.send(`got ${data}`)))
    const client = await sendHandshake(t, await start(), '/', { early: Buffer.concat([frame('a'), frame('b')]) })
    return (await client.until('got b')).includes('got a')
  },
  async 'takes the first subprotocol that is offered' (t, { raw, start }) {
    raw((socket) => socket.send(socket.protocol))
    const peer = await connectPeer(t, `ws://127.0.0.1:${await start()}`, { subprotocols: ['b', 'a'] })
    return [peer.socket.protocol, await peer.next()]
  },
  async 'drops the connection and logs when the handler throws' (t, { raw, start, errors }) {
    raw(() => { throw new Error('thrown') })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await start()}`)
    return [await peer.closed, errors()]
  },
  async 'drops the connection and logs when the handler rejects' (t, { raw, start, errors }) {
    raw(async (socket) => {
      socket.send('first')
      throw new Error('rejected')
    })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await start()}`)
    return [await peer.next(), await peer.closed, errors()]
  },
  async 'drops the connection and logs when the client breaks the protocol' (t, { raw, start, errors }) {
    const ends = new Deferred<unknown>()
    raw((socket) => socket.on('close', (code: number) => ends.resolve(code)))
    const client = await sendHandshake(t, await start(), '/')
    client.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0])) // an opcode that does not exist
    await client.ended
    return [await ends.promise, errors()]
  },
  async 'does not close when the handler returns' (t, { raw, start }) {
    raw((socket) => { setImmediate(() => socket.send('still here')) })
    return await (await connectPeer(t, `ws://127.0.0.1:${await start()}`)).next()
  },
  async 'refuses with a hook' (_t, { app, raw, start }) {
    app.addHook('preHandler', async (request, reply) => reply.code(401).send({ ws: request.ws }))
    raw(() => { throw new Error('the handler runs') })
    const { status, body } = await refusal(await start(), '/')
    return [status, body]
  },
  async 'does not run the handler of a client that has left' (t, { app, raw, start }) {
    let runs = false
    app.addHook('preHandler', async (request) => { await once(request.raw.socket.destroy(), 'close') })
    raw(() => { runs = true })
    const answer = await statusOf(t, await start(), '/')
    await assertNoConnections(t, app)
    return [answer, runs]
  }
}

interface Side {
  app: FastifyInstance
  raw (handler: (this: any, socket: RawWebSocket, request: any) => unknown): void
  start (): Promise<number>
  errors (): unknown[]
}

/** An app with @fastify/websocket alone, and one with this package. */
async function side (t: Test, plugin: any, option: unknown): Promise<Side> {
  const { lines, serverOptions } = collectLogs()
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  await app.register(plugin)
  return {
    app,
    raw (handler) { app.get('/', { websocket: option } as any, handler as any) },
    start: () => listen(app),
    errors: () => lines.filter(({ level }) => level >= ERROR).map(({ level, msg, reqId, err }) => [level, msg, reqId, err.message])
  }
}

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  t.test(`a route with raw: true, like one of @fastify/websocket, ${name}`, async (t) => {
    http1Only('@fastify/websocket')
    const theirs = await scenario(t, await side(t, fastifyWebsocket, true))
    const ours = await scenario(t, await side(t, websocket, { raw: true }))
    t.not(theirs, undefined)
    t.strictSame(ours, theirs)
  })
}

t.test('a handshake is not answered if a hook has taken the connection over without hijack', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, {}, serverOptions)
  const taken = new Deferred<Socket>()
  app.websocket('/', {
    async preHandler ({ raw }) { taken.resolve(raw.socket.on('data', () => {})) }
  }, () => { t.fail('the handler runs') })
  const client = await sendHandshake(t, await listen(app), '/')
  const socket = await taken.promise
  await new Promise((resolve) => setImmediate(resolve))
  socket.end('theirs')
  t.equal(await client.ended, 'theirs')
  t.same(lines.filter(({ err }) => err !== undefined), [])
})

t.test('the handlers of routes in rawRoutes get the ws socket, in each form of a route', async (t) => {
  for (const rawRoutes of [['/lib/option', '/lib/both'], ({ url }: { url: string }) => url.startsWith('/lib/')]) {
    const app = await createApp(t, { rawRoutes })
    const raw = (socket: RawWebSocket): void => { socket.send('raw') }
    const session = async (ws: WebSocketSession): Promise<void> => {
      await ws.accept()
      await ws.send('session')
    }
    app.register(async (library) => {
      library.get('/option', { websocket: true }, raw as never)
      library.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: raw } as any)
    }, { prefix: '/lib' })
    app.websocket('/option', session)
    if (typeof rawRoutes === 'function') app.get('/lib/own', { websocket: { raw: false } }, session as never)
    else app.get('/own', { websocket: true }, session as never)
    const port = await listen(app)
    const first = async (path: string): Promise<unknown> => await (await connectPeer(t, `ws://127.0.0.1:${port}${path}`)).next()
    for (const path of ['/lib/option', '/lib/both']) t.equal(await first(path), 'raw')
    for (const path of ['/option', typeof rawRoutes === 'function' ? '/lib/own' : '/own']) t.equal(await first(path), 'session')
    t.equal((await app.inject('/lib/both')).body, 'http')
  }
})

t.test('a route in rawRoutes is checked like a route with raw: true', async (t) => {
  const app = await createApp(t, { rawRoutes: ['/raw'] })
  t.throws(() => app.websocket('/raw', { onMessage () {} }), { code: 'FST_WS_OPTION', message: /^GET \/raw: session handlers take the place of the handler/ })
  t.throws(() => app.websocket('/raw', { websocket: { idleTimeout: 1 } }, handler), { code: 'FST_WS_OPTION', message: /^GET \/raw: option idleTimeout needs a session/ })
  const failing = await createApp(t, { rawRoutes () { throw new Error('from rawRoutes') } })
  t.throws(() => failing.websocket('/', handler), { code: 'FST_WS_OPTION', message: 'GET /: from rawRoutes' })
})

t.test('maxPayload and perMessageDeflate of a route, with or without raw: true, do not apply to other routes', async (t) => {
  const app = await createApp(t, { maxPayload: 10 })
  const own = { maxPayload: 100, perMessageDeflate: { threshold: 0 } }
  const closes = (socket: RawWebSocket): void => { socket.on('message', () => socket.close(1000)) }
  app.websocket('/session', async (ws) => { await (await ws.accept()).receive() })
  app.websocket('/large', { websocket: own }, async (ws) => { await (await ws.accept()).receive() })
  app.get('/raw', { websocket: { raw: true } }, closes)
  app.get('/large-raw', { websocket: { raw: true, ...own } }, closes)
  const url = `ws://127.0.0.1:${await listen(app)}`
  const OTHERS = 'message larger than 10 bytes'
  for (const [path, code, extensions, reason] of [['/large', 1000, /permessage-deflate/, ''], ['/session', 1009, /^$/, OTHERS], ['/large-raw', 1000, /permessage-deflate/, ''], ['/raw', 1009, /^$/, '']] as const) {
    const peer = await connectPeer(t, url + path)
    t.match(peer.socket.extensions, extensions, path)
    peer.socket.send('x'.repeat(100))
    t.same(await peer.closed, { code, reason }, path)
  }
  const peer = await connectPeer(t, `${url}/large`)
  peer.socket.send('x'.repeat(101))
  t.same(await peer.closed, { code: 1009, reason: 'message larger than 100 bytes' })
  t.match(app.websocketServer.options, { maxPayload: 10, perMessageDeflate: false })
})

t.test('listeners of app.websocketServer get the sockets of raw routes only, and get all of them', async (t) => {
  const app = await createApp(t)
  const heard: string[] = []
  app.websocketServer.on('connection', (socket) => {
    for (const event of ['message', 'error', 'close'] as const) socket.prependListener(event, () => heard.push(event))
  })
  app.websocket('/session', async (ws) => {
    await ws.accept()
    await ws.receive()
  })
  app.get('/raw', { websocket: { raw: true } }, (socket: RawWebSocket) => {
    socket.on('message', () => {
      socket.emit('error', new Error('expected'))
      socket.close()
    })
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const path of ['/session', '/raw']) {
    const peer = await connectPeer(t, url + path)
    peer.socket.send('a')
    await peer.closed
  }
  await app.close()
  t.same(heard, ['message', 'error', 'close'])
  t.equal(app.websockets.size, 0)
})

for (const event of ['headers', 'connection']) {
  t.test(`a listener to '${event}' of app.websocketServer that throws ends the connection, whose handler does not run`, async (t) => {
    const { lines, serverOptions } = collectLogs()
    const app = await createApp(t, {}, serverOptions)
    app.get('/', { websocket: { raw: true } }, () => { t.fail('the handler runs') })
    app.websocketServer.on(event, () => { throw new Error('from the listener') })
    const port = await listen(app)
    await statusOf(t, port, '/')
    await assertNoConnections(t, app)
    t.match(lines.filter(({ level }) => level >= WARN), [{ level: ERROR, err: { message: 'from the listener' } }])
    t.equal(lines.filter(({ level }) => level >= WARN).length, 1)
  })
}

t.test('a listener on the socket of a raw route that throws or rejects is logged once, and terminates the connection', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, {}, serverOptions)
  app.get('/throws', { websocket: { raw: true } }, (socket: RawWebSocket) => { socket.on('message', () => { throw new Error('from the listener') }) })
  app.get('/rejects', { websocket: { raw: true } }, (socket: RawWebSocket) => { socket.on('message', async () => { throw new Error('from the listener') }) })
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const [i, path] of ['/throws', '/rejects'].entries()) {
    const peer = await connectPeer(t, url + path)
    peer.socket.send('x')
    t.equal((await peer.closed).code, 1006)
    t.match(lines.filter(({ level }) => level >= WARN)[i], { level: ERROR, reqId: `req-${i + 1}`, err: { message: 'from the listener' }, msg: 'from the listener' })
  }
  t.equal(lines.filter(({ level }) => level >= WARN).length, 2)
})

t.test('an error of a listener on ws.raw is handled like an error of the handler', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const seen: unknown[] = []
  const app = await createApp(t, { errorHandler (error, ws) { seen.push([error.message, ws.state]) } }, serverOptions)
  const failure = (): Error => Object.assign(new Error('from the listener'), { closeCode: 4003 })
  const listenOn = (path: string, listener: () => unknown): void => {
    app.websocket(path, async (ws) => {
      await ws.accept()
      ws.raw!.on('message', listener)
      for await (const message of ws) await ws.send(message)
    })
  }
  listenOn('/throws', () => { throw failure() })
  listenOn('/rejects', async () => { throw failure() })
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const path of ['/throws', '/rejects']) {
    const peer = await connectPeer(t, url + path)
    peer.socket.send('x')
    t.equal((await peer.closed).code, 4003)
  }
  t.same(seen, [['from the listener', 'open'], ['from the listener', 'open']])
  t.same(lines.filter(({ level }) => level >= WARN), [])
})

t.test('onInvalid may stand in websocket or beside it, but not in both places', async (t) => {
  const app = await createApp(t)
  const onInvalid = (): void => {}
  const handler = (): void => {}
  for (const options of [{ websocket: true, onInvalid }, { websocket: { onInvalid } }]) t.doesNotThrow(() => app.get(`/${typeof options.websocket}`, options as never, handler))
  t.throws(() => app.get('/twice', { websocket: { onInvalid }, onInvalid } as never, handler), { name: 'WebSocketOptionError', message: 'GET /twice: onInvalid is given twice' })
})

t.test('a handshake that ws refuses, on a route with raw: true, counts as refused', async (t) => {
  const app = await createApp(t)
  app.websocket('/raw', { websocket: { raw: true, perMessageDeflate: true } }, () => { t.fail('the handler has run') })
  const port = await listen(app)
  t.equal((await refusal(port, '/raw', { 'sec-websocket-extensions': 'permessage-deflate; x=y; x=' })).status, 400)
  t.same(app.websockets.stats().routes['/raw'].refusals, { 400: 1 })
})

t.test('a schema that removes the headers that it does not name leaves those of the handshake to it', async (t) => {
  const app = await createApp(t, { perMessageDeflate: true, refusal: 'close' })
  const headers = { type: 'object', properties: { 'x-own': { type: 'integer' } }, additionalProperties: false }
  const seen: unknown[] = []
  app.websocket('/', { schema: { headers }, websocket: { subprotocols: ['v2'] } }, async (ws, request) => {
    seen.push(request.headers['x-own'], request.headers['x-other'], ws.subprotocols)
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  app.websocket('/refused', { schema: { headers }, preHandler: async () => { throw new Error('not you') } }, async () => {})
  app.get('/raw', { schema: { headers }, websocket: { raw: true } }, (socket: any) => socket.send('raw'))
  const url = urlOver(`ws://127.0.0.1:${await listen(app)}`)
  const options = { headers: { 'x-own': '1', 'x-other': '2' }, subprotocols: ['v1', 'v2'] }
  const client = await connect(`${url}/`, options)
  t.equal(client.protocol, 'v2')
  t.equal(await client.pair('hello'), 'hello')
  await client.close()
  t.same(seen, [1, undefined, ['v1', 'v2']])
  const refused = await connect(`${url}/refused`, options)
  t.match(await refused.closed, { code: 4500, reason: 'not you' })
  const raw = await connect(`${url}/raw`, { headers: options.headers })
  t.equal(await raw.receive(), 'raw')
  await raw.close()
})
