import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cutReason } from '../../lib/base/closing'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { CLOSE, clientFrame } from '../helpers/frames'
import { refusal } from '../helpers/refusal'
import { linesOver, sendHandshake, statusOf } from '../helpers/request-client'
import { frame, assertNoConnections } from '../helpers/tcp'
import { ACCEPTED, http1Only } from '../helpers/transport'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

const unauthorized = async (): Promise<void> => { throw Object.assign(new Error('who are you?'), { statusCode: 401 }) }

/** All ways to refuse a handshake, with the expected status and message of each. */
const WAYS: Record<string, [register: (app: FastifyInstance, url: string) => unknown, status: number, message: string]> = {
  'an onRequest hook': [(app, url) => app.websocket(url, { onRequest: unauthorized }, neverRuns), 401, 'who are you?'],
  'a preParsing hook': [(app, url) => app.websocket(url, { preParsing: unauthorized as any }, neverRuns), 401, 'who are you?'],
  'a preValidation hook': [(app, url) => app.websocket(url, { preValidation: unauthorized }, neverRuns), 401, 'who are you?'],
  'a preHandler hook': [(app, url) => app.websocket(url, { preHandler: unauthorized }, neverRuns), 401, 'who are you?'],
  'a hook that replies': [(app, url) => app.websocket(url, { preHandler: async (_, reply) => reply.code(402).send({ message: 'pay first' }) }, neverRuns), 402, 'pay first'],
  'a hook of a raw route': [(app, url) => app.get(url, { websocket: { raw: true }, preHandler: unauthorized }, neverRuns), 401, 'who are you?'],
  validation: [(app, url) => app.websocket(url, { schema: { querystring: { type: 'object', required: ['name'] } } }, neverRuns), 400, "querystring must have required property 'name'"],
  origins: [(app, url) => app.websocket(url, { websocket: { origins: [] } }, neverRuns), 403, 'Forbidden'],
  'deny()': [(app, url) => app.websocket(url, (ws) => ws.deny()), 403, 'Forbidden'],
  'deny with a text': [(app, url) => app.websocket(url, (ws) => ws.deny(423, 'the room is locked')), 423, 'the room is locked'],
  'deny with an object that has a message': [(app, url) => app.websocket(url, (ws) => ws.deny(423, { message: 'the room is locked' })), 423, 'the room is locked'],
  'deny with an object that has none': [(app, url) => app.websocket(url, (ws) => ws.deny(423, { message: ['no', 'text'] })), 423, 'Locked'],
  'deny with null as JSON': [(app, url) => app.websocket(url, (ws) => ws.deny(423, 'null', { 'content-type': 'application/json' })), 423, 'Locked'],
  'deny with what is not JSON': [(app, url) => app.websocket(url, (ws) => ws.deny(423, '{', { 'content-type': 'application/json' })), 423, 'Locked'],
  'deny with bytes': [(app, url) => app.websocket(url, (ws) => ws.deny(423, Buffer.from('bytes'))), 423, 'Locked'],
  'deny with HTML': [(app, url) => app.websocket(url, (ws) => ws.deny(423, '<p>', { 'content-type': 'text/html' })), 423, 'Locked'],
  'deny with an empty text': [(app, url) => app.websocket(url, (ws) => ws.deny(423, '')), 423, 'Locked'],
  'deny with a status that has no name': [(app, url) => app.websocket(url, (ws) => ws.deny(499)), 499, ''],
  'deny with more text than a close has room for': [(app, url) => app.websocket(url, (ws) => ws.deny(423, 'ü'.repeat(100))), 423, 'ü'.repeat(61)],
  'deny with a Response': [(app, url) => app.websocket(url, (ws) => ws.deny(403, new Response('gone', { status: 410 }))), 410, 'Gone'],
  'deny with a stream': [(app, url) => app.websocket(url, (ws) => ws.deny(410, createReadStream(__filename))), 410, 'Gone'],
  'an event': [(app, url) => app.websocket(url, (ws) => ws.sendEvent({ type: 'websocket.http.response', status: 410, headers: {}, body: 'gone' } as any)), 410, 'gone'],
  'a throw': [(app, url) => app.websocket(url, () => { throw new Error('thrown') }), 500, 'thrown'],
  'a throw of no error': [(app, url) => app.websocket(url, async () => { throw undefined }), 500, 'Internal Server Error'], // eslint-disable-line no-throw-literal
  'a throw of an onConnect': [(app, url) => app.websocket(url, { onConnect: unauthorized, onMessage: neverRuns, onDisconnect: neverRuns }), 401, 'who are you?'],
  'a return without a decision': [(app, url) => app.websocket(url, () => {}), 500, 'the handler has returned without accept(), deny() or close()'],
  'no decision in time': [(app, url) => app.websocket(url, { websocket: { handshakeTimeout: 20 } }, (ws) => ws.closed), 503, 'neither accept() nor deny() within 20 ms (handshakeTimeout)'],
  'an error handler': [(app, url) => app.websocket(url, { errorHandler: (_e, _r, reply) => { reply.code(418).send({ message: 'tea' }) } }, unauthorized), 418, 'tea'],
  'an error handler that throws': [(app, url) => app.websocket(url, { errorHandler: async () => { throw new Error('worse') } }, unauthorized), 500, 'worse'],
  'an onSend hook that has another payload': [(app, url) => app.websocket(url, { onSend: async (_r, reply) => { reply.code(451); return '{"message":"in other words"}' } }, unauthorized), 451, 'in other words'],
  'an onSend hook that fails once': [(app, url) => app.websocket(url, { onSend: failsOnce() }, (ws) => ws.deny(401)), 401, 'onSend']
}

function neverRuns (): void {
  throw new Error('this runs')
}

function failsOnce (): () => Promise<void> {
  let hasFailed = false
  return async () => {
    if (hasFailed) return
    hasFailed = true
    throw new Error('onSend')
  }
}

/** An app with a route for each of the ways, at `/<its name>`. */
async function createRoutes (t: Test, options: WebSocketPluginOptions, serverOptions?: FastifyServerOptions): Promise<[app: FastifyInstance, port: number]> {
  const app = await createApp(t, { origins: '*', ...options }, serverOptions)
  for (const [name, [register]] of Object.entries(WAYS)) register(app, `/${name.replace(/[() ]/g, '-')}`)
  return [app, await listen(app)]
}

const ORIGIN = { headers: { origin: 'http://example.com' } }

for (const mode of ['close', 'auto'] as const) {
  t.test(`with refusal: '${mode}' the connection of a browser is closed with 4000 + status and the message as the reason`, async (t) => {
    const [app, port] = await createRoutes(t, { refusal: mode })
    for (const [name, [, status, message]] of Object.entries(WAYS)) {
      const peer = await connectPeer(t, `ws://127.0.0.1:${port}/${name.replace(/[() ]/g, '-')}`, ORIGIN)
      t.same(await peer.closed, { code: 4000 + status, reason: cutReason(message) }, name)
    }
    t.equal(app.websockets.size, 0)
    await assertNoConnections(t, app)
  })
}

for (const mode of [undefined, 'http', 'auto'] as const) {
  t.test(`with refusal: ${String(mode)} a client that sends no Origin gets an HTTP response`, async (t) => {
    const [app, port] = await createRoutes(t, { refusal: mode })
    for (const [name, [, status]] of Object.entries(WAYS)) {
      if (name !== 'origins') t.equal((await refusal(port, `/${name.replace(/[() ]/g, '-')}`)).status, status, name)
    }
    await assertNoConnections(t, app)
  })
}

t.test("with refusal: 'http' a browser gets an HTTP response as well", async (t) => {
  const [, port] = await createRoutes(t, { refusal: 'http' })
  t.match(await refusal(port, '/a-preHandler-hook', ORIGIN.headers), { status: 401, body: /who are you\?/ })
  t.equal((await refusal(port, '/origins', ORIGIN.headers)).status, 403)
})

t.test('the option refusal of a route overrides the one of the plugin', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/plugin', (ws) => ws.deny(401))
  app.websocket('/route', { websocket: { refusal: 'http' } }, (ws) => ws.deny(401))
  const port = await listen(app)
  t.equal((await (await connectPeer(t, `ws://127.0.0.1:${port}/plugin`)).closed).code, 4401)
  t.equal((await refusal(port, '/route')).status, 401)
})

t.test("close() before accept sends 403, or with refusal: 'close' a close with its code and reason", async (t) => {
  const app = await createApp(t, { origins: '*' })
  const sessions: Record<string, WebSocketSession> = {}
  for (const mode of ['http', 'close', 'auto'] as const) {
    app.websocket(`/${mode}`, { websocket: { refusal: mode } }, async (ws, request) => {
      sessions[mode] = ws
      const closed = ws.close(4001, 'no room')
      t.equal(ws.state, 'closing')
      await closed
      t.equal(ws.state, 'closed')
      t.equal(request.ws, true)
    })
  }
  const port = await listen(app)
  t.match(await refusal(port, '/http', ORIGIN.headers), { status: 403, body: '' })
  t.match(await refusal(port, '/auto'), { status: 403, body: '' })
  for (const mode of ['close', 'auto']) {
    const peer = await connectPeer(t, `ws://127.0.0.1:${port}/${mode}`, ORIGIN)
    t.same(await peer.closed, { code: 4001, reason: 'no room' }, mode)
    t.same(await sessions[mode].closed, { code: 4001, reason: 'no room', wasClean: true })
  }
})

t.test("close(null) before accept sends 403, or with refusal: 'close' a close without a code", async (t) => {
  const app = await createApp(t)
  for (const refusal of ['http', 'close'] as const) app.websocket(`/${refusal}`, { websocket: { refusal } }, (ws) => ws.close(null))
  const port = await listen(app)
  t.match(await refusal(port, '/http'), { status: 403, body: '' })
  const client = await sendHandshake(t, port, '/close')
  await client.until('\x88\x00')
  t.equal(await client.write(clientFrame(CLOSE, '')).ended, '\x88\x00')
})

t.test('a session that is refused by closing is never open, and ends like a session that is refused with a response', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const states: string[] = []
  const ended = new Deferred<WebSocketSession>()
  app.websocket('/', {
    async onConnect (ws) {
      const denied = ws.deny(401)
      states.push(ws.state)
      await denied
      states.push(ws.state)
      ended.resolve(ws)
    },
    onMessage: neverRuns,
    onDisconnect: neverRuns
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal(app.websockets.size, 0)
  peer.socket.send('hello')
  t.equal((await peer.closed).code, 4401)
  const ws = await ended.promise
  t.same(states, ['closing', 'closed'])
  t.same(await ws.closed, { code: 4401, reason: 'Unauthorized', wasClean: true })
  t.ok(ws.signal.aborted)
  await t.rejects(ws.accept(), { code: 'FST_WS_HANDSHAKE', message: 'the handshake was refused' })
  await t.rejects(ws.send('x'), { code: 'FST_WS_HANDSHAKE' })
})

t.test('the refusal chooses an offered subprotocol, without which a browser would fail the connection', async (t) => {
  const app = await createApp(t, { refusal: 'close', subprotocols: ['c'] })
  app.websocket('/', unauthorized)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`, { subprotocols: ['b', 'a'] })
  t.equal(peer.socket.protocol, 'b')
  t.same(await peer.closed, { code: 4401, reason: 'who are you?' })
})

t.test('the 101 of a refusal has the headers of the response, and none of an accept that failed', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/', async (ws) => {
    await t.rejects(ws.accept({ subprotocol: 'b', headers: { 'x-accept': '1' } }), { code: 'FST_WS_HANDSHAKE' })
    await ws.deny(401, 'no', { 'www-authenticate': 'Bearer' })
  })
  const client = await sendHandshake(t, await listen(app), '/', { headers: { 'sec-websocket-protocol': 'a' } })
  t.same(await client.answer, { status: ACCEPTED, lines: linesOver(['Sec-WebSocket-Protocol: a', 'www-authenticate: Bearer']) })
  t.equal(await client.until('no'), '\x88\x04\x11\x31no')
})

t.test('a refusal works where the route compresses messages', async (t) => {
  const app = await createApp(t, { refusal: 'close', perMessageDeflate: { threshold: 0 } })
  app.websocket('/', unauthorized)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.same(await peer.closed, { code: 4401, reason: 'who are you?' })
})

t.test('the bytes that the client sends too early are dropped', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const goOn = new Deferred<void>()
  const started = new Deferred<void>()
  app.websocket('/at-once', unauthorized)
  app.websocket('/later', async (ws) => {
    started.resolve()
    await goOn.promise
    await ws.deny(401, 'who are you?')
  })
  const port = await listen(app)
  const close = '\x88\x0e\x11\x31who are you?'
  const atOnce = await sendHandshake(t, port, '/at-once', { early: Buffer.concat([frame('too early'), frame('half').subarray(0, 5)]) })
  await atOnce.until(close)
  atOnce.leave()
  const later = await sendHandshake(t, port, '/later', { early: frame('too early') })
  await started.promise
  later.write(frame('early, too')).write(frame('half').subarray(0, 5))
  goOn.resolve()
  await later.until(close)
  later.leave()
  await assertNoConnections(t, app)
})

t.test('a client that does not answer the close is dropped after closeTimeout', async (t) => {
  const app = await createApp(t, { refusal: 'close', closeTimeout: 50 })
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.deny(401)
    ended.resolve(await ws.closed)
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.equal(await client.ended, '\x88\x0e\x11\x31Unauthorized')
  t.same(await ended.promise, { code: 1006, reason: '', wasClean: false })
  await assertNoConnections(t, app)
})

t.test('app.close() waits for the end of a connection that is being refused', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/', unauthorized)
  const client = await sendHandshake(t, await listen(app), '/')
  await client.until('who are you?')
  let isClosed = false
  const closed = app.close().then(() => { isClosed = true })
  for (let turn = 0; turn < 50; turn++) await setImmediate() // an app that does not wait closes in fewer turns
  t.notOk(isClosed)
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x11, 0x31]))
  await closed
})

t.test('app.close() closes the connections of browsers whose handshake is not complete, with a code', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const started = new Deferred<void>()
  app.websocket('/', async (ws) => {
    started.resolve()
    await ws.closed
  })
  const peer = connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await started.promise
  await app.close()
  t.same(await (await peer).closed, { code: 4503, reason: 'the server is closing' })
})

t.test('a session ends if its client leaves while it is being refused', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const leave = async (request: any): Promise<void> => { await once(request.raw.socket.destroy(), 'close') }
  const ended = [new Deferred<WebSocketSession>(), new Deferred<WebSocketSession>()]
  app.websocket('/deny', { onSend: leave }, async (ws) => {
    await ws.deny(401)
    ended[0].resolve(ws)
  })
  app.websocket('/close', async (ws, request) => {
    request.raw.socket.destroy()
    await ws.close(4001)
    ended[1].resolve(ws)
  })
  const port = await listen(app)
  for (const [i, url] of ['/deny', '/close'].entries()) {
    t.equal(await statusOf(t, port, url), undefined, url)
    const ws = await ended[i].promise
    t.equal(ws.state, 'closed')
    t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
  }
  await assertNoConnections(t, app)
})

t.test('a refusal with a connection takes no extension, whatever the client offers', async (t) => {
  const app = await createApp(t, { refusal: 'close', perMessageDeflate: true })
  let session: WebSocketSession | undefined
  app.websocket('/', async (ws) => {
    session = ws
    await ws.close(4001)
  })
  const client = await sendHandshake(t, await listen(app), '/', { headers: { 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' } })
  t.same(await client.answer, { status: ACCEPTED, lines: [] })
  t.equal(await client.ended, '\x88\x02\x0f\xa1')
  await until(() => session!.state === 'closed')
  await assertNoConnections(t, app)
})

t.test('an invalid handshake, or a handshake for no WebSocket route, gets an HTTP response', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/ws', neverRuns)
  app.get('/http', neverRuns)
  const port = await listen(app)
  t.equal((await refusal(port, '/ws', { 'sec-websocket-version': '12' })).status, 426)
  t.equal((await refusal(port, '/ws', { 'sec-websocket-protocol': 'a, a' })).status, 400)
  t.equal((await refusal(port, '/http')).status, 404)
  t.equal((await refusal(port, '/unknown')).status, 404)
})

t.test('an invalid upgrade request gets an HTTP response', async (t) => {
  http1Only('a key, and another protocol to upgrade to')
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/', neverRuns)
  const port = await listen(app)
  t.equal((await refusal(port, '/', { 'sec-websocket-key': 'none' })).status, 400)
  t.equal((await refusal(port, '/', { upgrade: 'h2c' })).status, 426)
})

t.test('plain requests for the URL get HTTP responses', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/ws', neverRuns)
  app.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: (ws) => ws.deny(401) })
  app.route({ method: 'GET', url: '/failing', handler: unauthorized, wsHandler: neverRuns })
  const port = await listen(app)
  for (const method of ['GET', 'HEAD'] as const) {
    t.equal((await app.inject({ method, url: '/ws' })).statusCode, 426)
    t.equal((await app.inject({ method, url: '/both' })).statusCode, 200)
    t.equal((await app.inject({ method, url: '/failing' })).statusCode, 401)
  }
  t.equal((await (await connectPeer(t, `ws://127.0.0.1:${port}/both`)).closed).code, 4401)
})

t.test('all hooks of the app and the route run for the refusal', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const seen: string[] = []
  const hook = (name: string) => (request: any, reply: any, value: any, done: (error?: null, payload?: unknown) => void) => {
    seen.push(`${name} ${request.ws} ${reply.statusCode} ${value?.message ?? value}`)
    if (name === 'onError') done()
    else done(null, value)
  }
  app.addHook('onError', hook('onError'))
  app.addHook('onSend', hook('onSend'))
  app.addHook('onResponse', async () => { seen.push('onResponse') })
  app.websocket('/', { onSend: [hook('first of the route'), hook('second of the route')] }, unauthorized)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal((await peer.closed).code, 4401)
  await until(() => seen.includes('onResponse'))
  const body = '{"statusCode":401,"error":"Unauthorized","message":"who are you?"}'
  t.same(seen, ['onError true 200 who are you?', `onSend true 401 ${body}`, `first of the route true 401 ${body}`, `second of the route true 401 ${body}`, 'onResponse'])
})

t.test('callNotFound() in a hook is a refusal like others, whichever handler answers', async (t) => {
  for (const [isOwn, reason] of [[false, 'Route GET:/ not found'], [true, 'nothing here']] as const) {
    const app = await createApp(t, { refusal: 'close' })
    if (isOwn) app.setNotFoundHandler((_request, reply) => { reply.code(404).send('nothing here') })
    app.websocket('/', { preHandler: async (_request, reply) => reply.callNotFound() }, neverRuns)
    t.same(await (await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)).closed, { code: 4404, reason })
  }
})

t.test('if an onSend hook fails for every response, the client gets an HTTP response', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.websocket('/', { onSend: async () => { throw new Error('onSend') } }, (ws) => ws.deny(401))
  t.match(await refusal(await listen(app), '/'), { status: 401, body: /onSend/ })
})

t.test('a response whose hooks are slower than the hooks of another response is dropped', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const waits = [new Deferred<void>(), new Deferred<void>()]
  let runs = 0
  const last = new Deferred<void>()
  app.websocket('/', {
    handlerTimeout: 20,
    async onSend () {
      const run = runs++
      if (run === 1) waits[0].resolve() // the timeout has sent its response
      await waits[run].promise
      if (run === 1) last.resolve()
    }
  }, (ws) => ws.deny(401))
  const client = await sendHandshake(t, await listen(app), '/')
  const answer = await client.until('Service Unavailable')
  waits[1].resolve()
  await last.promise
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x11, 0x31]))
  t.equal(await client.ended, answer)
})

t.test('a stream that will not be read is ended, and may fail', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  const closed = new Deferred<string>()
  const cancelled: string[] = []
  const endless = (name: string): ReadableStream => new ReadableStream({ cancel () { cancelled.push(name) } })
  const locked = endless('locked')
  locked.getReader()
  const payloads: Record<string, () => unknown> = {
    missing: () => createReadStream('/there is/no such file').on('close', () => closed.resolve('missing')),
    web: () => endless('web'),
    response: () => new Response(endless('response')),
    locked: () => locked,
    empty: () => new Response(null)
  }
  for (const [name, payload] of Object.entries(payloads)) app.websocket(`/${name}`, (ws) => ws.deny(410, payload()))
  const port = await listen(app)
  t.same(await unhandledRejections(async () => {
    for (const name of Object.keys(payloads)) t.same(await (await connectPeer(t, `ws://127.0.0.1:${port}/${name}`)).closed, { code: name === 'response' || name === 'empty' ? 4200 : 4410, reason: name === 'response' || name === 'empty' ? 'OK' : 'Gone' }, name)
  }), [])
  t.equal(await closed.promise, 'missing')
  t.same(cancelled, ['web', 'response'])
})

t.test('clients of injectWebSocket and injectWS are refused like others', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, { refusal: 'auto', origins: '*' }, serverOptions)
  app.websocket('/', (ws) => ws.deny(401, 'who are you?'))
  await app.ready()
  await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', statusCode: 401 })
  const client = await app.injectWebSocket('/', ORIGIN)
  t.same(await client.closed, { code: 4401, reason: 'who are you?', wasClean: true })
  const { injectWS } = app as any
  await t.rejects(injectWS('/'), { message: 'Unexpected server response: 401' })
  const closed = new Deferred<unknown[]>()
  await injectWS('/', ORIGIN, { onInit (socket: any) { socket.on('close', (code: number, reason: Buffer) => closed.resolve([code, reason.toString()])) } })
  t.same(await closed.promise, [4401, 'who are you?'])
  t.same(lines.filter(({ level }) => level >= ERROR), [])
})
