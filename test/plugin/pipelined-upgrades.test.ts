import { once, type EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { connectTcp, frame, upgradeRequest } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocketPluginOptions } from '../../types/options'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** An app whose route `/slow` waits for `goOn`, and whose route `/ws` echoes. */
async function createSlowApp (t: Test, options: WebSocketPluginOptions = {}): Promise<{ app: FastifyInstance, port: number, slow: Promise<FastifyRequest>, goOn: Deferred<void>, accepted: () => number }> {
  const app = await createApp(t, options)
  const slow = new Deferred<FastifyRequest>()
  const goOn = new Deferred<void>()
  let accepted = 0
  app.get('/slow', async (request) => {
    slow.resolve(request)
    await goOn.promise
    return 'slow'
  })
  app.get('/fast', async () => 'fast')
  app.addHook('onSend', async (request: FastifyRequest, reply) => { if (request.url.endsWith('?last')) reply.header('connection', 'close') })
  app.websocket('/ws', async (ws) => {
    accepted++
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  return { app, port: await listen(app), slow: slow.promise, goOn, accepted: () => accepted }
}

/** Resolves at the next `event`. Unlike `once` of Node, it does not reject for 'error'. */
function next (emitter: EventEmitter | AbortSignal, event: string): Promise<unknown> {
  return new Promise((resolve) => {
    if (emitter instanceof AbortSignal) emitter.addEventListener(event, resolve)
    else emitter.once(event, resolve)
  })
}

/** Resolves when an upgrade has arrived. */
async function upgraded (app: FastifyInstance): Promise<void> {
  await once(app.server, 'upgrade')
}

t.test('an upgrade behind unanswered requests is answered after them, and gets the bytes behind it', async (t) => {
  const { app, port, slow, goOn } = await createSlowApp(t)
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  const long = 'x'.repeat(100_000)
  client.write(Buffer.concat([Buffer.from(get('/slow') + get('/fast') + upgradeRequest('/ws')), frame('a')]))
  await Promise.all([slow, arrived])
  client.write(frame(long))
  goOn.resolve()
  t.match(await client.until(long), /^HTTP\/1\.1 200 .*slowHTTP\/1\.1 200 .*fastHTTP\/1\.1 101 .*\r\n\r\n\x81.a\x81\x7f/s)
  client.write(frame('b'))
  await client.until('\x81\x01b')
})

t.test('an upgrade behind a request that has just been answered is answered', async (t) => {
  const { port } = await createSlowApp(t)
  const client = await connectTcp(t, port)
  client.write(Buffer.concat([Buffer.from(get('/fast') + upgradeRequest('/ws')), frame('a')]))
  t.match(await client.until('\x81\x01a'), /fastHTTP\/1\.1 101 /)
})

t.test('the handler does not run if an earlier response ends the connection', async (t) => {
  for (const path of ['/slow', '/fast']) {
    const { app, port, goOn, accepted } = await createSlowApp(t)
    const client = await connectTcp(t, port)
    const arrived = upgraded(app)
    client.write(get(`${path}?last`) + upgradeRequest('/ws'))
    await arrived
    goOn.resolve()
    t.match(await client.ended, new RegExp(`${path.slice(1)}$`))
    t.equal(accepted(), 0)
  }
})

t.test('an upgrade that waits longer than handshakeTimeout ends with its connection', async (t) => {
  const { port, accepted } = await createSlowApp(t, { handshakeTimeout: 50 })
  const client = await connectTcp(t, port)
  const begin = performance.now()
  t.equal(await client.write(get('/slow') + upgradeRequest('/ws')).ended, '')
  t.ok(performance.now() - begin < 2000)
  t.equal(accepted(), 0)
})

t.test('an upgrade that waits counts for maxConnections, until it is answered or its client leaves', async (t) => {
  const { app, port, goOn } = await createSlowApp(t, { maxConnections: 1 })
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  client.write(get('/slow') + upgradeRequest('/ws'))
  await arrived
  t.equal((await refusal(port, '/ws')).status, 503)
  goOn.resolve()
  await client.until('101')
  t.equal((await refusal(port, '/ws')).status, 503)
  client.stream.destroy()
  await until(() => app.websockets.size === 0)
  await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
})

t.test('a client that leaves while it waits no longer counts, and the earlier request is aborted', async (t) => {
  for (const leave of ['destroy', 'end'] as const) {
    const { app, port, slow } = await createSlowApp(t, { maxConnections: 1 })
    const client = await connectTcp(t, port)
    const arrived = upgraded(app)
    client.write(get('/slow') + upgradeRequest('/ws'))
    const request = await slow
    const told = Promise.all([next(request.raw, 'aborted'), next(request.raw, 'close'), request.signal === undefined ? undefined : next(request.signal, 'abort')])
    await arrived
    client.stream[leave]()
    await told
    await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
  }
})

t.test('a connection that is reset while it waits does not end the process', async (t) => {
  const { app, port, slow } = await createSlowApp(t)
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  client.write(get('/slow') + upgradeRequest('/ws'))
  const closed = next((await slow).raw.socket, 'close')
  await arrived
  client.stream.resetAndDestroy()
  t.equal(await closed, true, 'with an error')
})

t.test('app.close() lets the earlier request be answered, and does not wait for the upgrade behind it', async (t) => {
  const { app, port, slow, goOn, accepted } = await createSlowApp(t)
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  client.write(get('/slow') + upgradeRequest('/ws'))
  await Promise.all([slow, arrived])
  const begin = performance.now()
  const closed = app.close()
  await until(() => !app.server.listening)
  goOn.resolve()
  t.match(await client.ended, /slowHTTP\/1\.1 503 /)
  await closed
  t.ok(performance.now() - begin < 1000)
  t.equal(accepted(), 0)
})

t.test('the idle timeout between two requests does not apply to a handshake', async (t) => {
  const timeouts: unknown[] = []
  const { app, port, goOn } = await createSlowApp(t, { origins: (_origin, { raw }) => timeouts.push(raw.socket.timeout) > 0 })
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  client.write(get('/slow') + upgradeRequest('/ws', { headers: { origin: 'http://x' } }))
  await arrived
  goOn.resolve()
  await client.until('101')
  t.same(timeouts, [0])
})

t.test('a reader that takes the connection while the upgrade waits keeps it', async (t) => {
  const { app, port, slow, goOn, accepted } = await createSlowApp(t, { maxConnections: 1 })
  const client = await connectTcp(t, port)
  const arrived = upgraded(app)
  client.write(get('/slow') + upgradeRequest('/ws') + 'for you')
  const { raw: { socket } } = await slow
  await arrived
  const [data] = await once(socket, 'data')
  t.equal(data.toString(), 'for you')
  goOn.resolve()
  await client.until('slow')
  socket.destroy()
  await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
  t.equal(accepted(), 1)
})
