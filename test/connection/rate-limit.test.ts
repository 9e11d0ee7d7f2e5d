import { once } from 'node:events'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { RateLimit, type RateLimitOptions } from '../../lib/connection/rate-limit'
import { createApp, listen } from '../helpers/app'
import { collectLogs, INFO } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { BINARY, clientFrame, CONTINUATION, PING, TEXT } from '../helpers/frames'
import { sendHandshake } from '../helpers/request-client'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

/** A limit on a clock that stands still, and `pass`, which moves the clock on. */
function createLimit (t: Test, options: RateLimitOptions) {
  let now = 1_000
  const clock = mock.method(performance, 'now', () => now)
  t.teardown(() => clock.mock.restore())
  const flow: string[] = []
  const limit = new RateLimit(options, { pause: () => flow.push('pause'), resume: () => flow.push('resume') })
  /** The number of messages that may come now. */
  const takeAll = (): number => {
    let count = 0
    while (limit.take()) count++
    return count
  }
  return { limit, flow, takeAll, pass: (ms: number) => { now += ms } }
}

t.test('the messages of one interval may come at once', async (t) => {
  const { takeAll } = createLimit(t, { messages: 10, interval: 1_000 })
  t.equal(takeAll(), 10)
  t.equal(takeAll(), 0)
})

t.test('after that, messages may come evenly, however many came too early', async (t) => {
  const { limit, pass } = createLimit(t, { messages: 4, interval: 1_000 })
  for (let n = 0; n < 4; n++) t.ok(limit.take())
  const times = []
  for (let ms = 125; ms <= 1_500; ms += 125) {
    pass(125)
    if (limit.take()) times.push(ms)
  }
  t.same(times, [250, 500, 750, 1_000, 1_250, 1_500])
})

t.test('silence earns no more than one interval', async (t) => {
  const { takeAll, pass } = createLimit(t, { messages: 10, interval: 1_000 })
  pass(60_000)
  t.equal(takeAll(), 10)
  pass(60_000)
  t.equal(takeAll(), 10)
  pass(500)
  t.equal(takeAll(), 5)
})

t.test('messages that may have been sent during a pause may come after it, once', async (t) => {
  const { limit, takeAll, pass, flow } = createLimit(t, { messages: 10, interval: 1_000 })
  limit.pause()
  pass(5_000)
  limit.resume()
  t.same(flow, ['pause', 'resume'])
  t.equal(takeAll(), 60)
  pass(60_000)
  t.equal(takeAll(), 10)
})

t.test('a pause adds tokens for its length, and no more', async (t) => {
  const { limit, takeAll, pass } = createLimit(t, { messages: 8, interval: 1_024 })
  takeAll()
  for (let n = 0; n < 10; n++) {
    limit.pause()
    pass(512)
    limit.resume()
  }
  t.equal(takeAll(), 40)
})

/** An app with a rate limit on its route, and the messages that its handler has seen. */
async function createRoute (t: Test, rateLimit: RateLimitOptions, options: Record<string, any> = {}, serverOptions = {}) {
  const app = await createApp(t, { ...options, rateLimit }, serverOptions)
  const messages: unknown[] = []
  const ends: any[] = []
  app.websocket('/', {
    websocket: {
      receiveType: 'any',
      onMessage: (_ws: unknown, data: unknown) => { messages.push(data) },
      onDisconnect: (_ws: unknown, info: unknown) => { ends.push(info) }
    }
  })
  return { app, url: `ws://127.0.0.1:${await listen(app)}`, messages, ends }
}

t.test('a client over the limit is closed once, with 1008 and a reason; messages within the limit are delivered, none after them', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const { url, messages, ends } = await createRoute(t, { messages: 3, interval: 60_000 }, {}, serverOptions)
  const peer = await connectPeer(t, url)
  for (let n = 0; n < 10; n++) peer.socket.send(String(n))
  t.same(await peer.closed, { code: 1008, reason: 'rate limit exceeded: 3 per 60000 ms' })
  await until(() => ends.length === 1)
  t.match(ends, [{ code: 1008 }])
  t.same(messages, ['0', '1', '2'])
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, msg: /rate limit exceeded: 3 per 60000 ms/ }])
})

t.test('messages within the limit that still wait are delivered before the disconnect', async (t) => {
  const app = await createApp(t, { rateLimit: { messages: 3, interval: 60_000 }, receiveHighWaterMark: 300 })
  const seen: unknown[] = []
  const peerClosed = new Promise<void>((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await once(ws.raw!, 'close')
      t.equal(ws.state, 'closed')
      try {
        for await (const message of ws) seen.push(message)
      } catch (error: any) {
        seen.push(error.closeCode)
      }
      resolve()
    })
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  for (let n = 0; n < 5; n++) peer.socket.send(String(n))
  await peerClosed
  t.same(seen, ['0', '1', '2', 1008])
})

t.test('a message counts once, in any number of frames, and control frames do not count', async (t) => {
  const { app, url, messages, ends } = await createRoute(t, { messages: 3, interval: 60_000 })
  const client = await sendHandshake(t, Number(new URL(url).port), '/')
  await client.answer
  const fragments = ['a', 'b', 'c', 'd'].map((text) => clientFrame(CONTINUATION, text, false))
  const pings = Array.from({ length: 20 }, () => clientFrame(PING, ''))
  client.write(Buffer.concat([clientFrame(TEXT, '', false), ...fragments, ...pings, clientFrame(CONTINUATION, 'e')]))
  client.write(clientFrame(BINARY, ''))
  client.write(clientFrame(TEXT, ''))
  await until(() => messages.length === 3)
  t.same(messages, ['abcde', Buffer.alloc(0), ''])
  t.same([ends, app.websockets.size], [[], 1])
  client.write(clientFrame(TEXT, 'one more'))
  await client.until('\x03\xf0rate limit exceeded')
})

t.test('a client within the limit is not cut off if the handler is slow', async (t) => {
  const clock = mock.method(performance, 'now', () => 1_000)
  t.teardown(() => clock.mock.restore())
  const app = await createApp(t, { rateLimit: { messages: 20, interval: 1_000 }, receiveHighWaterMark: 100 })
  const session = new Deferred<WebSocketSession>()
  const goOn = new Deferred<void>()
  const messages: string[] = []
  app.websocket('/', async (ws) => {
    session.resolve(await ws.accept())
    await goOn.promise
    for await (const message of ws) messages.push(message)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  const sent = Array.from({ length: 36 }, (_, n) => `${n}`.padStart(20))
  for (const message of sent.slice(0, 18)) peer.socket.send(message)
  const { raw } = await session.promise
  await until(() => raw!.isPaused)
  for (const message of sent.slice(18)) peer.socket.send(message)
  peer.socket.close()
  clock.mock.mockImplementation(() => 2_000)
  goOn.resolve()
  t.equal((await peer.closed).code, 1005)
  t.same(messages, sent)
})

t.test('a route has its own limit, or none', async (t) => {
  const app = await createApp(t, { rateLimit: { messages: 1, interval: 60_000 } })
  for (const [path, rateLimit] of [['/none', false], ['/own', { messages: 2, interval: 60_000 }]] as const) {
    app.websocket(path, { websocket: { rateLimit } }, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  }
  const url = `ws://127.0.0.1:${await listen(app)}`
  const free = await connectPeer(t, `${url}/none`)
  for (let n = 0; n < 100; n++) free.socket.send(String(n))
  for (let n = 0; n < 100; n++) t.equal(await free.next(), String(n))
  const limited = await connectPeer(t, `${url}/own`)
  for (let n = 0; n < 3; n++) limited.socket.send(String(n))
  t.same(await limited.closed, { code: 1008, reason: 'rate limit exceeded: 2 per 60000 ms' })
})
