import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { timers } from '../../lib/base/timers'
import { createApp, listen } from '../helpers/app'
import { collectLogs, INFO } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { until } from '../helpers/until'

/** An app with a route whose handler echoes messages, and the ends of its sessions. */
async function createRoute (t: Test, idleTimeout: number, options: Record<string, any> = {}, serverOptions = {}) {
  const app = await createApp(t, { heartbeat: false, ...options, idleTimeout }, serverOptions)
  const ends: any[] = []
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    ws.closed.then((info) => ends.push(info))
    for await (const message of ws) if (message !== '') await ws.send(message)
  })
  return { app, url: `ws://127.0.0.1:${await listen(app)}`, ends }
}

t.test('a connection without messages is closed with 1001 and a reason at the timeout, not before, and one line says so', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const { url, ends } = await createRoute(t, 200, {}, serverOptions)
  const peer = await connectPeer(t, url)
  peer.socket.send('hello')
  t.equal(await peer.next(), 'hello')
  const begin = performance.now()
  t.same(await peer.closed, { code: 1001, reason: 'no message for 200 ms' })
  t.ok(performance.now() - begin >= 190) // the echo took a moment to arrive
  await until(() => ends.length === 1)
  t.match(ends, [{ code: 1001, wasClean: true }])
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, msg: /no message for 200 ms/ }])
  t.equal(timers.size, 0)
})

const TRAFFIC: Record<string, (app: Awaited<ReturnType<typeof createApp>>, socket: { send (data: string): void }) => void> = {
  'from the client': (_app, socket) => socket.send(''),
  'to the client': (app) => { for (const ws of app.websockets) ws.send('tick') },
  'that are published': (app) => { app.websockets.publish('news', 'tick') }
}

for (const [name, act] of Object.entries(TRAFFIC)) {
  t.test(`messages ${name} keep a connection open`, async (t) => {
    const { app, url, ends } = await createRoute(t, 400)
    const peer = await connectPeer(t, url)
    for (let n = 0; n < 12; n++) {
      act(app, peer.socket)
      await setTimeout(50)
    }
    t.same(ends, [])
    t.equal((await peer.closed).code, 1001)
  })
}

t.test('pings and pongs of either side do not keep a connection open', async (t) => {
  const { app, url } = await createRoute(t, 150, { heartbeat: { interval: 20, timeout: 5_000 } })
  const peer = await connectPeer(t, url)
  const pinging = setInterval(() => {
    peer.socket.ping()
    for (const ws of app.websockets) ws.ping()
  }, 10)
  t.teardown(() => clearInterval(pinging))
  t.equal((await peer.closed).code, 1001)
})

t.test('a client whose socket is paused is not idle: its messages wait', async (t) => {
  const app = await createApp(t, { idleTimeout: 100, receiveHighWaterMark: 100 })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await setTimeout(400)
    for await (const message of ws) await ws.send(message)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('x'.repeat(200))
  peer.socket.send('last')
  t.equal(await peer.next(), 'x'.repeat(200))
  t.equal(await peer.next(), 'last')
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
  const app = await createApp(t, { idleTimeout: 30, closeTimeout: 300 })
  const end = new Promise<unknown>((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      ws.close(4001)
      resolve(await ws.closed)
    })
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.pause() // so that the client answers late
  await setTimeout(120)
  peer.socket.resume()
  t.match(await end, { code: 4001, wasClean: true })
})

t.test('a route without idleTimeout, and one that turns it off, keep idle connections', async (t) => {
  const app = await createApp(t, { idleTimeout: 40 })
  app.websocket('/', { websocket: { idleTimeout: false } }, async (ws) => { await (await ws.accept()).closed })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await setTimeout(150)
  t.equal(peer.socket.readyState, peer.socket.OPEN)
})
