import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Deferred } from '../lib/promise'
import { createApp, listen } from './helpers/app'
import { collectLogs, WARN } from './helpers/logs'
import { connectPeer } from './helpers/peer'
import { refusal } from './helpers/refusal'
import { connectTcp, nobodyIsConnected, upgradeRequest } from './helpers/tcp'
import { until } from './helpers/until'
import type { WebSocketSession } from '../types/session'

/** How long `action` takes, in milliseconds. */
async function duration (action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await action()
  return performance.now() - begin
}

t.test('app.close() is quick when everybody behaves', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all(Array.from({ length: 50 }, () => connectPeer(t, url)))
  t.equal(app.websockets.size, 50)
  t.ok(await duration(() => app.close()) < 1000)
  for (const { closed } of peers) t.same(await closed, { code: 1001, reason: '' })
  t.equal(app.websockets.size, 0)
})

t.test('app.close() closes with 1001 what is in the middle of sending, receiving or waiting', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, {}, serverOptions)
  const ends: string[] = []
  const handlers: Record<string, (ws: WebSocketSession) => Promise<unknown>> = {
    receive: (ws) => ws.receive(),
    pair: (ws) => ws.pair('?'),
    async send (ws) { for (;;) await ws.send('x'.repeat(1000)) },
    signal: (ws) => setTimeout(60_000, null, { signal: ws.signal }),
    closed: (ws) => ws.closed
  }
  for (const [name, handle] of Object.entries(handlers)) {
    app.websocket(`/${name}`, async (ws) => {
      await ws.accept()
      try {
        await handle(ws)
      } finally {
        ends.push(name)
      }
    })
  }
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all(Object.keys(handlers).map((name) => connectPeer(t, `${url}/${name}`)))
  for (const { socket } of peers) socket.on('message', () => {})
  t.ok(await duration(() => app.close()) < 1000)
  for (const { closed } of peers) t.equal((await closed).code, 1001)
  t.same(ends.sort(), Object.keys(handlers).sort())
  t.same(lines.filter(({ level }) => level >= WARN), [])
})

t.test('what has been sent before app.close() arrives before the close', async (t) => {
  const app = await createApp(t)
  const sent = new Deferred<void>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    for (let i = 0; i < 1000; i++) ws.send(i)
    sent.resolve()
    await ws.closed
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await sent.promise
  const [messages] = await Promise.all([peer.rest(), app.close()])
  t.same(messages, Array.from({ length: 1000 }, (_, i) => String(i)))
})

t.test('app.close() forces the end of a client that does not answer the close, after closeTimeout', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    ended.resolve(await ws.closed)
  })
  const client = await connectTcp(t, await listen(app))
  await client.write(upgradeRequest('/')).until('101')
  const took = await duration(() => app.close())
  t.ok(took >= 90 && took < 2000, `${took} ms`)
  t.same(await ended.promise, { code: 1006, reason: '', wasClean: false })
  t.match(await client.ended, '\x88\x02\x03\xe9')
})

t.test('app.close() forces the end of a client that does not read', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  let session: WebSocketSession | undefined
  app.websocket('/', async (ws) => {
    session = ws
    await ws.accept()
    for (;;) await ws.send('x'.repeat(100_000))
  })
  const client = await connectTcp(t, await listen(app))
  client.socket.pause()
  client.write(upgradeRequest('/'))
  await until(() => session !== undefined && session.bufferedAmount > 100_000)
  const took = await duration(() => app.close())
  t.ok(took >= 90 && took < 2000, `${took} ms`)
  t.equal(session!.state, 'closed')
})

t.test('app.close() forces the end of a raw socket that does not answer, too', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  app.get('/', { websocket: { raw: true } }, () => {})
  const client = await connectTcp(t, await listen(app))
  await client.write(upgradeRequest('/')).until('101')
  t.ok(await duration(() => app.close()) < 2000)
  await client.ended
})

t.test('after app.close() a handler that goes on finds its session closed', async (t) => {
  const app = await createApp(t)
  const results = new Deferred<unknown[]>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await once(ws.signal, 'abort')
    results.resolve(await Promise.all([ws.send('x'), ws.receive(), ws.ping(), ws.subscribe('x')].map((promise) => promise.catch((error: Error) => error.name))))
    await ws.close()
  })
  await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.same(await results.promise, Array(4).fill('WebSocketDisconnect'))
})

t.test('a refusal that is being written is written to its end', async (t) => {
  const app = await createApp(t)
  const body = 'x'.repeat(8 * 1024 * 1024)
  const begun = new Deferred<void>()
  app.websocket('/', async (ws) => {
    ws.deny(401, body)
    begun.resolve()
  })
  const answer = refusal(await listen(app), '/')
  await begun.promise
  await app.close()
  t.equal((await answer).body.length, body.length)
})

t.test('sessions are closed before the onClose hooks of the app run, and can use what these close', async (t) => {
  const order: string[] = []
  const app = await createApp(t)
  app.addHook('onClose', async () => { order.push('the database is closed') })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.closed
    await setTimeout(20)
    order.push('the handler has saved its work')
  })
  await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.same(order, ['the handler has saved its work', 'the database is closed'])
})

t.test('app.close() leaves no connection behind, whatever state it is in', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  const started = new Set<string>()
  app.server.on('upgrade', (request) => { started.add(request.url!) })
  app.websocket('/open', async (ws) => { await (await ws.accept()).closed })
  app.websocket('/connecting', async (ws) => { await ws.closed })
  app.websocket('/denied', async (ws) => { await ws.deny() })
  app.get('/http', async () => 'http')
  const port = await listen(app)
  const requests = ['/open', '/connecting', '/denied', '/http', '/unknown']
  for (const path of requests) {
    const client = await connectTcp(t, port)
    client.socket.allowHalfOpen = true // nor do these clients close by themselves
    client.write(upgradeRequest(path))
  }
  await until(() => started.size === requests.length)
  t.ok(await duration(() => app.close()) < 3000)
  await nobodyIsConnected(t, app)
})

t.test('app.close() may be called from a handler, as long as nobody waits for it there', async (t) => {
  const app = await createApp(t)
  const closed = new Deferred<void>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    closed.resolve(app.close().then(() => {}))
    await ws.closed
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal((await peer.closed).code, 1001)
  await closed.promise
})
