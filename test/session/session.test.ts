import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { WebSocketDisconnect, WebSocketHandshakeError, WebSocketOptionError, WebSocketTopicError } from '../../lib/base/errors'
import { Deferred } from '../../lib/base/deferred'
import { Session } from '../../lib/session/session'
import { createApp, listen, serve } from '../helpers/app'
import { revoked, throwing } from '../helpers/hostile'
import { collectLogs, ERROR, INFO } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake, statusOf } from '../helpers/request-client'
import { assertNoConnections } from '../helpers/tcp'
import { http1Only, urlOver } from '../helpers/transport'
import { until } from '../helpers/until'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocketSession } from '../../types/session'

t.test('a session has the properties of its upgrade request', async (t) => {
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
    t.equal(ws.url.href, url)
    await ws.accept()
  })
  const url = urlOver(`ws://127.0.0.1:${await listen(app)}/chat/7?age=36`)
  const peer = await connectPeer(t, url, { headers: { 'x-a': 'b' } })
  t.equal((await peer.closed).code, 1000)
})

t.test('subprotocols are the offers of the client, in the client\'s order, before and after accept', async (t) => {
  const { url } = await serve(t, async (ws) => {
    const offered = ws.subprotocols
    offered.push('changed')
    await ws.accept()
    await ws.send(ws.subprotocols, 'json')
  }, { subprotocols: ['b'] })
  for (const subprotocols of [['c', 'b', 'a'], ['b'], []]) {
    t.equal(await (await connectPeer(t, url, { subprotocols })).next(), JSON.stringify(subprotocols))
  }
})

t.test('url is a URL, whatever the client sends', async (t) => {
  const { port } = await serve(t, async (ws) => { await ws.deny(400, ws.url.href) }, {}, { trustProxy: true })
  const targets = {
    'ws://example.com/a?b=1': ['/a?b=1', {}],
    'wss://example.org/a': ['/a', { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'example.org' }],
    'ws://example.com//elsewhere.com/a': ['//elsewhere.com/a', {}],
    'ws://localhost/badhost': ['/badhost', { host: 'a[' }],
    'wss://localhost/badhost?secure': ['/badhost?secure', { host: 'a[', 'x-forwarded-proto': 'https' }]
  } as const
  for (const [url, [target, headers]] of Object.entries(targets)) {
    const client = await sendHandshake(t, port, target, { headers })
    t.equal(await client.ended, urlOver(url), target)
  }
})

t.test('url is a URL for a request target in absolute form', async (t) => {
  http1Only('a request target in absolute form')
  const { port } = await serve(t, async (ws) => { await ws.deny(400, ws.url.href) })
  const client = await sendHandshake(t, port, 'http://example.com/absolute')
  t.equal(await client.ended, 'ws://example.com/absolute')
})

t.test('Session.is recognizes a session without reading the value', async (t) => {
  const { url } = await serve(t, async (ws) => {
    t.equal(Session.is(ws), true)
    for (const value of [undefined, null, 5, 'session', {}, Object.create(Session.prototype), revoked(), throwing(), new Proxy(ws, {})]) t.equal(Session.is(value), false)
    await ws.accept()
  })
  t.equal((await (await connectPeer(t, url)).closed).code, 1000)
})

t.test('accept and deny reject for options of another type', async (t) => {
  const { url } = await serve(t, async (ws) => {
    for (const options of [null, 'chat', 5, [], () => {}] as any[]) await t.rejects(ws.accept(options), { name: 'WebSocketOptionError', message: /^the options of accept are .*: use an object/ })
    await t.rejects(ws.accept({ subprotocol: 5 as any }), { name: 'WebSocketOptionError', message: 'subprotocol is 5: use one that the client offers' })
    await t.rejects(ws.accept({ get headers (): any { throw new Error('from the getter') } }), { name: 'WebSocketOptionError', message: 'the options of accept cannot be read: from the getter' })
    await t.rejects(ws.deny(403, '', { [Symbol.iterator] () { throw new Error('from the iterator') } } as any), { name: 'WebSocketOptionError', message: 'the options of deny cannot be read: from the iterator' })
    await ws.accept()
  })
  t.equal((await (await connectPeer(t, url)).closed).code, 1000)
})

t.test('id is unique, and in the log beside the id of the request', async (t) => {
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

t.test('a handshake can be completed only once', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'accept: the handshake is complete already' })
    await t.rejects(ws.deny(), { name: 'WebSocketHandshakeError', message: 'deny: the handshake is complete already' })
    await ws.send('still here')
  })
  const peer = await connectPeer(t, url)
  t.equal(await peer.next(), 'still here')
  t.equal((await peer.closed).code, 1000)
})

t.test('before accept there are no topics, and the verbs of topics reject', async (t) => {
  const { port } = await serve(t, async (ws) => {
    const verbs = {
      subscribe: () => ws.subscribe('x'),
      unsubscribe: () => ws.unsubscribe('x'),
      publish: () => ws.publish('x', 'y')
    }
    for (const [name, call] of Object.entries(verbs)) {
      await t.rejects(call() as Promise<unknown>, { name: 'WebSocketHandshakeError', code: 'FST_WS_HANDSHAKE', message: /call accept\(\)/ }, name)
    }
    t.equal(ws.topics.size, 0)
    await ws.deny(418)
  })
  t.equal((await refusal(port, '/')).status, 418)
})

t.test('a session that is refused with an error is closed when the response has been sent', async (t) => {
  const refused = new Deferred<WebSocketSession>()
  const { port } = await serve(t, (ws) => {
    refused.resolve(ws)
    throw Object.assign(new Error('not you'), { statusCode: 409 })
  })
  t.match(await refusal(port, '/'), { status: 409, body: /not you/ })
  const ws = await refused.promise
  t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
  t.equal(ws.state, 'closed')
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

t.test('close before accept checks its arguments, then refuses with 403', async (t) => {
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

t.test('close while accept waits for hooks closes the connection when it is open, and does nothing if the hooks refuse', async (t) => {
  const app = await createApp(t)
  const states: string[] = []
  async function handler (ws: WebSocketSession): Promise<void> {
    ws.accept()
    await ws.close(4001, 'changed my mind')
    states.push(ws.state)
  }
  app.websocket('/', { onSend: () => setImmediate() as never }, handler)
  app.websocket('/refused', { onSend: async (_request, reply) => { reply.code(410) } }, handler)
  const port = await listen(app)
  t.same(await (await connectPeer(t, `ws://127.0.0.1:${port}`)).closed, { code: 4001, reason: 'changed my mind' })
  t.equal((await refusal(port, '/refused')).status, 410)
  await app.close()
  t.match(states, ['closed', /^clos/])
})

t.test('terminate before accept drops the connection without a response', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    ws.terminate()
    await ws.closed
    t.equal(ws.state, 'closed')
  })
  t.equal(await statusOf(t, port, '/'), undefined)
  await assertNoConnections(t, app)
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

t.test('a handler can use events only, from connect to disconnect', async (t) => {
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

t.test('connect is an event once, and not after accept', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    t.same(await ws.receiveEvent(), { type: 'websocket.receive', text: 'x' })
  })
  const peer = await connectPeer(t, url)
  peer.socket.send('x')
  t.equal((await peer.closed).code, 1000)
})

t.test('the events websocket.close and websocket.http.response refuse a handshake', async (t) => {
  const { port } = await serve(t, async (ws, request) => {
    await ws.sendEvent(request.url === '/close'
      ? { type: 'websocket.close', code: 4000 }
      : { type: 'websocket.http.response', status: 451, headers: { 'x-a': '1' }, body: 'no' })
  })
  t.match(await refusal(port, '/close'), { status: 403 })
  t.match(await refusal(port, '/response'), { status: 451, body: 'no', headers: { 'x-a': '1' } })
})

t.test('an accept event without a subprotocol takes the subprotocol of the route', async (t) => {
  const app = await createApp(t, { subprotocols: ['v1'] })
  app.websocket('/', (ws) => ws.sendEvent({ type: 'websocket.accept', subprotocol: null }))
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`, { subprotocols: ['v1'] })
  t.equal(peer.socket.protocol, 'v1')
})

t.test('an error of a listener on signal is logged with the id of the request', async (t) => {
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
  t.equal(await ask(bob, 'bob b'), 'a', 'a session without a subscription may publish')
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

t.test('a session can publish to its topic from onDisconnect', async (t) => {
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

t.test('topics is a copy: a change to it changes no subscription', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    for (const change of ['clear', 'add'] as const) (ws.topics as Set<string>)[change]('b')
    t.equal(ws.skipped, 0)
    t.same([...ws.topics], ['a'])
  })
  const client = await app.injectWebSocket('/')
  await client.closed
  t.equal(app.websockets.subscribers('a').size, 0)
})

t.test('unsubscribe without a subscription does nothing', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.unsubscribe('a')
    t.equal(ws.skipped, 0)
    await ws.send(ws.topics.size)
  })
  t.equal(await (await connectPeer(t, url)).next(), '0')
})

t.test('subscribe and publish reject for an invalid topic or message', async (t) => {
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

t.test('publish encodes with the type of the publisher\'s route, unless a type is given', async (t) => {
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

t.test('a limit that ends the connection is logged once, with the id of the session', async (t) => {
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

t.test('a limit ends the connection even if the logger throws', async (t) => {
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

t.test('raw is the socket of ws from accept on; an error of its listener is handled like an error of the handler', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const { url } = await serve(t, async (ws) => {
    t.equal(ws.raw, null)
    await ws.accept()
    ws.raw!.on('message', () => { throw Object.assign(new Error('from the listener'), { closeCode: 4005 }) })
    await ws.closed
  }, {}, serverOptions)
  const peer = await connectPeer(t, url)
  peer.socket.send('x')
  t.equal((await peer.closed).code, 4005)
  t.match(lines.filter(({ level }) => level >= ERROR), [{ err: { message: 'from the listener' } }])
})

t.test('iteration skips invalid messages if the route has onInvalid, which gets the errors with the app as this', async (t) => {
  const app = await createApp(t)
  const invalid: string[] = []
  app.websocket('/', {
    websocket: {
      onInvalid (ws, error, request) {
        t.equal(this, app)
        t.equal(ws.request, request)
        invalid.push(error.name)
      }
    }
  }, async (ws) => {
    await ws.accept()
    for await (const n of ws.messages('integer')) await ws.send(n)
  })
  const client = await app.injectWebSocket('/')
  await client.send('x')
  await client.send('5')
  t.equal(await client.receive(), '5')
  t.same(invalid, ['WebSocketDecodeError'])
})
