import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate, setTimeout } from 'node:timers/promises'
import t from 'tap'
import { WebSocketDisconnect, WebSocketOptionError } from '../../lib/base/errors'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen, serve } from '../helpers/app'
import { collectLogs, ERROR } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { linesOver, sendHandshake, statusOf } from '../helpers/request-client'
import { runningTimers } from '../helpers/timers'
import { ACCEPTED, CONNECTION_CLOSE, refusedWith } from '../helpers/transport'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

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

t.test('before accept, the verbs that need a connection reject, and the error says to call accept()', async (t) => {
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
      sendEvent: () => ws.sendEvent({ type: 'websocket.send', text: 'x' })
    }
    for (const [name, call] of Object.entries(verbs)) {
      await t.rejects(call(), { name: 'WebSocketHandshakeError', code: 'FST_WS_HANDSHAKE', message: /call accept\(\)/ }, name)
    }
    t.equal(ws.protocol, '')
    t.equal(ws.bufferedAmount, 0)
    t.equal(ws.raw, null)
    t.equal(ws.state, 'connecting')
    await ws.deny(418)
  })
  t.equal((await refusal(port, '/')).status, 418)
})

t.test('accept sends its subprotocol and its headers', async (t) => {
  const { port } = await serve(t, (ws) => ws.accept({ subprotocol: 'b', headers: { 'x-a': '1' } }), { subprotocols: ['a'] })
  const client = await sendHandshake(t, port, '/', { headers: { 'sec-websocket-protocol': 'a, b' } })
  t.same(await client.answer, { status: ACCEPTED, lines: linesOver(['Sec-WebSocket-Protocol: b', 'x-a: 1']) })
})

/** A handler that accepts. `error` resolves with the error of accept. */
function accepting (): { error: Promise<any>, handler: (ws: WebSocketSession) => Promise<void> } {
  const rejected = new Deferred<any>()
  return {
    error: rejected.promise,
    async handler (ws) {
      await ws.accept().catch(rejected.resolve)
    }
  }
}

t.test('accept rejects if a hook has set an invalid header, and the response has none of the headers that hooks have set', async (t) => {
  const app = await createApp(t)
  const { error, handler } = accepting()
  app.websocket('/', { onSend: async (_, reply) => { if (reply.statusCode === ACCEPTED) reply.header('x-good', '1').header('x-bad', 'a\r\nb: c') } }, handler)
  const { status, headers } = await refusal(await listen(app), '/')
  t.same([status, headers['x-good'], headers['x-bad'], headers.b], [500, undefined, undefined, undefined])
  t.match(await error, { name: 'WebSocketHandshakeError', message: /^invalid header "x-bad"/ })
})

t.test('accept rejects if a hook has set another status, which is the status of the response, and the session is closed', async (t) => {
  const app = await createApp(t)
  const { error, handler } = accepting()
  const closed = new Deferred<string>()
  app.websocket('/', { onSend: async (_, reply) => { reply.code(410) } }, async (ws) => {
    await handler(ws)
    t.equal(ws.state, 'closing')
    await ws.closed
    closed.resolve(ws.state)
  })
  t.equal((await refusal(await listen(app), '/')).status, 410)
  t.match(await error, { name: 'WebSocketHandshakeError', message: 'accept: a hook of the route has changed the response to status 410', cause: undefined })
  t.equal(await closed.promise, 'closed')
})

t.test('accept works once, and rejects if the client leaves while hooks run; the hooks go on', async (t) => {
  const app = await createApp(t)
  const { error, handler } = accepting()
  const [running, goOn, ran] = [new Deferred<void>(), new Deferred<void>(), new Deferred<void>()]
  app.websocket('/', {
    async onSend () {
      running.resolve()
      await goOn.promise
      ran.resolve()
    }
  }, async (ws) => {
    const accepted = handler(ws)
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the handshake is being completed already' })
    await accepted
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await running.promise
  client.leave()
  t.match(await error, { name: 'WebSocketHandshakeError', message: 'the client left during the handshake' })
  goOn.resolve()
  await ran.promise
  await app.close()
})

t.test('when handshakeTimeout is over while hooks run, a status that they set later has no effect', async (t) => {
  const app = await createApp(t, { handshakeTimeout: 20 })
  const { error, handler } = accepting()
  const goOn = new Deferred<void>()
  app.websocket('/', {
    async onSend (_, reply) {
      if (reply.statusCode === ACCEPTED) await goOn.promise
    }
  }, handler)
  t.equal((await refusal(await listen(app), '/')).status, 503)
  t.match(await error, { message: /status 503/, cause: { statusCode: 503 } })
  goOn.resolve()
})

t.test('accept and deny reject if the reply has been sent already', async (t) => {
  const app = await createApp(t)
  const { error, handler } = accepting()
  const [begun, sent] = [new Deferred<void>(), new Deferred<void>()]
  app.websocket('/', {
    async preHandler (_, reply) {
      begun.promise.then(() => {
        reply.code(409).send('too late')
        sent.resolve()
      })
    }
  }, async (ws) => {
    begun.resolve()
    await sent.promise
    await handler(ws)
  })
  t.equal((await refusal(await listen(app), '/')).status, 409)
  t.match(await error, { name: 'WebSocketHandshakeError', message: 'the handshake has been answered already, by its reply' })
})

t.test('a refused handshake can be neither refused again nor accepted', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    const denied = ws.deny(401)
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
    await t.rejects(ws.deny(402), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
    await denied
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
    await t.rejects(ws.receive(), { name: 'WebSocketHandshakeError', message: 'the handshake was refused' })
    t.same(await ws.close(), undefined)
  })
  t.equal((await refusal(port, '/')).status, 401)
  await app.close()
})

t.test('deny takes every payload that reply.send takes', async (t) => {
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
    t.equal(response.headers.connection, CONNECTION_CLOSE, name)
  }
  t.same(lines.filter(({ level }) => level >= ERROR), [])
})

t.test('deny is 403 without a body by default', async (t) => {
  const { port } = await serve(t, (ws) => ws.deny())
  t.match(await refusal(port, '/'), { status: 403, body: '', headers: { 'content-length': '0' } })
})

t.test('deny sends its headers, including repeated ones and set-cookie, beside the headers of hooks', async (t) => {
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

t.test('deny runs the onSend hooks and the serializer of the reply', async (t) => {
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

t.test('a deny that is not awaited sends its response, even if an onSend hook takes long and fails', async (t) => {
  const app = await createApp(t)
  app.addHook('onSend', async () => {
    await setTimeout(20)
    throw new Error('the hook fails')
  })
  app.websocket('/', (ws) => { ws.deny(401, 'no') })
  t.match(await refusal(await listen(app), '/'), { status: 401, body: /the hook fails/ })
})

t.test('a payload that cannot be sent makes the response an error, as on an HTTP route', async (t) => {
  const app = await createApp(t)
  app.websocket('/bigint', (ws) => ws.deny(403, { a: 1n }))
  app.websocket('/number', (ws) => ws.deny(403, 5, { 'content-type': 'text/plain' }))
  app.websocket('/stream', (ws) => ws.deny(403, new Readable({ read () { this.destroy(new Error('broken')) } })))
  const port = await listen(app)
  t.match(await refusal(port, '/bigint'), { status: 403, body: /BigInt/ })
  t.match(await refusal(port, '/number'), { status: 500, body: /FST_ERR_REP_INVALID_PAYLOAD_TYPE/ })
  t.match(await refusal(port, '/stream'), { status: 403, body: /broken/ })
})

t.test('a payload that is a stream is destroyed when the client leaves', async (t) => {
  const payload = new Readable({ read () { this.push('x'.repeat(10_000)) } })
  const { port } = await serve(t, (ws) => ws.deny(403, payload))
  const client = await sendHandshake(t, port, '/')
  await client.until('xxx')
  client.leave()
  await once(payload, 'close')
  t.ok(payload.destroyed)
})

t.test('deny rejects for a status that cannot refuse, and the handshake stays undecided', async (t) => {
  const { port } = await serve(t, async (ws) => {
    for (const status of [101, 199, 600, 0, 403.5, NaN, '403' as any, null as any]) {
      await t.rejects(ws.deny(status), WebSocketOptionError, String(status))
    }
    await ws.deny(200, 'fine')
  })
  t.match(await refusal(port, '/'), { status: refusedWith(200), body: 'fine' })
})

t.test('a session whose client has left before it begins is closed from the start', async (t) => {
  const app = await createApp(t)
  const ended = new Deferred<WebSocketSession>()
  app.websocket('/', { preHandler: async (request) => { await once(request.raw.socket.destroy(), 'close') } }, async (ws) => {
    t.equal(ws.state, 'closed')
    t.ok(ws.signal.aborted)
    t.same(await ws.closed, { code: 1006, reason: '', wasClean: false })
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the client left during the handshake' })
    ended.resolve(ws)
  })
  t.equal(await statusOf(t, await listen(app), '/'), undefined)
  await ended.promise
})

t.test('accept rejects if the connection breaks while the 101 is written', async (t) => {
  const ended = new Deferred<void>()
  const { port } = await serve(t, async (ws, request) => {
    request.raw.socket.destroy()
    t.equal(ws.state, 'connecting')
    await t.rejects(ws.accept(), { name: 'WebSocketHandshakeError', message: 'the client left during the handshake' })
    t.equal(ws.state, 'closed')
    ended.resolve()
  })
  t.equal(await statusOf(t, port, '/'), undefined)
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

for (const [verb, decide] of Object.entries({
  accepts: (ws: WebSocketSession) => ws.accept(),
  denies: (ws: WebSocketSession) => ws.deny()
})) {
  for (const when of ['at once', 'later']) {
    t.test(`no timer runs any more for a handler that ${verb} ${when}`, async (t) => {
      const app = await createApp(t)
      const decided = new Deferred<unknown>()
      const goOn = new Deferred<void>()
      // A response that has been sent has its own timer.
      app.addHook('onSend', async (_request, reply) => { if (reply.statusCode !== ACCEPTED) await goOn.promise })
      app.websocket('/', async (ws) => {
        const before = runningTimers()
        if (when === 'later') {
          await setImmediate()
          t.equal(runningTimers(), before + 1)
        }
        const deciding = decide(ws)
        await until(() => runningTimers() === before)
        goOn.resolve()
        await deciding
        decided.resolve(undefined)
      })
      await sendHandshake(t, await listen(app), '/')
      await decided.promise
    })
  }
}

t.test('handshakeTimeout has no effect after the end of the handshake', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    await t.rejects(ws.receive({ timeout: 100 }), { code: 'FST_WS_TIMEOUT' })
    await ws.send('here')
  }, { handshakeTimeout: 20 })
  t.equal(await (await connectPeer(t, url)).next(), 'here')
})

t.test('close before accept sends 403, or with refusal by closing, a close with its code and reason', async (t) => {
  const handler = (ws: WebSocketSession): Promise<void> => ws.close(4007, 'not today')
  await t.rejects(connectPeer(t, (await serve(t, handler)).url), /403/)
  const { url } = await serve(t, handler, { refusal: 'close' })
  t.match(await (await connectPeer(t, url)).closed, { code: 4007, reason: 'not today' })
})

t.test('a server that closes refuses undecided handshakes, and no others', async (t) => {
  const app = await createApp(t)
  const response = new Readable({ read () {} })
  const denied = new Deferred<void>()
  app.websocket('/undecided', async (ws) => { await ws.closed })
  app.websocket('/denied', async (ws) => {
    const over = ws.deny(418, response)
    denied.resolve()
    await over
  })
  app.websocket('/closing', (ws) => {
    app.close()
    return ws.closed
  })
  const port = await listen(app)
  const clients = []
  for (const path of ['/undecided', '/denied', '/closing']) clients.push(await sendHandshake(t, port, path))
  await denied.promise
  const [undecided, late, closing] = clients
  for (const client of [undecided, closing]) {
    t.match(await client.answer, { status: 503 })
    await client.ended
  }
  response.push('the end')
  response.push(null)
  t.match(await late.answer, { status: 418 })
  t.match(await late.ended, 'the end')
})

t.test('if the serializer of a hook throws for the payload of deny, that error is the response', async (t) => {
  const app = await createApp(t)
  const onRequest = async (_request: unknown, reply: any): Promise<void> => { reply.type('application/x-own').serializer(() => { throw new Error('cannot be serialized') }) }
  app.websocket('/', { onRequest }, (ws) => ws.deny(401, 'no'))
  const { status, body } = await refusal(await listen(app), '/')
  t.equal(status, 401)
  t.match(body, 'cannot be serialized')
})
