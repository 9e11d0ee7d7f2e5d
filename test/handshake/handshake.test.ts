import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { WebSocketDisconnect, WebSocketHandshakeError } from '../../lib/base/errors'
import { http1 } from '../../lib/handshake/http1'
import { Handshake } from '../../lib/handshake/handshake'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { isLinear } from '../helpers/linear'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendGet, sendHandshake, statusOf, type RequestClient } from '../helpers/request-client'
import { exchange, frame, assertNoConnections, type RequestOptions } from '../helpers/tcp'
import { runningTimers } from '../helpers/timers'
import { ACCEPTED, HANDSHAKE_EVENT } from '../helpers/transport'
import { until } from '../helpers/until'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HeadersLike } from '../../types/message'
import type { WebSocketSession } from '../../types/session'

const KIB = 1024

// This is the first test, so that it counts no timers of other tests.
t.test('a client that closes after a refusal leaves no timer behind', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.deny() })
  const port = await listen(app)
  const timers = runningTimers()
  const begin = Date.now()
  t.equal((await refusal(port, '/')).status, 403)
  while (runningTimers() > timers) await setImmediate()
  t.ok(Date.now() - begin < 900)
})

t.test('messages in the packet of the upgrade request are delivered, in order', async (t) => {
  const app = await createApp(t)
  const received: string[] = []
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) received.push(message)
    await ws.closed
  })
  const client = await sendHandshake(t, await listen(app), '/', { early: Buffer.concat([frame('a'), frame('b'), frame('c'), closeFrame()]) })
  await client.ended
  t.same(received, ['a', 'b', 'c'])
})

t.test('messages that arrive before the handler has accepted are delivered, in order', async (t) => {
  const app = await createApp(t)
  const started = new Deferred<void>()
  const goOn = new Deferred<void>()
  app.websocket('/', async (ws) => {
    started.resolve()
    await goOn.promise
    await ws.accept()
    await ws.send((await ws.receive()) + (await ws.receive()) + (await ws.receive()))
  })
  const client = await sendHandshake(t, await listen(app), '/', { early: frame('a') })
  await started.promise
  client.write(frame('b'))
  await written(client.stream)
  client.write(frame('c'))
  await written(client.stream)
  goOn.resolve()
  await client.until('abc')
})

t.test('a frame that the end of the handshake cuts in two is delivered whole', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send(`got ${await ws.receive()}`)
  })
  const whole = frame('whole')
  const client = await sendHandshake(t, await listen(app), '/', { early: whole.subarray(0, 4) })
  t.match(await client.answer, { status: ACCEPTED })
  client.write(whole.subarray(4))
  await client.until('got whole')
})

t.test('a client that sends more than 64 KiB too early has to wait, and no byte is lost', async (t) => {
  const app = await createApp(t, { maxPayload: 64 * KIB })
  const goOn = new Deferred<void>()
  const count = 320 // 20 MiB: more than the kernel keeps
  app.websocket('/', { websocket: { receiveType: 'bytes' } }, async (ws) => {
    await goOn.promise
    await ws.accept()
    for (let i = 0; i < count; i++) {
      const message = await ws.receive()
      if (message.length !== 64 * KIB || message[0] !== i % 256) throw new Error(`message ${i} is wrong`)
    }
    await ws.send('all of them')
  })
  const client = await sendHandshake(t, await listen(app), '/')
  for (let i = 0; i < count; i++) client.write(frame(Buffer.alloc(64 * KIB, i % 256)))
  await stalled(client.stream)
  t.ok(client.stream.writableLength > 1024 * KIB, 'the client waits')
  goOn.resolve()
  await client.until('all of them')
})

for (const [how, leave] of Object.entries({
  'ends its side': ({ stream }: RequestClient) => stream.end(),
  'resets the connection': (client: RequestClient) => client.reset(),
  'ends the connection': (client: RequestClient) => client.leave(),
  'has sent bytes and then leaves': ({ stream }: RequestClient) => stream.end(frame('early'))
})) {
  t.test(`a client that ${how} during the handshake is noticed at once`, async (t) => {
    const app = await createApp(t)
    const started = new Deferred<WebSocketSession>()
    const ended = new Deferred<unknown>()
    app.websocket('/', async (ws) => {
      started.resolve(ws)
      await once(ws.signal, 'abort')
      await ws.accept().catch(ended.resolve)
    })
    const port = await listen(app)
    const timers = runningTimers()
    const client = await sendHandshake(t, port, '/')
    const ws = await started.promise
    t.equal(ws.state, 'connecting')
    t.ok(runningTimers() > timers, 'handshakeTimeout is running')
    leave(client)
    const error = await ended.promise as WebSocketHandshakeError
    t.type(error, WebSocketHandshakeError)
    t.match(error.message, 'the client left during the handshake')
    t.type(ws.signal.reason, WebSocketDisconnect)
    t.equal(ws.state, 'closed')
    t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
    await t.rejects(ws.receive(), WebSocketHandshakeError)
    await t.rejects(ws.send('x'), WebSocketHandshakeError)
    await t.rejects(ws.deny(), WebSocketHandshakeError)
    await assertNoConnections(t, app)
    while (runningTimers() > timers) await setImmediate()
  })
}

t.test('a client that leaves while a hook runs has left when the handler begins', async (t) => {
  const app = await createApp(t)
  const started = new Deferred<void>()
  const goOn = new Deferred<void>()
  const seen = new Deferred<WebSocketSession>()
  app.websocket('/', {
    async preHandler () {
      started.resolve()
      await goOn.promise
    }
  }, async (ws) => {
    seen.resolve(ws)
    await ws.accept()
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await started.promise
  client.leave()
  await assertNoConnections(t, app)
  goOn.resolve()
  const ws = await seen.promise
  t.equal(ws.state, 'closed')
  t.ok(ws.signal.aborted)
  t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
  await t.rejects(ws.accept(), { code: 'FST_WS_HANDSHAKE', message: 'the client left during the handshake' })
})

t.test('request.raw, request.signal and onRequestAbort hooks report a client that leaves during the handshake, as on an HTTP route', async (t) => {
  for (const kind of ['WebSocket', 'HTTP']) {
    const app = await createApp(t)
    const started = new Deferred<void>()
    const told: string[] = []
    app.addHook('onRequestAbort', async (request) => { told.push(`onRequestAbort ${String(request.raw.aborted)}`) })
    const guarded = {
      async preHandler (request: any) {
        request.raw.on('close', () => told.push('close'))
        request.signal.addEventListener('abort', () => told.push('abort'))
        started.resolve()
        await once(request.raw, 'close')
      }
    }
    if (kind === 'HTTP') app.get('/', guarded, async () => '')
    else app.websocket('/', guarded, async (ws) => { await ws.accept() })
    const port = await listen(app)
    const client = await (kind === 'HTTP' ? sendGet(t, port, '/') : sendHandshake(t, port, '/'))
    await started.promise
    client.leave()
    await assertNoConnections(t, app)
    await until(() => told.length === 3)
    t.same(told.sort(), ['abort', 'close', 'onRequestAbort true'], kind)
  }
})

t.test('a client that leaves after a refusal or a session has not left the handshake, and the request is still an upgrade request', async (t) => {
  const app = await createApp(t)
  const requests: FastifyRequest[] = []
  app.addHook('onRequestAbort', async (request) => { t.fail(request.url) })
  app.addHook('onRequest', async (request) => { requests.push(request) })
  app.websocket('/refused', async (ws) => { await ws.deny() })
  app.websocket('/accepted', async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  await refusal(port, '/refused')
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/accepted`)
  peer.socket.close()
  await peer.closed
  await assertNoConnections(t, app)
  await app.close()
  t.same(requests.map(({ raw, ws }) => [raw.aborted, ws]), [[false, true], [false, true]])
})

t.test('a connection that was dropped before its handshake began is over at once', async (t) => {
  const app = await createApp(t)
  app.server.prependListener(HANDSHAKE_EVENT, (request: IncomingMessage) => { request.socket.destroy() })
  const ended = new Deferred<WebSocketSession>()
  app.websocket('/', async (ws) => {
    await ws.closed
    ended.resolve(ws)
  })
  await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError' })
  const ws = await ended.promise
  t.equal(ws.state, 'closed')
  await t.rejects(ws.accept(), { code: 'FST_WS_HANDSHAKE', message: 'the client left during the handshake' })
})

t.test('accept rejects if the client has left in the same turn of the event loop', async (t) => {
  const app = await createApp(t)
  const error = new Deferred<Error>()
  app.websocket('/', async (ws, request) => {
    request.raw.socket.destroy()
    t.equal(ws.state, 'connecting')
    await ws.accept().catch(error.resolve)
    t.equal(ws.state, 'closed')
    t.ok(ws.signal.aborted)
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.match(await error.promise, { code: 'FST_WS_HANDSHAKE', message: 'the client left during the handshake' })
  t.equal(await client.ended, '')
  await app.close()
})

t.test('an invalid handshake is answered before the handler runs', async (t) => {
  const app = await createApp(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  const port = await listen(app)
  const refused: Record<string, [status: number, headers: Record<string, string | string[] | null>]> = {
    'no version': [426, { 'sec-websocket-version': null }],
    'version 8': [426, { 'sec-websocket-version': '8' }],
    'version 12': [426, { 'sec-websocket-version': '12' }],
    'version 13 twice': [426, { 'sec-websocket-version': ['13', '13'] }],
    'a subprotocol without a name': [400, { 'sec-websocket-protocol': 'a,,b' }],
    'a subprotocol twice': [400, { 'sec-websocket-protocol': ['a', 'b, a'] }],
    'a subprotocol that is no token': [400, { 'sec-websocket-protocol': 'a b' }]
  }
  for (const [name, [status, headers]] of Object.entries(refused)) t.equal(await statusOf(t, port, '/', { headers }), status, name)
  t.match(await refusal(port, '/', { 'sec-websocket-version': '8' }), { status: 426, headers: { 'sec-websocket-version': '13' } }) // RFC 6455, section 4.4
})

t.test('an invalid upgrade request is answered before the handler runs', async (t) => {
  const app = await createApp(t)
  app.websocket('/', () => { t.fail('the handler runs') })
  const port = await listen(app)
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const refused: Record<string, RequestOptions> = {
    'no key': { headers: { 'sec-websocket-key': null } },
    'an empty key': { headers: { 'sec-websocket-key': '' } },
    'a key of another length': { headers: { 'sec-websocket-key': 'c2hvcnQ=' } },
    'a key that is no base64': { headers: { 'sec-websocket-key': '!!!!!!!!!!!!!!!!!!!!!!==' } },
    'a key twice': { headers: { 'sec-websocket-key': [key, key] } },
    'HTTP/1.0': { version: '1.0' },
    'HTTP/0.9': { version: '0.9' },
    'HTTP/2.0': { version: '2.0' },
    'no Host': { headers: { host: null } },
    'another method': { method: 'HEAD' }
  }
  for (const [name, options] of Object.entries(refused)) t.match(await exchange(t, port, '/', options), 'HTTP/1.1 400 ', name)
  const badVersion = await exchange(t, port, '/', { headers: { 'sec-websocket-version': '8' } })
  for (const line of [/^upgrade: websocket\r$/mi, /^connection: close, upgrade\r$/mi]) t.match(badVersion, line) // RFC 9110, section 15.5.22
})

t.test('the names in the handshake are not case-sensitive', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  t.equal(await statusOf(t, await listen(app), '/', { headers: { upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' } }), 101)
})

t.test('without a subprotocol, accept takes the first subprotocol of the route that the client offers', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { subprotocols: ['v3', 'v2', 'v1'] } }, async (ws) => {
    await ws.accept()
    await ws.send(ws.protocol)
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const [offer, taken] of [[['v1', 'v2'], 'v2'], [['v1'], 'v1'], [[], '']] as const) {
    const peer = await connectPeer(t, url, { subprotocols: [...offer] })
    t.equal(peer.socket.protocol, taken)
    t.equal(await peer.next(), taken)
  }
})

t.test('accept does not choose a subprotocol that the route does not have', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { subprotocols: ['v1'] } }, async (ws) => { await ws.accept() })
  const client = await sendHandshake(t, await listen(app), '/', { headers: { 'sec-websocket-protocol': 'other' } })
  t.same(await client.answer, { status: ACCEPTED, lines: [] })
})

t.test('accept takes any subprotocol that the client offers, and rejects for others while the handshake stays undecided', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { subprotocols: ['v2', 'v1'] } }, async (ws) => {
    await t.rejects(ws.accept({ subprotocol: 'v9' }), {
      name: 'WebSocketHandshakeError',
      message: "accept: the client did not offer the subprotocol 'v9' (it offers v2, v1, mine)"
    })
    t.equal(ws.state, 'connecting')
    await ws.accept({ subprotocol: 'mine' })
  })
  app.websocket('/none', async (ws) => {
    await t.rejects(ws.accept({ subprotocol: 'v9' }), { message: /it offers none/ })
    await ws.deny()
  })
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`, { subprotocols: ['v2', 'v1', 'mine'] })
  t.equal(peer.socket.protocol, 'mine')
  t.equal((await refusal(port, '/none')).status, 403)
})

t.test('the time to check and choose a subprotocol is linear in the number that a client offers', async (t) => {
  isLinear(t, 10_000, (n) => {
    const protocols = Array.from({ length: n }, (_, i) => `p${i}`)
    const headers = { host: 'localhost', 'sec-websocket-version': '13', 'sec-websocket-key': `${'A'.repeat(22)}==`, 'sec-websocket-protocol': protocols.join(', ') }
    const handshake = Handshake.begin(http1, { method: 'GET', httpVersion: '1.1', headers } as any, new PassThrough(), new Set())
    return () => {
      handshake.check()
      handshake.decide(undefined, [...protocols].reverse(), undefined)
      handshake.decide(protocols[n - 1], [], undefined)
    }
  }, 'subprotocols')
})

t.test('accept sends headers: arrays, pairs, a Map, Headers, bytes', async (t) => {
  const app = await createApp(t)
  const forms: HeadersLike[] = [
    { 'x-a': '1', 'set-cookie': ['a=1', 'b=2'], 'x-number': 7, 'x-none': undefined },
    [['x-a', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-number', 7]],
    new Map<string, string | number | string[]>([['x-a', '1'], ['set-cookie', ['a=1', 'b=2']], ['x-number', 7]]),
    new Headers([['x-a', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-number', '7']]),
    [[Buffer.from('x-a'), Buffer.from('1')], [new Uint8Array(Buffer.from('set-cookie')), Buffer.from('a=1')], ['set-cookie', 'b=2'], ['x-number', 7]]
  ]
  app.websocket('/:form', async (ws, request) => {
    await ws.accept({ headers: forms[(request.params as any).form] })
  })
  const port = await listen(app)
  for (const form of forms.keys()) {
    const client = await sendHandshake(t, port, `/${form}`)
    const { lines } = (await client.answer)!
    t.same(lines.sort(), ['set-cookie: a=1', 'set-cookie: b=2', 'x-a: 1', 'x-number: 7'])
  }
})

t.test('accept rejects for invalid headers and for headers that belong to the handshake, and sends nothing', async (t) => {
  const app = await createApp(t)
  const refused: HeadersLike[] = [
    { 'x-a': 'b\r\nx-evil: 1' },
    { 'x-a': 'b\nc' },
    { 'x-a': 'b\rc' },
    { 'x-a': 'b\0c' },
    { 'x-a': ['fine', 'b\r\nc'] },
    { 'x-a\r\nx-evil': '1' },
    { 'x a': '1' },
    { 'x:a': '1' },
    { '': '1' },
    { 'x-a': '\u{1f600}' },
    [[Buffer.from('x-a'), Buffer.from('b\r\nc')]],
    { upgrade: 'h2c' },
    { Connection: 'close' },
    { 'keep-alive': '1' },
    { trailer: 'x' },
    { 'Transfer-Encoding': 'chunked' },
    { 'content-length': 3 },
    { 'sec-websocket-accept': 'x' },
    { 'Sec-WebSocket-Protocol': 'x' },
    { 'sec-websocket-extensions': 'x' }
  ]
  app.websocket('/', async (ws) => {
    for (const headers of refused) {
      const name = JSON.stringify(headers)
      await t.rejects(ws.accept({ headers }), WebSocketHandshakeError, name)
      await t.rejects(ws.deny(403, 'no', headers), WebSocketHandshakeError, name)
    }
    t.equal(ws.state, 'connecting')
    await ws.accept({ headers: { 'x-good': 'yes' } })
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.same(await client.answer, { status: ACCEPTED, lines: ['x-good: yes'] })
})

for (const by of ['handler', 'hook']) {
  t.test(`a client that keeps sending gets the whole response of a refusal by a ${by}, even if it reads late`, async (t) => {
    const app = await createApp(t)
    const body = 'x'.repeat(256 * KIB)
    const early = new Deferred<void>()
    const answered = new Deferred<void>()
    app.addHook('onResponse', async () => { answered.resolve() })
    app.websocket('/handler', async (ws) => {
      await early.promise
      await ws.deny(403, body)
    })
    app.websocket('/hook', {
      async preHandler (_request, reply) {
        await early.promise
        return reply.code(403).send(body)
      }
    }, () => { t.fail('the handler runs') })
    const client = await sendHandshake(t, await listen(app), `/${by}`)
    client.stream.pause()
    const more = frame('y'.repeat(64 * KIB))
    const send = (): void => { client.stream.write(more, (error) => { if (!error) send() }) }
    send()
    early.resolve()
    await answered.promise
    await setImmediate() // lets @fastify/websocket do what it does after a response
    client.stream.resume()
    t.equal((await client.ended).length, body.length)
    t.match(await client.answer, { status: 403 })
  })
}

t.test('a client that goes on sending gets a refusal at once, even if it reads nothing before it has sent all', async (t) => {
  const app = await createApp(t)
  const body = 'x'.repeat(20 * 1024 * KIB) // more than the kernel keeps
  app.websocket('/', async (ws) => { await ws.deny(403, body) })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  client.write(frame(body))
  await written(client.stream)
  client.stream.resume()
  t.equal((await client.ended).length, body.length)
  t.match(await client.answer, { status: 403 })
})

t.test('nothing of the handshake remains on the connection when the handshake is complete', async (t) => {
  const app = await createApp(t)
  const replies: FastifyReply[] = []
  const onRequest = async (_: unknown, reply: FastifyReply): Promise<void> => { replies.push(reply) }
  app.websocket('/', { onRequest }, async (ws, { raw }) => {
    const [reply] = replies
    t.equal(reply.raw.socket, raw.socket)
    t.type(Handshake.of(raw), Handshake)
    await ws.accept()
    if (ACCEPTED === 101) t.equal(reply.raw.socket, null, 'the response has no socket')
    t.equal(Handshake.of(raw), undefined)
    await ws.send(`got ${await ws.receive()}`)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('it')
  t.equal(await peer.next(), 'got it')
  t.equal((await peer.closed).code, 1000)
})

t.test('bytes after the handshake are left to the connection, also if the handshake was completed at once', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for (let i = 0; i < 2; i++) await ws.send((await ws.receive({ timeout: 5_000 })).length)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  for (let i = 0; i < 2; i++) {
    peer.socket.send('x'.repeat(256 * KIB))
    t.equal(await peer.next(), String(256 * KIB))
  }
})

for (const [how, end] of Object.entries({
  'the client closes it': ({ socket }: Peer) => socket.close(),
  'the client drops it': ({ socket }: Peer) => socket.terminate(),
  'the server closes it': ({ socket }: Peer) => socket.send('close'),
  'the server drops it': ({ socket }: Peer) => socket.send('terminate')
})) {
  t.test(`a hook that listens to 'close' of the response is called at the end of the connection when ${how}`, async (t) => {
    const app = await createApp(t)
    const order: string[] = []
    const told = new Deferred<void>()
    app.websocket('/', {
      async onRequest (_request, reply) {
        reply.raw.once('close', () => {
          order.push('the response ends')
          told.resolve()
        })
      }
    }, async (ws) => {
      await ws.accept()
      for await (const verb of ws) {
        if (verb === 'close') await ws.close()
        else if (verb === 'terminate') ws.terminate()
        else await ws.send(verb)
      }
    })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
    peer.socket.send('echo')
    await peer.next()
    order.push('the connection is open')
    end(peer)
    await told.promise
    t.same(order, ['the connection is open', 'the response ends'])
  })
}

t.test('a client that does not close after a refusal is dropped', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.deny() })
  const port = await listen(app)
  const client = await sendHandshake(t, port, '/')
  client.stream.allowHalfOpen = true
  t.match(await client.answer, { status: 403 })
  await once(client.stream, 'end')
  await assertNoConnections(t, app)
})

t.test('a refused handshake is over when its response has been sent, whether the client closes or not', async (t) => {
  const app = await createApp(t)
  const refused = new Deferred<Handshake>()
  app.websocket('/', async (ws, { raw }) => {
    const handshake = Handshake.of(raw)!
    handshake.over.then(() => refused.resolve(handshake))
    await ws.deny()
  })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.allowHalfOpen = true
  t.notOk((await refused.promise).stream.destroyed)
  t.match(await client.answer, { status: 403 })
})

/** Resolves when the kernel has taken what was written. */
async function written (stream: Duplex): Promise<void> {
  await until(() => stream.writableLength === 0)
}

/** Resolves when the kernel takes no more. */
async function stalled (stream: Duplex): Promise<void> {
  let before = -1
  let same = 0
  await until(() => {
    same = stream.writableLength === before ? same + 1 : 0
    before = stream.writableLength
    return same > 20
  })
}

function closeFrame (): Buffer {
  return Buffer.from([0x88, 0x80, 0, 0, 0, 0])
}

t.test('a handshake whose connection has another reader is over, and writes nothing more', async (t) => {
  const app = await createApp(t)
  const taken = new Map<string, Socket>()
  const take = ({ url, raw }: FastifyRequest): void => { taken.set(url, raw.socket.on('data', () => {})) }
  const over = new Deferred<unknown[]>()
  app.websocket('/hook', {
    async preHandler (request) {
      take(request)
      await setImmediate()
    }
  }, () => { t.fail('the handler runs') })
  app.websocket('/handler', async (ws, request) => {
    take(request)
    over.resolve([await ws.closed, await ws.accept().catch((error: Error) => error.message), await ws.deny().catch((error: Error) => error.message)])
  })
  app.websocket('/waits', async (_ws, request) => {
    await setImmediate()
    take(request)
    t.ok(request.ws, 'it was a handshake, and is for its hooks')
  })
  const port = await listen(app)
  for (const path of ['/hook', '/handler', '/waits']) {
    const client = await sendHandshake(t, port, path)
    await until(() => taken.has(path))
    if (path === '/handler') t.match(await over.promise, [{ code: 1006 }, 'the handshake was refused', 'the handshake was refused'])
    await setImmediate()
    await setImmediate()
    taken.get(path)!.end('theirs')
    t.equal(await client.ended, 'theirs', path)
  }
})

t.test('the headers of the handshake that Fastify has removed are put back, and no others', async (t) => {
  const rawHeaders = [':path', '/', 'Host', 'a', 'Sec-WebSocket-Version', '13', 'Sec-WebSocket-Protocol', 'v1', 'sec-websocket-protocol', 'v2', 'Upgrade', 'websocket', 'X-Own', '1']
  const restored = (headers: object): object => {
    Handshake.begin(http1, { headers, rawHeaders } as unknown as IncomingMessage, new PassThrough(), new Set()).restoreHeaders()
    return headers
  }
  t.same(restored({ 'sec-websocket-version': '13' }), { 'sec-websocket-version': '13' }, 'nothing was removed')
  t.same(restored({ 'x-own': 1, 'sec-websocket-protocol': 'v1, v2' }), {
    'x-own': 1, ':path': '/', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'v1, v2', upgrade: 'websocket'
  })
})
