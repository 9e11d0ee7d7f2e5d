import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { timers } from '../../lib/base/timers'
import { createApp, listen } from '../helpers/app'
import { FakeClock } from '../helpers/fake-clock'
import { collectLogs, INFO } from '../helpers/logs'
import { connectPeer, type Peer } from '../helpers/peer'
import { sendHandshake } from '../helpers/request-client'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

/** An app with a route whose handler echoes messages, and the ends of its sessions. */
async function createRoute (t: Test, idleTimeout: number, options: Record<string, any> = {}, serverOptions = {}) {
  const app = await createApp(t, { heartbeat: false, ...options, idleTimeout }, serverOptions)
  const ends: any[] = []
  const received: string[] = []
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    ws.closed.then((info) => ends.push(info))
    for await (const message of ws) {
      received.push(message)
      if (message !== '') await ws.send(message)
    }
  })
  return { app, url: `ws://127.0.0.1:${await listen(app)}`, ends, received }
}

t.test('a connection without messages is closed with 1001 and a reason at the timeout, not before, and one line says so', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const { url, ends } = await createRoute(t, 1_000, {}, serverOptions)
  const peer = await connectPeer(t, url)
  peer.socket.send('hello')
  t.equal(await peer.next(), 'hello')
  const begin = performance.now()
  t.same(await peer.closed, { code: 1001, reason: 'no message for 1000 ms' })
  t.ok(performance.now() - begin >= 900) // the echo took a moment to arrive
  await until(() => ends.length === 1)
  t.match(ends, [{ code: 1001, wasClean: true }])
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, msg: /no message for 1000 ms/ }])
  await until(() => timers.size === 0)
})

const TRAFFIC: Record<string, (route: Awaited<ReturnType<typeof createRoute>>, peer: Peer) => Promise<unknown>> = {
  async 'from the client' ({ received }, { socket }) {
    const before = received.length
    socket.send('')
    await until(() => received.length > before)
  },
  async 'to the client' ({ app }, peer) {
    for (const ws of app.websockets) await ws.send('tick')
    await peer.next()
  },
  async 'that are published' ({ app }, peer) {
    await app.websockets.publish('news', 'tick')
    await peer.next()
  }
}

for (const [name, act] of Object.entries(TRAFFIC)) {
  t.test(`messages ${name} keep a connection open`, async (t) => {
    const clock = new FakeClock(t)
    const route = await createRoute(t, 400)
    const peer = await connectPeer(t, route.url)
    for (let n = 0; n < 5; n++) {
      await clock.pass(310)
      t.equal(peer.socket.readyState, peer.socket.OPEN)
      await act(route, peer)
    }
    await clock.pass(400)
    t.same(route.ends, [])
    await clock.pass(400 / 16 + 10)
    t.equal((await peer.closed).code, 1001)
  })
}

t.test('pings and pongs of either side do not keep a connection open', async (t) => {
  const clock = new FakeClock(t)
  const { app, url } = await createRoute(t, 150, { heartbeat: { interval: 20, timeout: 5_000 } })
  const peer = await connectPeer(t, url)
  let pings = 0
  peer.socket.on('ping', () => { pings++ })
  for (let n = 0; n < 15; n++) {
    t.equal(peer.socket.readyState, peer.socket.OPEN)
    await clock.pass(10)
    peer.socket.ping()
    await once(peer.socket, 'pong')
    for (const ws of app.websockets) await ws.ping()
  }
  t.ok(pings > 15, 'the heartbeat has pinged, too')
  await clock.pass(10)
  t.equal((await peer.closed).code, 1001)
})

t.test('a client whose socket is paused is not idle: its messages wait', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { idleTimeout: 100, receiveHighWaterMark: 100 })
  const session = new Deferred<WebSocketSession>()
  const goOn = new Deferred<void>()
  app.websocket('/', async (ws) => {
    session.resolve(await ws.accept())
    await goOn.promise
    for await (const message of ws) await ws.send(message)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('x'.repeat(200))
  peer.socket.send('last')
  const { raw } = await session.promise
  await until(() => raw!.isPaused)
  await clock.pass(1_000)
  goOn.resolve()
  t.equal(await peer.next(), 'x'.repeat(200))
  t.equal(await peer.next(), 'last')
  await clock.pass(120)
  t.equal((await peer.closed).code, 1001)
})

t.test('messages that have arrived are delivered before the disconnect', async (t) => {
  const app = await createApp(t, { idleTimeout: 50 })
  const seen: unknown[] = []
  const over = new Promise<void>((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await once(ws.signal, 'abort')
      for await (const message of ws) seen.push(message)
      resolve()
    })
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('first')
  peer.socket.send('second')
  t.equal((await peer.closed).code, 1001)
  await over
  t.same(seen, ['first', 'second'])
})

t.test('a closing connection ends with the code of its close', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { idleTimeout: 30 })
  const end = new Promise<unknown>((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      ws.close(4001)
      resolve(await ws.closed)
    })
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await client.until('\x88\x02\x0f\xa1')
  await clock.pass(120)
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1]))
  t.match(await end, { code: 4001, wasClean: true })
})

t.test('a route without idleTimeout, and one that turns it off, keep idle connections', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { idleTimeout: 40 })
  app.websocket('/', { websocket: { idleTimeout: false } }, async (ws) => { await (await ws.accept()).closed })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await clock.pass(150)
  await setImmediate()
  t.equal(peer.socket.readyState, peer.socket.OPEN)
})
