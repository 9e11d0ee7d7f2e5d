import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, WARN } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { linesOver, sendHandshake } from '../helpers/request-client'
import { ACCEPTED } from '../helpers/transport'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { WebSocketSession } from '../../types/session'

/** Asserts that the handshake for `path` is accepted, with these lines in the head of the answer. */
async function assertHead (t: Test, port: number, lines: string[], path = '/'): Promise<void> {
  const client = await sendHandshake(t, port, path)
  t.same(await client.answer, { status: ACCEPTED, lines: linesOver(lines) })
  client.leave()
}

async function accept (ws: WebSocketSession): Promise<void> {
  await ws.accept()
}

t.test('headers and cookies that hooks have set go out with the 101', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-request', '1').header('set-cookie', 'a=1').header('set-cookie', 'b=2') })
  app.addHook('preHandler', async (_request, reply) => { reply.header('x-handler', 2).raw.setHeader('x-raw', ['3', '4']) })
  app.addHook('onSend', async (_request, reply) => { reply.header('x-send', '5') })
  app.websocket('/', accept)
  await assertHead(t, await listen(app), ['x-raw: 3', 'x-raw: 4', 'x-request: 1', 'set-cookie: a=1', 'set-cookie: b=2', 'x-handler: 2', 'x-send: 5'])
})

t.test('headers of hooks that would break the handshake are left out', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ connection: 'close', upgrade: 'h2c', 'keep-alive': 'timeout=5', 'sec-websocket-protocol': 'foreign', 'content-encoding': 'gzip', 'content-length': '5', 'transfer-encoding': 'chunked' })
    reply.header('content-security-policy', "default-src 'self'").trailer('x-trailer', (_reply, _payload, done) => { done(null, 'late') })
  })
  app.websocket('/', accept)
  await assertHead(t, await listen(app), ["content-security-policy: default-src 'self'"])
})

t.test('headers of accept override the headers of hooks; cookies are added', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-one', 'hook').header('x-two', 'hook').header('set-cookie', 'a=1') })
  app.websocket('/', async (ws) => { await ws.accept({ headers: { 'X-One': 'accept', 'set-cookie': 'b=2' } }) })
  await assertHead(t, await listen(app), ['x-two: hook', 'set-cookie: a=1', 'X-One: accept', 'set-cookie: b=2'])
})

t.test('onSend hooks run before the 101, with null as the payload; the payload that they return is discarded', async (t) => {
  const app = await createApp(t)
  const payloads: unknown[] = []
  const stream = new Readable({ read () { this.push(null) } })
  const types: unknown[] = []
  for (const payload of ['text', Buffer.from('bytes'), stream, undefined]) {
    app.addHook('onSend', async (_request, reply, before) => {
      payloads.push(before)
      types.push(reply.statusCode)
      return payload
    })
  }
  app.addHook('preSerialization', async () => { t.fail('there is nothing to be serialized') })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send('hello')
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.ok((await client.until('hello')).startsWith('\x81\x05hello')) // the close may have arrived as well
  t.same(await client.answer, { status: ACCEPTED, lines: [] })
  t.same(payloads[0], null)
  t.equal(payloads.length, 4)
  t.same(new Set(types), new Set([ACCEPTED]))
})

t.test('a route without onSend hooks is open when accept returns', async (t) => {
  const app = await createApp(t)
  const states: string[] = []
  app.websocket('/', async (ws) => {
    const accepted = ws.accept()
    states.push(ws.state)
    t.equal(await accepted, ws)
    await ws.send('hello')
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal(await peer.next(), 'hello')
  t.same(states, ['open'])
})

t.test('while onSend hooks run, the session is connecting, and can be neither accepted nor denied again', async (t) => {
  const app = await createApp(t)
  const goOn = new Deferred<void>()
  app.websocket('/', { onSend: () => goOn.promise }, async (ws) => {
    const accepted = ws.accept()
    t.equal(ws.state, 'connecting')
    for (const again of [async () => { await ws.accept() }, () => ws.deny()]) {
      await t.rejects(again(), { name: 'WebSocketHandshakeError', message: 'the handshake is being completed already' })
    }
    goOn.resolve()
    await accepted
    t.equal(ws.state, 'open')
    await ws.send('hello')
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal(await peer.next(), 'hello')
})

/** A route whose onSend hook does something about a 101. Returns the error of accept. */
async function refuseIn (t: Test, onSend: (reply: FastifyReply) => unknown, more: (app: FastifyInstance) => void = () => {}): Promise<[port: number, error: Promise<any>]> {
  const app = await createApp(t)
  const error = new Deferred<any>()
  more(app)
  app.websocket('/', { onSend: async (_request, reply) => reply.statusCode === ACCEPTED ? onSend(reply) : undefined }, async (ws) => {
    try {
      await ws.accept()
      t.fail('accepted')
    } catch (e) {
      error.resolve([e, ws.state])
      throw e
    }
  })
  return [await listen(app), error.promise]
}

t.test('the error of an onSend hook is the response, and the cause of the error of accept', async (t) => {
  const [port, rejected] = await refuseIn(t, () => { throw Object.assign(new Error('no session store'), { statusCode: 503 }) })
  t.match(await refusal(port, '/'), { status: 503, body: '"message":"no session store"', headers: { 'content-type': 'application/json; charset=utf-8' } })
  const [error, state] = await rejected
  t.match(error, { name: 'WebSocketHandshakeError', message: 'accept: a hook of the route has changed the response to status 503', cause: { message: 'no session store' } })
  t.equal(state, 'closing')
})

t.test('the error handler answers the error of an onSend hook, through the schema of its response', async (t) => {
  for (const schema of [true, false]) {
    const [port, rejected] = await refuseIn(t, () => { throw new Error('no') }, (app) => {
      if (schema) {
        app.addHook('onRoute', (route) => { route.schema = { ...route.schema, response: { ...route.schema?.response as object, 418: { type: 'object', properties: { why: { type: 'string' } } } } } })
      }
      app.setErrorHandler((error: Error, _request, reply) => { reply.code(418).send({ why: error.message, secret: 1 }) })
    })
    t.match(await refusal(port, '/'), { status: 418, body: schema ? '{"why":"no"}' : '{"why":"no","secret":1}', headers: { 'content-type': /^application\/json/ } })
    t.match(await rejected, [{ cause: { message: 'no' } }])
  }
})

t.test('the status that an onSend hook sets is the status of the response', async (t) => {
  const [port, rejected] = await refuseIn(t, (reply) => {
    reply.code(429).header('retry-after', '1')
    return 'slow down'
  })
  const { status, headers, body } = await refusal(port, '/')
  t.same([status, headers['retry-after'], body, headers['content-type']], [429, '1', 'slow down', undefined])
  const [error] = await rejected
  t.match(error, { name: 'WebSocketHandshakeError', message: 'accept: a hook of the route has changed the response to status 429', cause: undefined })
})

t.test('an onSend hook may answer with a stream, or with its own header', async (t) => {
  const [port] = await refuseIn(t, (reply) => {
    reply.code(402).type('text/plain')
    return Readable.from(['pay ', 'first'])
  })
  const { status, headers, body } = await refusal(port, '/')
  t.same([status, headers['content-type'], body], [402, 'text/plain', 'pay first'])
})

t.test('an invalid header of a hook is a 500, and accept rejects with the error', async (t) => {
  const unhandled = await unhandledRejections(async () => {
    const [port, rejected] = await refuseIn(t, (reply) => { reply.header('x-bad', 'a\r\nb: c') })
    const { status, headers } = await refusal(port, '/')
    t.same([status, headers.b, headers['x-bad']], [500, undefined, undefined])
    const [error] = await rejected
    t.match(error, { name: 'WebSocketHandshakeError', message: /^invalid header "x-bad"/ })
  })
  t.same(unhandled, [])
})

t.test('accept rejects and the signal is aborted if the client leaves while onSend hooks run', async (t) => {
  const app = await createApp(t)
  const running = new Deferred<void>()
  const goOn = new Deferred<void>()
  const ended = new Deferred<unknown[]>()
  app.websocket('/', {
    async onSend () {
      running.resolve()
      await goOn.promise
    }
  }, async (ws) => {
    const error = await ws.accept().catch((error: Error) => error)
    ended.resolve([(error as Error).message, ws.state, ws.signal.aborted])
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await running.promise
  client.leave()
  t.same(await ended.promise, ['the client left during the handshake', 'closed', true])
  goOn.resolve()
  await app.close()
})

t.test('a client that has ended its side before the 101 gets no 101', async (t) => {
  const app = await createApp(t)
  const ended = new Deferred<string>()
  app.websocket('/', {
    async onSend (request) { request.raw.socket.destroy() }
  }, async (ws) => {
    await ws.accept().catch((error: Error) => ended.resolve(error.message))
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.equal(await client.ended, '')
  t.equal(await ended.promise, 'the client left during the handshake')
})

t.test('an onSend hook that never ends is a 503 after handshakeTimeout', async (t) => {
  const app = await createApp(t, { handshakeTimeout: 20 })
  const ended = new Deferred<unknown>()
  app.websocket('/', { onSend: async (_request, reply) => { if (reply.statusCode === ACCEPTED) await new Promise(() => {}) } }, async (ws) => {
    ended.resolve(await ws.accept().catch((error) => error))
  })
  t.match(await refusal(await listen(app), '/'), { status: 503, body: /neither accept\(\) nor deny\(\) within 20 ms/ })
  t.match(await ended.promise, { name: 'WebSocketHandshakeError', cause: { statusCode: 503 } })
})

t.test('a close while onSend hooks run closes the connection that is open then', async (t) => {
  const app = await createApp(t)
  const state = new Deferred<string>()
  app.websocket('/', { onSend: () => setImmediate() as never }, async (ws) => {
    ws.accept()
    await ws.close(4001, 'changed my mind')
    state.resolve(ws.state)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.same(await peer.closed, { code: 4001, reason: 'changed my mind' })
  t.equal(await state.promise, 'closed')
})

t.test('a close while onSend hooks run resolves if the hooks refuse', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { onSend: async (_request, reply) => { reply.code(410) } }, async (ws) => {
    ws.accept()
    await ws.close(4001)
  })
  t.equal((await refusal(await listen(app), '/')).status, 410)
})

t.test('a handler that returns or throws while onSend hooks run closes the connection that is open then', async (t) => {
  const app = await createApp(t)
  app.websocket('/returns', { onSend: () => setImmediate() as never }, (ws) => { ws.accept() })
  app.websocket('/throws', { onSend: () => setImmediate() as never }, (ws) => {
    ws.accept()
    throw Object.assign(new Error('thrown'), { closeCode: 4002 })
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  t.equal((await (await connectPeer(t, `${url}/returns`)).closed).code, 1000)
  t.equal((await (await connectPeer(t, `${url}/throws`)).closed).code, 4002)
})

t.test('a middleware that wraps writeHead of the response sees the 101 and adds headers', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_request, { raw: response }) => {
    const { writeHead } = response
    response.writeHead = function (this: typeof response, status: number, ...rest: any[]) {
      this.setHeader('x-wrapped', String(status))
      return writeHead.call(this, status, ...rest as [])
    } as never
  })
  app.websocket('/', accept)
  await assertHead(t, await listen(app), [`x-wrapped: ${ACCEPTED}`])
})

t.test('accept rejects if a reply has been sent already', async (t) => {
  const app = await createApp(t)
  const begun = new Deferred<void>()
  const sent = new Deferred<void>()
  const ended = new Deferred<unknown>()
  app.websocket('/', {
    async preHandler (_request, reply) {
      begun.promise.then(() => {
        reply.code(409).send('too late')
        sent.resolve()
      })
    }
  }, async (ws) => {
    begun.resolve()
    await sent.promise
    ended.resolve(await ws.accept().catch((error: Error) => error))
  })
  t.equal((await refusal(await listen(app), '/')).status, 409)
  t.match(await ended.promise, { name: 'WebSocketHandshakeError', message: 'the handshake has been answered already, by its reply' })
})

t.test('a route with raw: true answers as @fastify/websocket does: without headers of hooks', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', '1') })
  app.addHook('onSend', async () => { t.fail('onSend runs') })
  app.get('/', { websocket: { raw: true } }, (socket) => { socket.close() })
  await assertHead(t, await listen(app), [])
})

t.test('onResponse hooks run once, when the session is over, with 101 and all of its time', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, {}, serverOptions)
  const order: unknown[] = []
  const responded = new Deferred<number>()
  app.addHook('onResponse', async (request, reply) => {
    order.push(`onResponse ${reply.statusCode} ${String(request.ws)}`)
    responded.resolve(reply.elapsedTime)
  })
  app.websocket('/', {
    onMessage: async (_ws, data) => {
      order.push(data)
      await setTimeout(30)
    },
    onDisconnect: async () => {
      await setTimeout(1)
      order.push('onDisconnect')
    }
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('message')
  peer.socket.close()
  const elapsed = await responded.promise
  t.ok(elapsed >= 30, `${elapsed} ms`)
  t.same(order, ['message', 'onDisconnect', `onResponse ${ACCEPTED} true`])
  await until(() => lines.some(({ msg }) => msg === 'request completed'))
  t.match(lines.filter(({ msg }) => msg === 'request completed'), [{ res: { statusCode: ACCEPTED }, responseTime: elapsed }])
})

t.test('onResponse hooks run once for a refusal, by its response or by a connection that is closed', async (t) => {
  for (const mode of ['http', 'close'] as const) {
    const app = await createApp(t, { refusal: mode })
    const statuses: number[] = []
    app.addHook('onResponse', async (_request, reply) => { statuses.push(reply.statusCode) })
    app.websocket('/denied', (ws) => ws.deny(401))
    app.websocket('/closed', (ws) => ws.close(4001, 'go away'))
    app.websocket('/thrown', () => { throw new Error('thrown') })
    const port = await listen(app)
    for (const [i, path] of ['/denied', '/closed', '/thrown'].entries()) {
      if (mode === 'http') await refusal(port, path)
      else await (await connectPeer(t, `ws://127.0.0.1:${port}${path}`)).closed
      await until(() => statuses.length > i)
    }
    t.same(statuses, [401, 403, 500], mode)
  }
})

t.test('the 101 of a refusal with a connection has the headers of the response, also for a refusal by close()', async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  app.addHook('onRequest', async (_request, reply) => { reply.header('set-cookie', 'a=1') })
  app.addHook('onSend', async (_request, reply) => { reply.header('x-status', reply.statusCode) })
  app.websocket('/denied', (ws) => ws.deny(401, 'no', { 'www-authenticate': 'Bearer' }))
  app.websocket('/closed', (ws) => ws.close(4001, 'go away'))
  const port = await listen(app)
  await assertHead(t, port, ['set-cookie: a=1', 'www-authenticate: Bearer', 'x-status: 401'], '/denied')
  await assertHead(t, port, ['set-cookie: a=1', 'x-status: 403'], '/closed')
})

t.test('handlerTimeout ends at accept', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, {}, { ...serverOptions, handlerTimeout: 50 } as any)
  app.websocket('/accepted', async (ws) => {
    await ws.accept()
    await setTimeout(100)
    await ws.send('still here')
  })
  app.websocket('/undecided', (ws) => ws.closed)
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/accepted`)
  t.equal(await peer.next(), 'still here')
  t.equal((await refusal(port, '/undecided')).status, 503)
  t.same(lines.filter(({ level, msg }) => level >= WARN && !/timed out/.test(msg ?? '')), [])
})

t.test('onSend hooks get undefined if a reply does not show where it keeps its serializer', async (t) => {
  const app = await createApp(t)
  const payloads: unknown[] = []
  app.addHook('onSend', async (_request, _reply, payload) => { payloads.push(payload) })
  app.addHook('preHandler', async (_request, reply) => { Object.defineProperty(reply, 'serializer', { value: () => reply }) })
  app.websocket('/', accept)
  await assertHead(t, await listen(app), [])
  t.same(payloads, [undefined])
})

t.test('onSend hooks see the content type that an earlier hook has set', async (t) => {
  const app = await createApp(t)
  app.addHook('preHandler', async (_request, reply) => { reply.type('text/html') })
  app.addHook('onSend', async (_request, reply) => { reply.header('x-type', reply.getHeader('content-type')) })
  app.websocket('/', accept)
  await assertHead(t, await listen(app), ['x-type: text/html'])
})

t.test("a listener to 'close' of the response is called at the end of the connection", async (t) => {
  const app = await createApp(t)
  const closed = new Deferred<void>()
  app.websocket('/', {
    async onRequest (_request, { raw }) { once(raw, 'close').then(() => closed.resolve()) }
  }, async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.terminate()
  await closed.promise
  t.pass('told')
})

t.test('the response of a complete handshake writes nothing, whatever ends it', async (t) => {
  const app = await createApp(t)
  const accepted = new Deferred<void>()
  const ended = new Deferred<void>()
  app.websocket('/', {
    async preHandler (_request, reply) {
      reply.raw.on('close', () => {}) // so that the response keeps its connection
      accepted.promise.then(() => {
        reply.raw.end('late')
        ended.resolve()
      })
    }
  }, async (ws) => {
    await ws.accept()
    accepted.resolve()
    await ended.promise
    await ws.send('hello')
  })
  const client = await sendHandshake(t, await listen(app), '/')
  t.match(await client.until('hello'), /^\x81\x05hello/) // eslint-disable-line no-control-regex -- the bytes of a frame
})

t.test('a refusal of injectWS of @fastify/websocket ends its stream', async (t) => {
  const app = await createApp(t)
  app.websocket('/', (ws) => ws.deny(401))
  await app.ready()
  await t.rejects(app.injectWS('/'), { message: 'Unexpected server response: 401' })
})

t.test('a refusal that exceeds the buffer of the connection is sent to its end', async (t) => {
  const app = await createApp(t)
  const body = 'x'.repeat(8 * 1024 * 1024)
  app.websocket('/', (ws) => ws.deny(403, Readable.from([body])))
  const answer = await refusal(await listen(app), '/')
  t.equal(answer.body.length, body.length)
})
