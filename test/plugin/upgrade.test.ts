import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendGet, sendHandshake, type RequestClient } from '../helpers/request-client'
import { connectTcp, exchange, frame, assertNoConnections, upgradeRequest } from '../helpers/tcp'
import { CONNECTION_CLOSE, http1Only, urlOver } from '../helpers/transport'
import { until } from '../helpers/until'
import type { Socket } from 'node:net'

t.test('a WebSocket request for an unknown route is 404, from the not-found handler', async (t) => {
  const app = await createApp(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  app.register(async (child) => {
    child.setNotFoundHandler((request, reply) => { reply.code(404).send({ mine: request.url, ws: request.ws }) })
  }, { prefix: '/child' })
  const port = await listen(app)
  t.match(await refusal(port, '/unknown'), { status: 404, body: /Route GET:\/unknown not found/, headers: { connection: CONNECTION_CLOSE } })
  t.match(await refusal(port, '/child/unknown'), { status: 404, body: '{"mine":"/child/unknown","ws":true}' })
  await assertNoConnections(t, app)
})

t.test('a WebSocket request for an HTTP-only route is 404, and neither hooks nor handler of the route run', async (t) => {
  const app = await createApp(t)
  const runs = (what: string) => async () => { t.fail(`${what} runs`) }
  const options = { onRequest: runs('onRequest'), preParsing: runs('preParsing') as any, preValidation: runs('preValidation'), preHandler: runs('preHandler') }
  app.get('/', options, runs('the handler'))
  app.post('/', options, runs('the handler'))
  app.get('/false', { websocket: false, ...options } as any, runs('the handler'))
  app.register(async (child) => { child.get('/', options, runs('the handler')) }, { prefix: '/child' })
  const port = await listen(app)
  for (const path of ['/', '/false', '/child']) t.match(await refusal(port, path), { status: 404, body: /Route GET:.* not found/ }, path)
  await assertNoConnections(t, app)
})

t.test('a WebSocket request for an HTTP route outside of the context of the plugin is 404, wherever and whenever the route was added', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const runs = (what: string) => async () => { t.fail(`${what} runs`) }
  const addTo = (context: FastifyInstance, path: string): void => {
    context.get(path, { preHandler: runs(`a hook of ${path}`) }, runs(path))
    context.setNotFoundHandler((_request, reply) => { reply.code(404).send(`not found by ${path}`) })
  }
  app.register(async (child) => { addTo(child, '/child/before') }, { prefix: '/a' })
  let checks = 0
  app.register(async (child) => {
    await child.register(websocket, { origins: () => ++checks > 0 })
    child.websocket('/ws', async (ws) => { await ws.accept() })
    child.get('/beside', runs('/beside'))
  })
  app.register(async (child) => { addTo(child, '/child/after') }, { prefix: '/b' })
  addTo(app, '/root')
  const port = await listen(app)
  for (const path of ['/root', '/a/child/before', '/b/child/after']) {
    t.match(await refusal(port, path), { status: 404, body: `not found by ${path.replace(/^\/.\//, '/')}` })
  }
  t.equal((await refusal(port, '/beside')).status, 404)
  await (await connectPeer(t, `ws://127.0.0.1:${port}/ws`, { origin: 'http://x' })).closed
  t.equal(checks, 1, 'the hook that checks runs once')
  await assertNoConnections(t, app)
})

t.test('a WebSocket request of another method is 404, also with a body', async (t) => {
  const app = await createApp(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  app.post('/http', async () => { t.fail('the handler runs') })
  const port = await listen(app)
  for (const path of ['/', '/http']) t.match(await exchange(t, port, path, { method: 'POST' }), 'HTTP/1.1 404 ')
  const client = await connectTcp(t, port)
  client.write(upgradeRequest('/', { method: 'POST', headers: { 'content-length': '2', 'content-type': 'application/json' } }) + '{}')
  t.match(await client.ended, /^HTTP\/1\.1 40[04] /)
  await assertNoConnections(t, app)
})

t.test('a request for another protocol is answered as a plain one', async (t) => {
  const app = await createApp(t)
  app.addHook('onResponse', async (request) => { t.equal(request.ws, false) })
  app.get('/http', async (request) => ({ ws: request.ws }))
  app.websocket('/ws', () => { t.fail('the handler runs') })
  app.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: () => { t.fail('the handler runs') } })
  const port = await listen(app)
  for (const upgrade of ['h2c', 'h2c, websocket', 'websocket2']) {
    const headers = { upgrade, connection: 'upgrade, close' }
    const answer = await exchange(t, port, '/http', { headers })
    t.match(answer, 'HTTP/1.1 200 ')
    t.match(answer, '{"ws":false}')
    t.match(await exchange(t, port, '/ws', { headers }), 'HTTP/1.1 426 ')
    t.match(await exchange(t, port, '/both', { headers }), 'http')
    t.match(await exchange(t, port, '/unknown', { headers }), 'HTTP/1.1 404 ')
  }
  await assertNoConnections(t, app)
})

t.test('an invalid handshake is refused before the hooks and the handler of the route run', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { preHandler: async () => { t.fail('the hook runs') } }, () => { t.fail('the handler runs') })
  const port = await listen(app)
  const badVersion = await refusal(port, '/', { 'sec-websocket-version': '12' })
  t.match(badVersion, { status: 426, headers: { 'sec-websocket-version': '13' }, body: /FST_WS_HANDSHAKE/ })
  await assertNoConnections(t, app)
})

t.test('an invalid upgrade request is refused before the hooks and the handler of the route run', async (t) => {
  http1Only('a key, and the header Connection')
  const app = await createApp(t)
  app.websocket('/', { preHandler: async () => { t.fail('the hook runs') } }, () => { t.fail('the handler runs') })
  const port = await listen(app)
  const badVersion = await refusal(port, '/', { 'sec-websocket-version': '12' })
  t.match(badVersion, { status: 426, headers: { upgrade: 'websocket', connection: 'close, upgrade' } })
  const badKey = await refusal(port, '/', { 'sec-websocket-key': 'none' })
  t.match(badKey, { status: 400, headers: { 'sec-websocket-version': undefined, connection: 'close' }, body: /Sec-WebSocket-Key/ })
  await assertNoConnections(t, app)
})

t.test('a request from a page of another origin is 403 before the hooks and the handler of the route run', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { preHandler: async () => { t.fail('the hook runs') } }, () => { t.fail('the handler runs') })
  const refused = await refusal(await listen(app), '/', { origin: 'https://evil.com' })
  t.match(refused, { status: 403, headers: { connection: CONNECTION_CLOSE }, body: /FST_WS_HANDSHAKE/ })
  await assertNoConnections(t, app)
})

t.test('a request over maxConnections is 503 with Retry-After before the hooks and the handler of the route run', async (t) => {
  const app = await createApp(t, { maxConnections: 1 })
  let runs = 0
  app.websocket('/', { preHandler: async () => { runs++ } }, async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  await connectPeer(t, `ws://127.0.0.1:${port}`)
  t.match(await refusal(port, '/'), { status: 503, headers: { 'retry-after': '10', connection: CONNECTION_CLOSE }, body: /too many connections/ })
  t.equal(runs, 1)
})

t.test('a refusal that exceeds the buffer of the connection is sent to its end', async (t) => {
  const app = await createApp(t)
  const chunks = Array.from({ length: 200 }, (_, i) => Buffer.alloc(10_000, String.fromCharCode(65 + i % 26)))
  const body = Buffer.concat(chunks).toString()
  const payloads: Record<string, () => unknown> = {
    stream: () => Readable.from(chunks),
    web: () => Readable.toWeb(Readable.from(chunks)),
    text: () => body
  }
  app.setNotFoundHandler((request, reply) => { reply.code(404).send(payloads[request.url.slice(1)]()) })
  for (const [name, payload] of Object.entries(payloads)) {
    app.websocket(`/deny/${name}`, (ws) => ws.deny(404, payload()))
    app.websocket(`/hook/${name}`, { preHandler: async (_request, reply) => reply.code(404).send(payload()) }, () => { t.fail('the handler runs') })
  }
  const port = await listen(app)
  for (const path of Object.keys(payloads).flatMap((name) => [`/${name}`, `/deny/${name}`, `/hook/${name}`])) {
    const { status, body: answer } = await refusal(port, path)
    t.equal(status, 404, path)
    t.ok(answer === body, 'the whole of it')
  }
  await assertNoConnections(t, app)
})

t.test('a request from a page of an allowed origin is accepted', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  const host = `127.0.0.1:${await listen(app)}`
  t.equal((await (await connectPeer(t, `ws://${host}`, { origin: urlOver(`http://${host}`) })).closed).code, 1000)
})

t.test('Upgrade without Connection: upgrade is a plain request', async (t) => {
  const app = await createApp(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  t.match(await exchange(t, await listen(app), '/', { headers: { connection: 'close' } }), 'HTTP/1.1 426 ')
})

t.test('an invalid URL is 400, and the connection ends', async (t) => {
  const app = await createApp(t)
  app.websocket('/*', () => { t.fail('the handler runs') })
  t.equal((await refusal(await listen(app), '/%zz')).status, 400)
  await assertNoConnections(t, app)
})

t.test('request.ws is true in all hooks of WebSocket requests, including onSend and onResponse of a refusal', async (t) => {
  const app = await createApp(t)
  const seen = new Map<string, boolean>()
  const responded = new Deferred<void>()
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend'] as const) {
    app.addHook(hook, async (request: any) => { seen.set(hook, request.ws) })
  }
  app.addHook('onError', async (request) => { seen.set('onError', request.ws) })
  app.addHook('onResponse', async (request) => {
    seen.set('onResponse', request.ws)
    responded.resolve()
  })
  app.websocket('/', () => { throw new Error('refused') })
  await refusal(await listen(app), '/')
  await responded.promise
  t.same([...seen.keys()], ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onError', 'onSend', 'onResponse'])
  t.ok([...seen.values()].every((ws) => ws))
})

t.test('request.ws is true in hooks from before the plugin, and in other contexts', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: Record<string, boolean[]> = {}
  const see = (name: string) => async (request: FastifyRequest) => { (seen[name] ??= []).push(request.ws) }
  app.addHook('onRequest', see('onRequest')).addHook('preHandler', see('preHandler')).addHook('onResponse', see('onResponse'))
  app.register(async (child) => {
    child.addHook('onRequest', see('child'))
    child.get('/http', async () => 'http')
  })
  app.register(async (child) => {
    await child.register(websocket)
    child.websocket('/ws', async (ws) => { await ws.deny() })
  })
  const port = await listen(app)
  await refusal(port, '/ws')
  await refusal(port, '/http')
  await until(() => seen.onResponse?.length === 2)
  await app.inject('/http')
  await until(() => seen.onResponse?.length === 3)
  t.same(seen, { onRequest: [true, true, false], child: [true, false], preHandler: [true, true, false], onResponse: [true, true, false] })
})

t.test('request.ws is false in the hooks of plain requests', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  app.addHook('onRequest', async (request) => { seen.push(request.ws) })
  app.addHook('onResponse', async (request) => { seen.push(request.ws) })
  app.get('/', async () => 'http')
  await app.inject('/')
  t.same(seen, [false, false])
})

t.test('a hook that fails answers with its status, and the handler does not run', async (t) => {
  const app = await createApp(t)
  app.setErrorHandler((error: any, request, reply) => { reply.code(error.statusCode).header('x-handled', 'yes').send({ [error.message]: request.ws }) })
  const fails = async (): Promise<void> => { throw Object.assign(new Error('by the hook'), { statusCode: 402 }) }
  const replies = async (_request: unknown, reply: any): Promise<void> => reply.code(401).header('www-authenticate', 'Bearer').send({ who: 'are you' })
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler']) {
    app.websocket(`/${hook}/fails`, { [hook]: fails }, () => { t.fail('the handler runs') })
    app.websocket(`/${hook}/replies`, { [hook]: replies }, () => { t.fail('the handler runs') })
  }
  const port = await listen(app)
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler']) {
    t.match(await refusal(port, `/${hook}/fails`), { status: 402, body: '{"by the hook":true}', headers: { 'x-handled': 'yes' } }, hook)
    t.match(await refusal(port, `/${hook}/replies`), { status: 401, body: '{"who":"are you"}', headers: { 'www-authenticate': 'Bearer' } }, hook)
  }
  await assertNoConnections(t, app)
})

t.test('hooks run once, and may be slow: the client waits', async (t) => {
  const app = await createApp(t)
  let runs = 0
  app.addHook('onRequest', async () => {
    runs++
    await new Promise((resolve) => setImmediate(resolve))
  })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const client = await sendHandshake(t, await listen(app), '/', { early: frame('a') })
  await client.until('\x81\x01a')
  client.write(frame('b'))
  await client.until('\x81\x01b')
  t.equal(runs, 1)
})

t.test('params, querystring and headers are validated and coerced before the handshake', async (t) => {
  const app = await createApp(t)
  const integer = (name: string): object => ({ type: 'object', properties: { [name]: { type: 'integer' } }, required: [name] })
  app.websocket('/:p', { schema: { params: integer('p'), querystring: integer('q'), headers: integer('x-h') } }, async (ws, request) => {
    await ws.accept()
    await ws.send([ws.params, ws.query, ws.headers['x-h'], request.params, request.query, request.headers['x-h']])
  })
  const port = await listen(app)
  t.match(await refusal(port, '/a?q=1', { 'x-h': '1' }), { status: 400, body: /params\/p must be integer/ })
  t.match(await refusal(port, '/1', { 'x-h': '1' }), { status: 400, body: /querystring must have required property 'q'/ })
  t.match(await refusal(port, '/1?q=1', { 'x-h': 'a' }), { status: 400, body: /headers\/x-h must be integer/ })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/1?q=2`, { headers: { 'x-h': '3' } })
  t.same(JSON.parse(await peer.next() as string), [{ p: 1 }, { q: 2 }, 3, { p: 1 }, { q: 2 }, 3])
})

t.test('custom validator compilers and attachValidation behave as on an HTTP route', async (t) => {
  const app = await createApp(t)
  const validatorCompiler = ({ schema, httpPart }: any) => (value: any) =>
    value[schema.needs] === undefined ? { error: new Error(`${httpPart} needs ${schema.needs}`) } : { value: { ...value, compiled: true } }
  app.websocket('/compiler', { schema: { querystring: { needs: 'a' } }, validatorCompiler }, async (ws) => {
    await ws.accept()
    await ws.send(ws.query)
  })
  app.websocket('/attached', { attachValidation: true, schema: { querystring: { type: 'object', required: ['a'] } } }, async (ws, request) => {
    await ws.deny(409, request.validationError?.message)
  })
  const port = await listen(app)
  t.match(await refusal(port, '/compiler'), { status: 400, body: /querystring needs a/ })
  t.same(JSON.parse(await (await connectPeer(t, `ws://127.0.0.1:${port}/compiler?a=1`)).next() as string), { a: '1', compiled: true })
  t.match(await refusal(port, '/attached'), { status: 409, body: "querystring must have required property 'a'" })
})

t.test('handlerTimeout of Fastify answers 503, and ends with the handshake', async (t) => {
  const app = await createApp(t)
  const gone = new Deferred<unknown>()
  app.websocket('/slow', { handlerTimeout: 50 }, async (ws) => {
    await ws.closed
    gone.resolve(await ws.accept().catch((error: Error) => error.name))
  })
  app.websocket('/quick', { handlerTimeout: 50 }, async (ws) => {
    await ws.accept()
    await t.rejects(ws.receive({ timeout: 100 }), { code: 'FST_WS_TIMEOUT' })
    await ws.send('still here')
  })
  const port = await listen(app)
  t.match(await refusal(port, '/slow'), { status: 503, body: /FST_ERR_HANDLER_TIMEOUT/ })
  t.equal(await gone.promise, 'WebSocketHandshakeError')
  t.equal(await (await connectPeer(t, `ws://127.0.0.1:${port}/quick`)).next(), 'still here')
})

t.test('an upgrade request behind a plain request on the same connection is answered', async (t) => {
  const app = await createApp(t)
  app.get('/', async () => 'first')
  app.websocket('/ws', async (ws) => { await ws.accept() })
  http1Only('a connection that is used again')
  const client = await connectTcp(t, await listen(app))
  await client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n').until('first')
  await client.write(upgradeRequest('/ws')).until('101 Switching Protocols')
})

t.test('the streams of injectWS close when both sides have ended', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  await app.ready()
  const socket = await (app as any).injectWS('/')
  t.equal(app.websockets.size, 1)
  const begin = Date.now()
  socket.close()
  await until(() => app.websockets.size === 0)
  t.ok(Date.now() - begin < 1000, 'long before closeTimeout')
})

for (const option of ['rewriteUrl', 'genReqId']) {
  t.test(`a ${option} that throws is 500, and a line in the log`, async (t) => {
    const { lines, serverOptions } = collectLogs()
    const app = await createApp(t, {}, { ...serverOptions, [option] () { throw new Error(`from ${option}`) } })
    app.websocket('/', () => { t.fail('the handler runs') })
    const port = await listen(app)
    lines.length = 0
    t.equal((await refusal(port, '/')).status, 500)
    t.match(lines, [{ level: ERROR, err: { message: `from ${option}` } }])
    t.equal(lines.length, 1)
    await assertNoConnections(t, app)
  })
}

t.test('half an upgrade request ends with 408 after the headersTimeout of Node', async (t) => {
  const app = await createApp(t, {}, { http: { headersTimeout: 100, requestTimeout: 0, connectionsCheckingInterval: 20 } } as object)
  app.websocket('/', async (ws) => { await ws.accept() })
  const client = await connectTcp(t, await listen(app))
  const whole = upgradeRequest('/')
  t.match(await client.write(whole.slice(0, whole.length / 2)).ended, 'HTTP/1.1 408 ')
})

t.test('end of the response of a complete handshake ends neither the process nor the connection', async (t) => {
  const app = await createApp(t)
  const ended = new Deferred<void>()
  app.addHook('preHandler', async (_request, reply) => {
    setImmediate(() => {
      reply.raw.end('late')
      ended.resolve()
    })
  })
  app.websocket('/', {
    async onRequest (_request, reply) { reply.raw.once('close', () => {}) } // so that it keeps the connection
  }, async (ws) => {
    await ws.accept()
    await ended.promise
    await ws.send('still here')
    await ws.closed
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.equal(await client.until('still here'), '\x81\x0astill here')
})

/** The events that the hooks of a request get when the client leaves while they run. */
async function toldOf (t: Test, send: typeof sendGet, leave: (client: RequestClient) => unknown, hook: 'onRequest' | 'preHandler'): Promise<string[]> {
  const app = await createApp(t)
  const told: string[] = []
  const arrived = new Deferred<void>()
  const goOn = new Deferred<void>()
  const closed = new Deferred<void>()
  app.addHook('onRequestAbort', async (_request) => { told.push('onRequestAbort') })
  app.addHook(hook, async ({ raw, signal }) => {
    raw.on('aborted', () => told.push('aborted')).on('error', ({ message }) => told.push(`error: ${message}`)).on('close', () => {
      told.push('close')
      closed.resolve()
    })
    signal?.addEventListener('abort', () => told.push('abort')) // not every version of Fastify has it
    arrived.resolve()
    await goOn.promise
  })
  app.route({ method: 'GET', url: '/', handler: async () => 'http', wsHandler: async (ws) => { await ws.accept() } })
  const client = await send(t, await listen(app), '/')
  await arrived.promise
  leave(client)
  await closed.promise
  goOn.resolve()
  await assertNoConnections(t, app)
  return told
}

t.test('hooks get the same events of a client that leaves as on an HTTP route', async (t) => {
  for (const hook of ['onRequest', 'preHandler'] as const) {
    for (const leave of ['leave', 'reset'] as const) {
      const told = await toldOf(t, sendGet, (client) => client[leave](), hook)
      t.ok(told.includes('aborted') && told.includes('onRequestAbort'))
      t.same(await toldOf(t, sendHandshake, (client) => client[leave](), hook), told, `${leave} in ${hook}`)
    }
    t.ok((await toldOf(t, sendHandshake, ({ stream }) => stream.end(), hook)).includes('aborted'), 'also where it ends its side only')
  }
})

t.test('with another listener, each handshake is served once: a handshake of a route by the plugin, others by the listener', async (t) => {
  http1Only('another listener to upgrades')
  const app = await createApp(t)
  app.websocket('/ws', async (ws) => { await ws.accept() })
  app.get('/theirs', (_request, reply) => reply.code(402).header('connection', 'close').send())
  const response = new Deferred<ServerResponse>()
  app.server.on('upgrade', (request, stream) => { // like the listener of @fastify/http-proxy
    const made = new ServerResponse(request)
    made.assignSocket(stream as Socket)
    app.routing(request, made)
    if (request.url === '/ws') response.resolve(made)
    else made.on('finish', () => stream.destroy())
  })
  const port = await listen(app)
  t.equal((await refusal(port, '/theirs')).status, 402)
  t.equal((await (await connectPeer(t, `ws://127.0.0.1:${port}/ws`)).closed).code, 1000)
  t.notOk((await response.promise).headersSent, 'no listener has answered')
  const taken = exchange(t, port, '/ws')
  app.server.once('upgrade', (_request, stream) => { stream.end('HTTP/1.1 402 Theirs\r\n\r\n') })
  t.equal(await taken, 'HTTP/1.1 402 Theirs\r\n\r\n')
})

t.test('the request of a refused handshake closes after the response, and is not aborted', async (t) => {
  const app = await createApp(t)
  const told: string[] = []
  app.addHook('onRequest', async ({ raw, signal }) => {
    raw.on('aborted', () => told.push('aborted')).on('close', () => told.push('close'))
    signal?.addEventListener('abort', () => told.push('abort'))
  })
  app.websocket('/', async (ws) => { await ws.deny() })
  t.equal((await refusal(await listen(app), '/')).status, 403)
  await until(() => told.includes('close'))
  await assertNoConnections(t, app)
  t.notOk(told.includes('aborted'))
})
