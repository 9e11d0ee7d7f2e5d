import { once } from 'node:events'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { sendHandshake, type RequestClient } from '../helpers/request-client'
import { until } from '../helpers/until'

/** Lets `ms` milliseconds pass for `setTimeout`, in steps, so that the callbacks of the timers can finish. */
async function pass (ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    mock.timers.tick(100)
    await setImmediate()
  }
}

t.test('app.close() closes sessions and the sockets of raw routes with 1001, and waits for their handlers', async (t) => {
  const app = await createApp(t)
  const order: string[] = []
  app.websocket('/session', async (ws) => {
    await ws.accept()
    for await (const message of ws) t.fail(message)
    order.push((await ws.closed).code.toString())
    await setImmediate()
    order.push('the handler ends')
  })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = [await connectPeer(t, `${url}/session`), await connectPeer(t, `${url}/raw`)]
  const [session] = app.websockets
  t.equal(app.websockets.size, 1)
  t.ok(app.websockets.has(session))
  await app.close()
  order.push('close() resolves')
  t.same(order, ['1001', 'the handler ends', 'close() resolves'])
  t.equal(app.websockets.size, 0)
  t.notOk(app.websockets.has(session))
  for (const { closed } of peers) t.same(await closed, { code: 1001, reason: '' })
})

t.test('app.close() answers handshakes with 503: at once if their handler runs, otherwise after their hooks', async (t) => {
  const app = await createApp(t)
  const goOn = new Deferred<void>()
  const started = [new Deferred<void>(), new Deferred<void>()]
  app.websocket('/handler', async (ws) => {
    started[0].resolve()
    await once(ws.signal, 'abort')
    t.equal(ws.state, 'closed')
  })
  const preHandler = async (): Promise<void> => {
    started[1].resolve()
    await goOn.promise
  }
  app.websocket('/hook', { preHandler }, () => { t.fail('the handler runs') })
  const port = await listen(app)
  const clients = []
  for (const [i, path] of ['/handler', '/hook'].entries()) {
    clients.push(await sendHandshake(t, port, path))
    await started[i].promise
  }
  const closed = app.close()
  t.match(await clients[0].ended, 'the server is closing')
  goOn.resolve()
  t.match(await clients[1].ended, 'the server is closing')
  for (const { answer } of clients) t.match(await answer, { status: 503 })
  await closed
})

t.test('app.close() does not change the response of a handshake that is being refused', async (t) => {
  const app = await createApp(t)
  const answering = new Deferred<void>()
  const goOn = new Deferred<void>()
  app.setErrorHandler(() => { t.fail('there is an error to answer with') })
  app.websocket('/refused', {
    async onSend () {
      answering.resolve()
      await goOn.promise
    }
  }, async (ws) => {
    await ws.deny(401, 'no')
    t.equal(ws.state, 'closed')
  })
  app.websocket('/open', async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/open`)
  const client = await sendHandshake(t, port, '/refused')
  await answering.promise
  const closed = app.close()
  t.equal((await peer.closed).code, 1001) // the shutdown is running
  goOn.resolve()
  t.equal(await client.ended, 'no', 'one response')
  t.match(await client.answer, { status: 401 })
  await closed
})

t.test('the clients of app.websocketServer are the open sockets of raw routes', async (t) => {
  const app = await createApp(t)
  const sockets: unknown[] = []
  app.websocket('/session', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  app.get('/raw', { websocket: { raw: true } }, (socket: unknown) => { sockets.push(socket) })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = [await connectPeer(t, `${url}/session`), await connectPeer(t, `${url}/raw`)]
  const { clients } = app.websocketServer
  t.same([...clients], sockets)
  t.equal(sockets.length, 1)
  for (const { socket } of peers) socket.close()
  await until(() => clients.size === 0)
})

t.test('app.close() does not wait if no handler is running', async (t) => {
  const app = await createApp(t)
  app.get('/', { websocket: { raw: true } }, () => {})
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  const begin = Date.now()
  await app.close()
  t.ok(Date.now() - begin < 5_000)
  t.equal((await peer.closed).code, 1001)
})

t.test('app.close() drops connections and handshakes that do not end within 10 s, and resolves', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const app = await createApp(t, { closeTimeout: 60_000 })
  const forever = new Promise<void>(() => {})
  const started = new Set<string>()
  app.websocket('/handler', async (ws) => {
    await ws.accept()
    started.add('handler')
    await forever
  })
  app.websocket('/handshake', async () => {
    started.add('handshake')
    await forever
  })
  app.websocket('/refused', async (ws) => {
    await ws.deny()
    started.add('refused')
    await forever
  })
  app.websocket('/hook', {
    async preHandler () {
      started.add('hook')
      await forever
    }
  }, () => { t.fail('the handler runs') })
  app.get('/raw', { websocket: { raw: true } }, () => { started.add('raw') })
  const port = await listen(app)
  const clients = new Map<string, RequestClient>()
  for (const name of ['handler', 'handshake', 'refused', 'hook', 'raw']) {
    const client = await sendHandshake(t, port, `/${name}`) // the client does not answer a close frame
    clients.set(name, client)
    while (!started.has(name)) await setImmediate()
  }
  const injected = await app.injectWebSocket('/handler')

  let isClosed = false
  const closed = app.close().then(() => { isClosed = true })
  for (const name of ['handler', 'raw']) await clients.get(name)!.until('\x88\x02\x03\xe9')
  t.match(await clients.get('handshake')!.answer, { status: 503 })
  await clients.get('handshake')!.ended
  await pass(9_900)
  t.notOk(isClosed)
  for (const name of ['handler', 'hook', 'raw']) t.notOk(clients.get(name)!.hasEnded, name)
  await pass(200)
  for (const name of ['handler', 'hook', 'raw']) await clients.get(name)!.ended
  await closed
  t.equal(app.websockets.size, 0)
  t.equal(injected.state, 'closed')
})
