import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR, WARN } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake } from '../helpers/request-client'
import { frame, assertNoConnections } from '../helpers/tcp'
import { ACCEPTED, http1Only, http2Server } from '../helpers/transport'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

/** Returns the milliseconds that `action` takes. */
async function duration (action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await action()
  return performance.now() - begin
}

async function stay (ws: WebSocketSession): Promise<void> {
  await (await ws.accept()).closed
}

/** The number of timers that keep the process running. */
function timers (): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

t.test('app.close() is quick if all clients and handlers end', async (t) => {
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

t.test('app.close() closes sessions that send, receive or wait with 1001', async (t) => {
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

t.test('messages that were sent before app.close() arrive before the close', async (t) => {
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
  const client = await sendHandshake(t, await listen(app), '/')
  await client.answer
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
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  await until(() => session !== undefined && session.bufferedAmount > 100_000)
  const took = await duration(() => app.close())
  t.ok(took >= 90 && took < 2000, `${took} ms`)
  t.equal(session!.state, 'closed')
})

t.test('app.close() forces the end of a raw socket that does not answer', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  app.get('/', { websocket: { raw: true } }, () => {})
  const client = await sendHandshake(t, await listen(app), '/')
  await client.answer
  t.ok(await duration(() => app.close()) < 2000)
  await client.ended
})

t.test('a handler that goes on after app.close() finds its session closed', async (t) => {
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

t.test('app.close() lets a refusal that is being written end', async (t) => {
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

t.test('sessions end before the onClose hooks of the app run, and can use the resources that the hooks close', async (t) => {
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

t.test('app.close() leaves no connection open, in any state', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  const started = new Set<string>()
  if (http2Server === undefined) app.server.on('upgrade', ({ url }) => { started.add(url!) })
  else app.server.on('stream', (_stream, { ':path': path }) => { started.add(path) })
  app.websocket('/open', async (ws) => { await (await ws.accept()).closed })
  app.websocket('/connecting', async (ws) => { await ws.closed })
  app.websocket('/denied', async (ws) => { await ws.deny() })
  app.get('/http', async () => 'http')
  const port = await listen(app)
  const requests = ['/open', '/connecting', '/denied', '/http', '/unknown']
  for (const path of requests) {
    const client = await sendHandshake(t, port, path)
    client.stream.allowHalfOpen = true // these clients do not close by themselves
  }
  await until(() => started.size === requests.length)
  t.ok(await duration(() => app.close()) < 3000)
  await assertNoConnections(t, app)
})

t.test('app.close() may be called in a handler that does not await it', async (t) => {
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

t.test('sessions and raw sockets are closed with the code and reason of the option shutdown', async (t) => {
  const app = await createApp(t, { shutdown: { code: 1012, reason: 'back in a minute '.repeat(10) } })
  app.websocket('/', stay)
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = [await connectPeer(t, url), await connectPeer(t, `${url}/raw`)]
  await app.close()
  for (const { closed } of peers) t.same(await closed, { code: 1012, reason: 'back in a minute '.repeat(10).slice(0, 123) })
})

t.test('the closes are spread evenly, and sessions that are not closed yet go on', async (t) => {
  const app = await createApp(t, { shutdown: { spread: 400 } })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all(Array.from({ length: 8 }, () => connectPeer(t, url)))
  const begin = performance.now()
  const times = Promise.all(peers.map(async ({ closed }) => {
    t.equal((await closed).code, 1001)
    return performance.now() - begin
  }))
  const closed = app.close()
  await peers[0].closed
  peers[7].socket.send('still here')
  t.equal(await peers[7].next(), 'still here')
  await closed
  for (const [i, time] of (await times).entries()) t.ok(time > i * 50 - 5, `${i}: ${time} ms`)
  t.ok(performance.now() - begin < 2000)
})

t.test('one connection is closed at once, whatever the spread', async (t) => {
  const app = await createApp(t, { shutdown: { spread: 60_000, timeout: 60_000 } })
  app.websocket('/', stay)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.ok(await duration(() => app.close()) < 2000)
  t.equal((await peer.closed).code, 1001)
})

t.test('if the timeout is shorter than the spread, the other connections are dropped at the timeout, and no timer is left', async (t) => {
  const { lines, serverOptions } = collectLogs('warn')
  const app = await createApp(t, { shutdown: { spread: 10_000, timeout: 500 } }, serverOptions)
  let ended = 0
  app.websocket('/', async (ws) => {
    await stay(ws)
    ended++
  })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = [await connectPeer(t, url), await connectPeer(t, url), await connectPeer(t, `${url}/raw`)]
  const before = timers()
  const took = await duration(() => app.close())
  t.ok(took >= 495 && took < 3000, `${took} ms`)
  t.same(await Promise.all(peers.map(async ({ closed }) => (await closed).code)), [1001, 1006, 1006])
  t.equal(ended, 2)
  await until(() => timers() === before)
  t.match(lines, [{ level: WARN, connections: 2, handshakes: 0, handlers: 1, msg: 'app.close() has dropped the connections, handshakes and handlers that had not ended within 500 ms (shutdown.timeout)' }])
  t.equal(lines.length, 1)
})

t.test('notify gets each session before its close, and its messages arrive', async (t) => {
  const notified = new Set<unknown>()
  const app = await createApp(t, {
    shutdown: {
      code: 1012,
      async notify (ws) {
        notified.add(ws)
        t.equal(ws.state, 'open')
        await setTimeout(10)
        await ws.send('good-bye')
      }
    }
  })
  const started = new Deferred<void>()
  app.websocket('/', stay)
  app.websocket('/connecting', async (ws) => {
    started.resolve()
    await ws.closed
  })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const port = await listen(app)
  const peers = await Promise.all(['', '', '/raw'].map((path) => connectPeer(t, `ws://127.0.0.1:${port}${path}`)))
  const connecting = refusal(port, '/connecting')
  await started.promise
  await app.close()
  t.equal(notified.size, 2)
  t.same(await Promise.all(peers.map((peer) => peer.rest())), [['good-bye'], ['good-bye'], []])
  for (const { closed } of peers) t.equal((await closed).code, 1012)
  t.equal((await connecting).status, 503)
})

t.test('notify may close the session', async (t) => {
  const app = await createApp(t, { shutdown: { notify: (ws) => ws.close(4000, 'moved') } })
  app.websocket('/', stay)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.same(await peer.closed, { code: 4000, reason: 'moved' })
})

t.test('an error of notify is logged once, and the session is closed like others', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const errors: unknown[] = [new Error('thrown'), 'no error', undefined]
  let calls = 0
  const app = await createApp(t, {
    shutdown: {
      notify () {
        const call = calls++
        if (call % 2 === 0) throw errors[Math.floor(call / 2)]
        return Promise.reject(errors[Math.floor(call / 2)])
      }
    }
  }, serverOptions)
  app.websocket('/', stay)
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all(Array.from({ length: 6 }, () => connectPeer(t, url)))
  t.same(await unhandledRejections(() => app.close()), [])
  for (const { closed } of peers) t.equal((await closed).code, 1001)
  const logged = lines.filter(({ level }) => level >= WARN)
  t.equal(logged.length, 6)
  for (const line of logged) t.match(line, { level: ERROR, msg: 'shutdown.notify of fastify-async-websocket threw', ws: String })
})

t.test('a notify that never settles delays only its own session, which is dropped after the timeout', async (t) => {
  const { lines, serverOptions } = collectLogs('warn')
  const app = await createApp(t, { shutdown: { timeout: 500, notify: (ws) => (ws.query as any).stuck && new Promise(() => {}) } }, serverOptions)
  app.websocket('/', stay)
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = [await connectPeer(t, `${url}?stuck=1`), await connectPeer(t, url)]
  const took = await duration(() => app.close())
  t.ok(took >= 495 && took < 3000, `${took} ms`)
  t.same(await Promise.all(peers.map(async ({ closed }) => (await closed).code)), [1006, 1001])
  t.match(lines, [{ level: WARN, connections: 1, handlers: 1 }])
  t.equal(lines.length, 1)
})

t.test('a notify that settles after the timeout has no effect', async (t) => {
  const goOn = new Deferred<void>()
  const app = await createApp(t, { shutdown: { timeout: 50, notify: () => goOn.promise } })
  app.websocket('/', stay)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await app.close()
  t.same(await unhandledRejections(() => goOn.resolve()), [])
  t.equal((await peer.closed).code, 1006)
})

t.test('app.close() waits for a handler that never ends until the timeout, and logs it', async (t) => {
  const { lines, serverOptions } = collectLogs('warn')
  const app = await createApp(t, { shutdown: { timeout: 500 } }, serverOptions)
  const started = new Deferred<void>()
  app.websocket('/open', async (ws) => {
    await ws.accept()
    await new Promise(() => {})
  })
  app.websocket('/connecting', async () => {
    started.resolve()
    await new Promise(() => {})
  })
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/open`)
  const answer = refusal(port, '/connecting')
  await started.promise
  const took = await duration(() => app.close())
  t.ok(took >= 495 && took < 3000, `${took} ms`)
  t.equal((await peer.closed).code, 1001)
  t.equal((await answer).status, 503)
  t.match(lines.filter(({ msg }) => msg?.includes('shutdown.timeout')), [{ level: WARN, connections: 0, handlers: 2 }])
})

t.test('onDisconnect runs once for each session, whatever the state of its connection at app.close()', async (t) => {
  const app = await createApp(t, { closeTimeout: 500 })
  const ends = new Map<string, number[]>()
  const closing = new Deferred<void>()
  app.websocket('/:name', {
    async onConnect (ws) {
      await ws.accept()
      const { name } = ws.params as { name: string }
      if (name === 'closing') {
        ws.close(4000)
        closing.resolve()
      }
      if (name === 'sending') for (let i = 0; i < 1000; i++) ws.send('x'.repeat(10_000))
    },
    async onMessage () { await setTimeout(20) },
    onDisconnect (ws, { code }) {
      const { name } = ws.params as { name: string }
      ends.set(name, [...ends.get(name) ?? [], code])
    }
  })
  const port = await listen(app)
  for (const name of ['idle', 'busy']) {
    const peer = await connectPeer(t, `ws://127.0.0.1:${port}/${name}`)
    if (name === 'busy') for (let i = 0; i < 3; i++) peer.socket.send('x')
  }
  for (const name of ['silent', 'closing', 'sending']) {
    const client = await sendHandshake(t, port, `/${name}`) // the client does not answer a close
    if (name === 'sending') client.stream.pause()
  }
  await closing.promise
  await until(() => app.websockets.size === 5)
  await app.close()
  t.same(Object.fromEntries(ends), { idle: [1001], busy: [1001], silent: [1006], closing: [1006], sending: [1006] })
})

t.test('if the timeout is shorter than closeTimeout, onDisconnect has run when app.close() resolves, whatever the handler does', async (t) => {
  const app = await createApp(t, { closeTimeout: 5_000, shutdown: { timeout: 50 } })
  const never = new Promise(() => {})
  const ran: string[] = []
  const disconnect = (name: string) => async () => {
    await setTimeout(20)
    ran.push(name)
  }
  app.websocket('/handles', { onMessage: () => never, onDisconnect: disconnect('handles') })
  app.websocket('/connects', { onConnect: async (ws) => { await (await ws.accept()).receive() }, onMessage () {}, onDisconnect: disconnect('connects') })
  app.websocket('/idle', { onMessage () {}, onDisconnect: disconnect('idle') })
  app.websocket('/never', { onMessage () {}, onDisconnect: () => never })
  const port = await listen(app)
  for (const path of ['/handles', '/connects', '/idle', '/never']) {
    const client = await sendHandshake(t, port, path) // the client does not answer a close
    await client.answer
    if (path === '/handles') client.write(frame('a'))
  }
  await until(() => app.websockets.size === 4)
  t.ok(await duration(() => app.close()) < 1000)
  t.same(ran.sort(), ['connects', 'handles', 'idle'])
})

t.test('app.websocketServer closes as with @fastify/websocket: clients without a route of the app are closed, and not awaited', async (t) => {
  http1Only('handleUpgrade of ws, which the hook of this test calls')
  const app = await createApp(t)
  const ended = new Deferred<void>()
  app.addHook('onRequest', async ({ url, raw }, reply) => {
    if (url !== '/theirs') return
    reply.hijack()
    app.websocketServer.handleUpgrade(raw, raw.socket, Buffer.alloc(0), (socket) => socket.on('close', () => ended.resolve()))
  })
  app.websocket('/raw', { websocket: { raw: true } }, () => {})
  const url = `ws://127.0.0.1:${await listen(app)}`
  const [theirs, raw] = [await connectPeer(t, `${url}/theirs`), await connectPeer(t, `${url}/raw`)]
  t.equal(app.websocketServer.clients.size, 2)
  let isClosed = false
  app.websocketServer.on('close', () => { isClosed = true })
  theirs.stream.pause()
  const closed = app.close()
  t.equal((await raw.closed).code, 1001)
  t.notOk(isClosed)
  theirs.stream.resume()
  t.equal((await theirs.closed).code, 1005)
  await ended.promise
  await closed
  t.ok(isClosed)
})

for (const when of ['before', 'while', 'after']) {
  t.test(`the callback of app.websocketServer.close() is called ${when} app.close()`, async (t) => {
    const app = await createApp(t)
    app.websocket('/raw', { websocket: { raw: true } }, () => {})
    const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}/raw`)
    const close = (): Promise<unknown> => new Promise((resolve) => app.websocketServer.close(resolve))
    if (when === 'before') {
      const closed = close()
      await app.close()
      await closed
    } else if (when === 'while') {
      await Promise.all([app.close(), close()])
    } else {
      await app.close()
      await close()
    }
    await peer.closed
    t.equal(app.websocketServer.clients.size, 0)
  })
}

t.test('handshakes during app.close() are refused as their route says, if Fastify lets them through', async (t) => {
  const app = await createApp(t, {}, { return503OnClosing: false })
  const goOn = new Deferred<void>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await goOn.promise
  })
  for (const mode of ['http', 'close'] as const) app.websocket(`/${mode}`, { websocket: { refusal: mode } }, () => { t.fail('the handler runs') })
  app.get('/raw', { websocket: { raw: true } }, () => { t.fail('the handler runs') })
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  const closed = app.close()
  t.equal((await peer.closed).code, 1001)
  t.match(await refusal(port, '/http'), { status: 503, body: /the server is closing/ })
  t.match(await refusal(port, '/raw'), { status: 503, body: /the server is closing/ })
  t.same(await (await connectPeer(t, `ws://127.0.0.1:${port}/close`)).closed, { code: 4503, reason: 'the server is closing' })
  goOn.resolve()
  await closed
})

t.test('app.close() during accepts gives each client a response or a close, and each handler ends', async (t) => {
  const { lines, serverOptions } = collectLogs('error')
  const app = await createApp(t, {}, serverOptions)
  const count = { begun: 0, ended: 0, accepted: 0, disconnected: 0 }
  const some = new Deferred<void>()
  app.websocket('/', {
    async onConnect (ws) {
      count.begun++
      try {
        await setTimeout(count.begun % 10)
        await ws.accept()
        if (++count.accepted === 20) some.resolve()
        await ws.closed
      } finally {
        count.ended++
      }
    },
    onMessage () {},
    onDisconnect () { count.disconnected++ }
  })
  const port = await listen(app)
  const answers = Array.from({ length: 100 }, async () => {
    const client = await sendHandshake(t, port, '/')
    await Promise.race([client.ended, client.until('\x88\x02\x03\xe9')])
    client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]))
    return (await client.answer)?.status
  }).map((answer) => answer.catch(() => undefined)) // the server no longer listens
  await some.promise
  await app.close()
  t.equal(count.ended, count.begun)
  t.equal(count.disconnected, count.accepted)
  const statuses = await Promise.all(answers)
  t.equal(statuses.filter((status) => status === ACCEPTED).length, count.accepted)
  t.same(statuses.filter((status) => ![ACCEPTED, 503, undefined].includes(status)), [])
  t.same(lines.filter(({ err }) => err?.statusCode !== 503), [])
})

t.test('app.close() may be called twice', async (t) => {
  let notified = 0
  const app = await createApp(t, { shutdown: { notify () { notified++ } } })
  app.websocket('/', stay)
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  await Promise.all([app.close(), app.close()])
  await app.close()
  t.equal(notified, 1)
  t.equal((await peer.closed).code, 1001)
})

t.test('app.close() ends the clients of injectWebSocket', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await (await ws.accept()).closed })
  const client = await app.injectWebSocket('/')
  await app.close()
  t.equal((await client.closed).code, 1001)
})

t.test('app.close() ends a client of injectWebSocket that does not read', async (t) => {
  const app = await createApp(t, { closeTimeout: 100 })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for (let i = 0; i < 100; i++) ws.send('x'.repeat(10_000))
    await ws.closed
  })
  const client = await app.injectWebSocket('/')
  await client.receive()
  await app.close()
  await client.closed
  t.equal(client.state, 'closed')
})
