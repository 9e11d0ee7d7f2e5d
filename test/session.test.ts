import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { WebSocketDisconnect, WebSocketHandshakeError, WebSocketOptionError, WebSocketTopicError } from '../lib/errors'
import { Deferred } from '../lib/promise'
import { createApp, listen } from './helpers/app'
import { collectLogs, ERROR, INFO } from './helpers/logs'
import { connectPeer } from './helpers/peer'
import { refusal } from './helpers/refusal'
import { connectTcp, exchange, nobodyIsConnected, upgradeRequest } from './helpers/tcp'
import { until } from './helpers/until'
import type { FastifyBaseLogger, FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import type { WebSocketSession } from '../types/session'
import type { WebSocketPluginOptions } from '../types/options'

type Handler = (this: FastifyInstance, ws: WebSocketSession<any>, request: any) => unknown

/** An app whose only route, of all paths, is a WebSocket route with `handler`. */
async function serve (t: Test, handler: Handler, options: WebSocketPluginOptions = {}, serverOptions: FastifyServerOptions = {}): Promise<{ app: FastifyInstance, port: number, url: string }> {
  const app = await createApp(t, options, serverOptions)
  app.websocket('/*', handler)
  const port = await listen(app)
  return { app, port, url: `ws://127.0.0.1:${port}` }
}

t.test('a session shows the upgrade request', async (t) => {
  const app = await createApp(t)
  app.websocket('/chat/:room', {
    schema: {
      params: { type: 'object', properties: { room: { type: 'integer' } } },
      querystring: { type: 'object', properties: { name: { type: 'string', default: 'John' }, age: { type: 'integer' } } }
    }
  }, async (ws, request) => {
    t.equal(ws.request, request as unknown)
    t.equal(ws.headers, request.headers)
    t.equal(ws.headers['x-a'], 'b')
    t.equal((ws.params as any).room, 7)
    t.strictSame({ ...ws.query as object }, { name: 'John', age: 36 })
    t.type(ws.url, URL)
    t.equal(ws.url, ws.url)
    t.equal(ws.url.pathname, '/chat/7')
    t.equal(ws.url.search, '?age=36')
    t.match(ws.url.href, /^ws:\/\/127\.0\.0\.1:\d+\/chat\/7\?age=36$/)
    await ws.accept()
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}/chat/7?age=36`, { headers: { 'x-a': 'b' } })
  t.equal((await peer.closed).code, 1000)
})

t.test('url is a URL whatever the client says', async (t) => {
  const { port } = await serve(t, async (ws) => { await ws.deny(400, ws.url.href) }, {}, { trustProxy: true })
  const targets = {
    'ws://example.com/a?b=1': ['/a?b=1', {}],
    'wss://example.org/a': ['/a', { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'example.org' }],
    'ws://example.com//elsewhere.com/a': ['//elsewhere.com/a', {}],
    'ws://example.com/absolute': ['http://example.com/absolute', {}],
    'ws://localhost/nohost': ['/nohost', { host: null }],
    'ws://localhost/badhost': ['/badhost', { host: 'a b[' }]
  } as const
  for (const [url, [target, headers]] of Object.entries(targets)) {
    t.match(await exchange(t, port, target, { headers }), `\r\n\r\n${url}`, target)
  }
})

t.test('id is unique, and bound to the log beside the id of the request', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const ids = new Set<string>()
  const { url } = await serve(t, async (ws, request) => {
    await ws.accept()
    t.equal(ws.id, ws.id)
    t.equal(ws.log, ws.log)
    ids.add(ws.id)
    ws.log.info({ request: request.id }, 'here')
  }, {}, serverOptions)
  for (let i = 0; i < 3; i++) await (await connectPeer(t, url)).closed
  t.equal(ids.size, 3)
  const own = lines.filter(({ msg }) => msg === 'here')
  t.same(own.map(({ ws }) => ws), [...ids])
  t.ok(own.every(({ reqId, request }) => reqId === request))
})

t.test('await using closes the session at the end of its block', async (t) => {
  const { app, url } = await serve(t, async (ws) => {
    {
      await using session = await ws.accept()
      await session.send('in the block')
    }
    t.equal(ws.state, 'closed')
    throw new Error('too late to matter')
  })
  const peer = await connectPeer(t, url)
  t.same(await peer.rest(), ['in the block'])
  t.same(await peer.closed, { code: 1000, reason: '' })
  await app.close() // waits for the handler
})

t.test('state goes from connecting to open to closing to closed', async (t) => {
  const states = new Deferred<string[]>()
  const { url } = await serve(t, async (ws) => {
    const seen = [ws.state]
    t.equal(await ws.accept(), ws)
    seen.push(ws.state)
    const closing = ws.close()
    seen.push(ws.state)
    await closing
    seen.push(ws.state)
    states.resolve(seen)
  })
  await connectPeer(t, url)
  t.same(await states.promise, ['connecting', 'open', 'closing', 'closed'])
})

t.test('a refused handshake goes from connecting to closing to closed', async (t) => {
  const states = new Deferred<string[]>()
  const { port } = await serve(t, async (ws) => {
    const seen = [ws.state]
    const denied = ws.deny()
    seen.push(ws.state)
    await denied
    seen.push(ws.state)
    t.type(ws.signal.reason, WebSocketDisconnect)
    t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
    states.resolve(seen)
  })
  await refusal(port, '/')
  t.same(await states.promise, ['connecting', 'closing', 'closed'])
})

t.test('before accept, what needs a connection rejects and says to call accept()', async (t) => {
  const { port } = await serve(t, async (ws) => {
    const verbs = {
      send: () => ws.send('x'),
      sendText: () => ws.sendText('x'),
      sendBytes: () => ws.sendBytes(Buffer.from('x')),
      sendJson: () => ws.sendJson({}),
      receive: () => ws.receive(),
      receiveText: () => ws.receiveText(),
      receiveBytes: () => ws.receiveBytes(),
      receiveJson: () => ws.receiveJson(),
      pair: () => ws.pair('x'),
      expect: () => ws.expect('x'),
      iterate: () => ws.messages()[Symbol.asyncIterator]().next(),
      ping: () => ws.ping(),
      subscribe: () => ws.subscribe('x'),
      unsubscribe: () => ws.unsubscribe('x'),
      publish: () => ws.publish('x', 'y'),
      sendEvent: () => ws.sendEvent({ type: 'websocket.send', text: 'x' })
    }
    for (const [name, call] of Object.entries(verbs)) {
      await t.rejects(call(), { name: 'WebSocketHandshakeError', code: 'FST_WS_HANDSHAKE', message: /call accept\(\)/ }, name)
    }
    t.equal(ws.protocol, '')
    t.equal(ws.bufferedAmount, 0)
    t.equal(ws.raw, null)
    t.equal(ws.topics.size, 0)
    t.equal(ws.state, 'connecting')
    await ws.deny(418)
  })
  t.equal((await refusal(port, '/')).status, 418)
})

t.test('a handshake is accepted or refused once', async (t) => {
  const { app, port, url } = await serve(t, async (ws, request) => {
    if (request.url === '/accepted') {
      await ws.accept()
      await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'accept: the handshake is complete already' })
      await t.rejects(ws.deny(), { name: 'WebSocketHandshakeError', message: 'deny: the handshake is complete already' })
      await ws.send('still here')
    } else {
      const denied = ws.deny(401)
      await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
      await t.rejects(ws.deny(402), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
      await denied
      await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
      await t.rejects(ws.receive(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
      t.same(await ws.close(), undefined)
    }
  })
  const peer = await connectPeer(t, `${url}/accepted`)
  t.equal(await peer.next(), 'still here')
  t.equal((await peer.closed).code, 1000)
  t.equal((await refusal(port, '/refused')).status, 401)
  await app.close()
})

t.test('deny refuses with what reply.send takes', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, {}, serverOptions)
  const payloads: Record<string, [unknown, string, string | undefined]> = {
    object: [{ a: 1 }, '{"a":1}', 'application/json; charset=utf-8'],
    string: ['no', 'no', 'text/plain; charset=utf-8'],
    buffer: [Buffer.from('bytes'), 'bytes', 'application/octet-stream'],
    stream: [Readable.from(['a', 'b']), 'ab', undefined],
    nothing: [undefined, '', undefined],
    null: [null, 'null', 'application/json; charset=utf-8'],
    error: [new Error('not you'), '{"statusCode":409,"error":"Conflict","message":"not you"}', 'application/json; charset=utf-8']
  }
  for (const [name, [payload]] of Object.entries(payloads)) {
    app.websocket(`/${name}`, async (ws) => { await ws.deny(409, payload) })
  }
  const port = await listen(app)
  for (const [name, [, body, type]] of Object.entries(payloads)) {
    const response = await refusal(port, `/${name}`)
    t.equal(response.status, 409, name)
    t.equal(response.body, body, name)
    t.equal(response.headers['content-type'], type, name)
    t.equal(response.headers.connection, 'close', name)
  }
  t.same(lines.filter(({ level }) => level >= ERROR), [])
})

t.test('deny is 403 without a body by default', async (t) => {
  const { port } = await serve(t, (ws) => ws.deny())
  t.match(await refusal(port, '/'), { status: 403, body: '', headers: { 'content-length': '0' } })
})

t.test('deny carries headers, repeated ones and set-cookie among them, beside those of hooks', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_, reply) => { reply.header('set-cookie', 'hook=1').header('x-hook', 'yes') })
  app.websocket('/', (ws) => ws.deny(401, 'no', [['set-cookie', 'a=1'], ['X-A', '1'], ['Set-Cookie', 'b=2'], ['x-a', '2'], ['content-type', 'text/css']]))
  app.websocket('/record', (ws) => ws.deny(401, 'no', { 'set-cookie': ['a=1', 'b=2'], 'x-a': ['1', '2'], 'content-type': 'text/css' }))
  const port = await listen(app)
  for (const path of ['/', '/record']) {
    const { headers } = await refusal(port, path)
    t.same(headers['set-cookie'], ['hook=1', 'a=1', 'b=2'])
    t.equal(headers['x-a'], '1, 2')
    t.equal(headers['x-hook'], 'yes')
    t.equal(headers['content-type'], 'text/css')
  }
})

t.test('deny goes through the hooks and the serializer of the reply', async (t) => {
  const app = await createApp(t)
  app.addHook('preSerialization', async (_request, _reply, payload: any) => ({ ...payload, hooked: true }))
  app.addHook('onSend', async (_request, reply, payload) => {
    reply.header('x-sent', 'yes')
    return payload
  })
  app.websocket('/', { schema: { response: { '4xx': { type: 'object', properties: { a: { type: 'string' }, hooked: { type: 'boolean' } } } } } },
    (ws) => ws.deny(401, { a: 1, secret: 2 }))
  const { headers, body } = await refusal(await listen(app), '/')
  t.equal(body, '{"a":"1","hooked":true}')
  t.equal(headers['x-sent'], 'yes')
})

t.test('a deny that nobody awaits is answered all the same, even if an onSend hook takes long and fails', async (t) => {
  const app = await createApp(t)
  app.addHook('onSend', async () => {
    await setTimeout(20)
    throw new Error('the hook fails')
  })
  app.websocket('/', (ws) => { ws.deny(401, 'no') })
  t.match(await refusal(await listen(app), '/'), { status: 401, body: /the hook fails/ })
})

t.test('a payload that cannot be sent is an error in the response, as on an HTTP route', async (t) => {
  const app = await createApp(t)
  const rejected = new Deferred<unknown>()
  app.websocket('/bigint', (ws) => ws.deny(403, { a: 1n }))
  app.websocket('/number', (ws) => ws.deny(403, 5, { 'content-type': 'text/plain' }).catch(rejected.resolve))
  app.websocket('/stream', (ws) => ws.deny(403, new Readable({ read () { this.destroy(new Error('broken')) } })))
  const port = await listen(app)
  t.match(await refusal(port, '/bigint'), { status: 403, body: /BigInt/ })
  t.match(await refusal(port, '/number'), { status: 500, body: /FST_ERR_REP_INVALID_PAYLOAD_TYPE/ })
  t.match(await rejected.promise, { code: 'FST_ERR_REP_INVALID_PAYLOAD_TYPE' })
  t.match(await refusal(port, '/stream'), { status: 403, body: /broken/ })
})

t.test('a payload that streams is destroyed when the client leaves', async (t) => {
  const payload = new Readable({ read () { this.push('x'.repeat(10_000)) } })
  const { port } = await serve(t, (ws) => ws.deny(403, payload))
  const client = await connectTcp(t, port)
  await client.write(upgradeRequest('/')).until('xxx')
  client.socket.destroy()
  await once(payload, 'close')
  t.ok(payload.destroyed)
})

t.test('deny refuses a status that is no response of a refusal, and the handshake stays open', async (t) => {
  const { port } = await serve(t, async (ws) => {
    for (const status of [101, 199, 600, 0, 403.5, NaN, '403' as any, null as any]) {
      await t.rejects(ws.deny(status), WebSocketOptionError, String(status))
    }
    await ws.deny(200, 'fine')
  })
  t.match(await refusal(port, '/'), { status: 200, body: 'fine' })
})

t.test('close before accept refuses with 403, after its arguments have been checked', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    await t.rejects(ws.close(1005), RangeError)
    await t.rejects(ws.close(1000, 5 as any), WebSocketOptionError)
    t.equal(ws.state, 'connecting')
    const closing = ws.close(4001, 'why')
    t.equal(ws.state, 'closing')
    await Promise.all([closing, ws.close()])
    t.equal(ws.state, 'closed')
  })
  t.match(await refusal(port, '/'), { status: 403, body: '' })
  await app.close()
})

t.test('terminate before accept drops the connection without an answer', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    ws.terminate()
    await ws.closed
    t.equal(ws.state, 'closed')
  })
  t.equal(await exchange(t, port, '/'), '')
  await nobodyIsConnected(t, app)
  await app.close()
})

t.test('terminate after accept drops the connection without a closing handshake', async (t) => {
  const ended = new Deferred<unknown>()
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    ws.terminate()
    ended.resolve(await ws.closed)
  })
  const peer = await connectPeer(t, url)
  t.equal((await peer.closed).code, 1006)
  t.same(await ended.promise, { code: 1006, reason: '', wasClean: false })
})

t.test('a session whose client left before it began is closed from the start', async (t) => {
  const app = await createApp(t)
  const ended = new Deferred<WebSocketSession>()
  app.websocket('/', { preHandler: async (request) => { await once(request.raw.socket.destroy(), 'close') } }, async (ws) => {
    t.equal(ws.state, 'closed')
    t.ok(ws.signal.aborted)
    t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the client left during the handshake' })
    ended.resolve(ws)
  })
  t.equal(await exchange(t, await listen(app), '/'), '')
  await ended.promise
})

t.test('accept rejects where the connection breaks at that very moment', async (t) => {
  const ended = new Deferred<void>()
  const { port } = await serve(t, async (ws, request) => {
    request.raw.socket.destroy()
    t.equal(ws.state, 'connecting')
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the client left during the handshake' })
    t.equal(ws.state, 'closed')
    ended.resolve()
  })
  t.equal(await exchange(t, port, '/'), '')
  await ended.promise
})

t.test('after handshakeTimeout the client gets 503 through the error handler, and the handler can no longer accept', async (t) => {
  const rejected = new Deferred<unknown>()
  const app = await createApp(t, { handshakeTimeout: 50 })
  app.setErrorHandler((error: any, _, reply) => { reply.code(error.statusCode).send({ handled: error.message }) })
  app.websocket('/', async (ws) => {
    await ws.closed
    t.ok(ws.signal.aborted)
    await ws.accept().catch(rejected.resolve)
  })
  t.match(await refusal(await listen(app), '/'), { status: 503, body: '{"handled":"neither accept() nor deny() within 50 ms (handshakeTimeout)"}' })
  t.match(await rejected.promise, { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
})

t.test('handshakeTimeout is over when the handshake is', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await t.rejects(ws.receive({ timeout: 100 }), { code: 'FST_WS_TIMEOUT' })
    await ws.send('here')
  }, { handshakeTimeout: 20 })
  t.equal(await (await connectPeer(t, url)).next(), 'here')
})

t.test('a handler can be written in events, from connect to disconnect', async (t) => {
  const events: unknown[] = []
  const { app, url } = await serve(t, async (ws) => {
    events.push(await ws.receiveEvent())
    await t.rejects(ws.receiveEvent(), WebSocketHandshakeError)
    await ws.sendEvent({ type: 'websocket.accept', subprotocol: 'b', headers: [['x-a', '1']] })
    await ws.sendEvent({ type: 'websocket.send', text: 'text' })
    await ws.sendEvent({ type: 'websocket.send', bytes: Buffer.from('bytes') })
    for (let i = 0; i < 3; i++) events.push(await ws.receiveEvent())
    await t.rejects(ws.receiveEvent(), WebSocketDisconnect)
  })
  const peer = await connectPeer(t, url, { subprotocols: ['a', 'b'] })
  t.equal(peer.socket.protocol, 'b')
  t.equal(await peer.next(), 'text')
  t.same(await peer.next(), Buffer.from('bytes'))
  peer.socket.send('from the client')
  peer.socket.send(Buffer.from([1, 2]))
  peer.socket.close(4001, 'bye')
  await peer.closed
  await app.close()
  t.same(events, [
    { type: 'websocket.connect' },
    { type: 'websocket.receive', text: 'from the client' },
    { type: 'websocket.receive', bytes: Buffer.from([1, 2]) },
    { type: 'websocket.disconnect', code: 4001, reason: 'bye' }
  ])
})

t.test('connect is an event only once, and none after accept', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    t.same(await ws.receiveEvent(), { type: 'websocket.receive', text: 'x' })
  })
  const peer = await connectPeer(t, url)
  peer.socket.send('x')
  t.equal((await peer.closed).code, 1000)
})

t.test('a handshake is refused with events: websocket.close, websocket.http.response', async (t) => {
  const { port } = await serve(t, async (ws, request) => {
    await ws.sendEvent(request.url === '/close'
      ? { type: 'websocket.close', code: 4000 }
      : { type: 'websocket.http.response', status: 451, headers: { 'x-a': '1' }, body: 'no' })
  })
  t.match(await refusal(port, '/close'), { status: 403 })
  t.match(await refusal(port, '/response'), { status: 451, body: 'no', headers: { 'x-a': '1' } })
})

t.test('an accept event without a subprotocol takes that of the route', async (t) => {
  const app = await createApp(t, { subprotocols: ['v1'] })
  app.websocket('/', (ws) => ws.sendEvent({ type: 'websocket.accept', subprotocol: null }))
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`, { subprotocols: ['v1'] })
  t.equal(peer.socket.protocol, 'v1')
})

t.test('what a listener on signal throws is logged with the id of the request', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    ws.signal.addEventListener('abort', () => { throw new Error('in a listener') })
    await ws.closed
  }, {}, serverOptions)
  const peer = await connectPeer(t, url)
  peer.socket.close()
  await until(() => lines.some(({ level }) => level === ERROR))
  const errors = lines.filter(({ level }) => level === ERROR)
  t.equal(errors.length, 1)
  t.match(errors[0], { err: { message: 'in a listener' }, reqId: /.+/, ws: /.+/ })
})

t.test('a session subscribes, publishes to the others, unsubscribes, and leaves its topics when it ends', async (t) => {
  const left = new Deferred<WebSocketSession>()
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    try {
      for await (const message of ws) {
        const [verb, topic] = message.split(' ')
        if (verb === 'subscribe') await ws.subscribe(topic)
        else if (verb === 'unsubscribe') await ws.unsubscribe(topic)
        else await ws.publish(topic, `from ${verb}`)
        await ws.send([...ws.topics].join())
      }
    } finally {
      left.resolve(ws)
    }
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const [ada, bob] = [await connectPeer(t, url), await connectPeer(t, url)]
  const ask = async (peer: typeof ada, message: string): Promise<unknown> => {
    peer.socket.send(message)
    return await peer.next()
  }
  t.equal(await ask(ada, 'subscribe a'), 'a')
  t.equal(await ask(ada, 'subscribe a'), 'a')
  t.equal(await ask(ada, 'subscribe b'), 'a,b')
  t.equal(await ask(bob, 'subscribe a'), 'a')
  t.equal(app.websockets.subscribers('a').size, 2)
  t.equal(await ask(ada, 'ada a'), 'a,b', 'the publisher does not get it')
  t.equal(await bob.next(), 'from ada')
  t.equal(await ask(bob, 'bob b'), 'a', 'who has not subscribed may publish')
  t.equal(await ada.next(), 'from bob')
  t.equal(await ask(ada, 'unsubscribe a'), 'b')
  t.equal(await ask(ada, 'unsubscribe never'), 'b')
  t.equal(app.websockets.subscribers('a').size, 1)
  ada.socket.close()
  const ws = await left.promise
  t.equal(app.websockets.subscribers('b').size, 0)
  t.equal(ws.topics.size, 0)
  await t.rejects(ws.subscribe('a'), WebSocketDisconnect)
  await ws.unsubscribe('a')
  await ws.publish('a', 'from the dead')
  t.equal(await bob.next(), 'from the dead')
})

t.test('a session tells its room that it has left, from onDisconnect', async (t) => {
  const app = await createApp(t)
  app.websocket('/:name', {
    async onConnect (ws) {
      await ws.accept()
      await ws.subscribe('room')
      await ws.send('welcome')
    },
    onMessage: (ws, message) => ws.publish('room', message),
    async onDisconnect (ws) {
      await ws.publish('room', `${(ws.params as any).name} has left, and ${ws.topics.size} topics are its own`)
    }
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const [ada, bob] = [await connectPeer(t, `${url}/ada`), await connectPeer(t, `${url}/bob`)]
  for (const peer of [ada, bob]) t.equal(await peer.next(), 'welcome')
  bob.socket.send('hi')
  t.equal(await ada.next(), 'hi')
  bob.socket.terminate()
  t.equal(await ada.next(), 'bob has left, and 0 topics are its own')
  t.equal(app.websockets.subscribers('room').size, 1)
})

t.test('topics is a copy: changing it changes no subscription', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    for (const change of ['clear', 'add'] as const) (ws.topics as Set<string>)[change]('b')
    t.same([...ws.topics], ['a'])
  })
  const client = await app.injectWebSocket('/')
  await client.closed
  t.equal(app.websockets.subscribers('a').size, 0)
})

t.test('unsubscribe without any topic is nothing', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.unsubscribe('a')
    await ws.send(ws.topics.size)
  })
  t.equal(await (await connectPeer(t, url)).next(), '0')
})

t.test('a topic that is none, or a message that cannot be sent, is refused', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    for (const topic of ['', 'a\nb', 'x'.repeat(257), 5 as any, undefined as any]) {
      await t.rejects(ws.subscribe(topic), WebSocketTopicError)
      await t.rejects(ws.unsubscribe(topic), WebSocketTopicError)
      await t.rejects(ws.publish(topic, 'x'), WebSocketTopicError)
    }
    await t.rejects(ws.publish('a', 5n), { code: 'FST_WS_ENCODE' })
    await t.rejects(ws.publish('a', 'x', { type: 'json5' as any }), { code: 'FST_WS_OPTION' })
    await t.rejects(ws.publish('a', 'x' as any, { type: 'integer' }), { code: 'FST_WS_ENCODE' })
  })
  t.equal((await (await connectPeer(t, url)).closed).code, 1000)
})

t.test('what is published is encoded with the type of the publisher\'s route, unless one is given', async (t) => {
  const app = await createApp(t)
  app.websocket('/listen', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    await ws.send('ready')
    await ws.closed
  })
  app.websocket('/publish', { websocket: { sendType: 'json' }, schema: { send: { type: 'object', properties: { a: { type: 'integer' } } } } }, async (ws) => {
    await ws.accept()
    await ws.publish('a', { a: 1, secret: 2 })
    await ws.publish('a', 'plain', { type: 'text' })
    await ws.publish('a', Buffer.from('bytes'), { type: 'bytes' })
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peer = await connectPeer(t, `${url}/listen`)
  t.equal(await peer.next(), 'ready')
  await connectPeer(t, `${url}/publish`)
  t.equal(await peer.next(), '{"a":1}')
  t.equal(await peer.next(), 'plain')
  t.same(await peer.next(), Buffer.from('bytes'))
})

const SMALL = { sendHighWaterMark: 16 * 1024, maxBufferedAmount: 64 * 1024 }
const BIG = 'x'.repeat(16 * 1024)

t.test('a subscriber that does not read is closed with 1013, and nothing is queued for it any more', async (t) => {
  const app = await createApp(t, { ...SMALL, closeTimeout: 500 })
  const subscribed = new Deferred<WebSocketSession>()
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    subscribed.resolve(ws)
    ended.resolve(await ws.closed)
  })
  const client = await connectTcp(t, await listen(app))
  client.socket.pause()
  client.write(upgradeRequest('/'))
  const ws = await subscribed.promise
  while (ws.state === 'open') {
    await app.websockets.publish('a', BIG)
    await setTimeout() // lets the kernel take what it takes
  }
  t.equal(ws.state, 'closing')
  t.equal(app.websockets.subscribers('a').size, 0)
  const { bufferedAmount } = ws
  t.ok(bufferedAmount < 2 * SMALL.maxBufferedAmount, `${bufferedAmount} bytes wait`)
  for (let i = 0; i < 100; i++) await app.websockets.publish('a', BIG)
  t.ok(ws.bufferedAmount <= bufferedAmount)
  client.socket.resume()
  const received = await client.until('too slow')
  t.equal(received.slice(-12), '\x88\x0a\x03\xf5too slow', 'the close frame comes last')
  await ended.promise
})

t.test('with slowSubscriber: skip, messages are dropped for who does not read until it drains, and counted', async (t) => {
  const app = await createApp(t, { ...SMALL, slowSubscriber: 'skip' })
  const subscribed = new Deferred<WebSocketSession>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    subscribed.resolve(ws)
    await ws.closed
  })
  const client = await connectTcp(t, await listen(app))
  client.socket.pause()
  client.write(upgradeRequest('/'))
  const ws = await subscribed.promise
  t.equal(ws.skipped, 0)
  while (ws.skipped < 10) {
    await app.websockets.publish('a', BIG)
    await setTimeout()
  }
  t.equal(ws.state, 'open')
  t.ok(ws.bufferedAmount < SMALL.sendHighWaterMark + 2 * BIG.length, `${ws.bufferedAmount} bytes wait`)
  client.socket.resume()
  await until(() => ws.bufferedAmount === 0)
  const { skipped } = ws
  await app.websockets.publish('a', 'it drains again')
  await client.until('it drains again')
  t.equal(ws.skipped, skipped)
})

t.test('publishing does not wait for a slow subscriber, and the others get everything', async (t) => {
  const app = await createApp(t, { ...SMALL, slowSubscriber: 'skip' })
  let count = 0
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    count++
    await ws.closed
  })
  const port = await listen(app)
  const slow = await connectTcp(t, port)
  slow.socket.pause()
  slow.write(upgradeRequest('/'))
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  await until(() => count === 2)
  for (let i = 0; i < 500; i++) {
    await app.websockets.publish('a', `${i} ${BIG}`)
    t.equal(parseInt(await peer.next() as string), i)
  }
})

t.test('what is published while a session closes does not reach it', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    const closing = ws.close()
    const { bufferedAmount } = ws
    await app.websockets.publish('a', 'too late')
    t.equal(ws.bufferedAmount, bufferedAmount)
    await closing
  }, { closeTimeout: 100 })
  const client = await connectTcp(t, port)
  client.write(upgradeRequest('/'))
  t.notMatch(await client.ended, 'too late')
})

t.test('one of its limits that ends it is logged once, with the id of the session', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const ids: string[] = []
  const { url } = await serve(t, async (ws) => {
    ids.push(ws.id)
    await ws.accept()
    await ws.closed
  }, { rateLimit: { messages: 1, interval: 60_000 } }, serverOptions)
  const peer = await connectPeer(t, url)
  for (let n = 0; n < 3; n++) peer.socket.send('x')
  t.equal((await peer.closed).code, 1008)
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, ws: ids[0], msg: 'a WebSocket connection is ended: rate limit exceeded: 1 per 60000 ms' }])
})

t.test('a logger that throws does not stand in the way of a limit', async (t) => {
  const loggerInstance = { level: 'info', child: () => loggerInstance } as unknown as FastifyBaseLogger
  let thrown = 0
  for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const) {
    loggerInstance[level] = (...[message]: unknown[]) => {
      if (!/^a WebSocket connection is ended/.test(String(message))) return
      thrown++
      throw new Error('from the logger')
    }
  }
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.closed
  }, { idleTimeout: 30 }, { loggerInstance })
  const peer = await connectPeer(t, url)
  t.equal((await peer.closed).code, 1001)
  t.equal(thrown, 1)
})
