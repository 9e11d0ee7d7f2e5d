import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import fastifyHttpProxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import websocket from '../../lib/index'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen, serve } from '../helpers/app'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { connectTcp, upgradeRequest } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketPluginOptions } from '../../types/options'

const LONG = 'x'.repeat(300_000)

/** Sends 300 kB, and asserts that they come back, before a second message on the same connection. */
async function echoes (t: Test, peer: Peer): Promise<void> {
  for (const message of [LONG, 'again']) {
    peer.socket.send(message)
    t.ok(await peer.next() === message, 'it comes back')
  }
}

/** A `ws` server that echoes messages and is closed at the end of `t`. */
function createEcho (t: Test): WebSocketServer {
  const server = new WebSocketServer({ noServer: true })
  server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })))
  t.teardown(() => { for (const client of server.clients) client.terminate() })
  return server
}

function upgrade (server: WebSocketServer, request: IncomingMessage, stream: Duplex, head = Buffer.alloc(0)): void {
  server.handleUpgrade(request, stream, head, (socket) => server.emit('connection', socket, request))
}

/** Closes `app` after the connection of another listener has ended, for which the app does not wait. */
async function closes (t: Test, app: FastifyInstance, peer: Peer): Promise<void> {
  const closed = app.close()
  await until(() => !app.server.listening)
  await echoes(t, peer)
  peer.socket.terminate()
  await closed
}

for (const [when, pause] of [['at once', (then: () => void) => then()], ['later', (then: () => void) => setImmediate().then(then)]] as const) {
  for (const path of ['/ws', '/http', '/unknown']) {
    t.test(`a hook that takes over a connection to ${path}, ${when}, keeps the connection`, async (t) => {
      const echo = createEcho(t)
      const app = Fastify()
      t.teardown(() => app.close())
      app.addHook('onRequest', (request, reply, done) => {
        if (request.headers.take === undefined) return done()
        pause(() => {
          reply.hijack()
          upgrade(echo, request.raw, request.raw.socket)
        })
      })
      await app.register(websocket, { maxConnections: 1 })
      app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
      app.get('/http', () => { t.fail('the handler runs') })
      const port = await listen(app)
      const peer = await connectPeer(t, `ws://127.0.0.1:${port}${path}`, { headers: { take: 'yes' } })
      await echoes(t, peer)
      const other = await connectPeer(t, `ws://127.0.0.1:${port}/ws`) // the one that was taken does not count
      t.equal(app.websockets.size, 1)
      await closes(t, app, peer)
      t.equal((await other.closed).code, 1001)
    })
  }
}

t.test('a connection that a hook of the route has taken over does not count', async (t) => {
  const echo = createEcho(t)
  const app = await createApp(t, { maxConnections: 1 })
  app.websocket('/ws', {
    async preHandler (request, reply) {
      await setImmediate()
      if (request.headers.take === undefined) return
      reply.hijack()
      upgrade(echo, request.raw, request.raw.socket)
    }
  }, async (ws) => { await (await ws.accept()).closed })
  const url = `ws://127.0.0.1:${await listen(app)}/ws`
  const peer = await connectPeer(t, url, { headers: { take: 'yes' } })
  await echoes(t, peer)
  await connectPeer(t, url)
  await closes(t, app, peer)
})

t.test('the bytes that were sent before a hook takes the connection over are not lost', async (t) => {
  const echo = createEcho(t)
  const goOn = new Deferred<void>()
  const app = await createApp(t)
  app.websocket('/ws', {
    async preHandler (request, reply) {
      await goOn.promise
      reply.hijack()
      upgrade(echo, request.raw, request.raw.socket)
    }
  }, () => { t.fail('the handler runs') })
  const client = await connectTcp(t, await listen(app))
  client.write(upgradeRequest('/ws'))
  await once(app.server, 'upgrade')
  client.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 97]))
  await setImmediate()
  goOn.resolve()
  await client.until('\x81\x01a')
})

/** An app with the plugin and another listener, which serves the requests for which `takes` holds. */
async function createShared (t: Test, takes: (request: IncomingMessage) => unknown, options: WebSocketPluginOptions = {}): Promise<{ app: FastifyInstance, port: number, hooks: () => number }> {
  const echo = createEcho(t)
  const app = Fastify()
  t.teardown(() => app.close())
  let hooks = 0
  app.addHook('onRequest', async () => { hooks++ })
  app.server.on('upgrade', async (request, stream, head) => {
    const answer = takes(request)
    if (answer instanceof Promise ? await answer : answer) upgrade(echo, request, stream, head)
  })
  await app.register(websocket, options)
  app.websocket('/ws', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(`ours: ${message}`)
  })
  app.get('/http', () => { t.fail('the handler runs') })
  return { app, port: await listen(app), hooks: () => hooks }
}

t.test('a handshake for no WebSocket route is left to other listeners, a handshake for a WebSocket route is not', async (t) => {
  for (const isSlow of [false, true]) {
    const { app, port, hooks } = await createShared(t, ({ url }) => isSlow ? setImmediate(url !== '/ws') : url !== '/ws')
    for (const path of ['/theirs', '/http', '/ws/unknown']) {
      const peer = await connectPeer(t, `ws://127.0.0.1:${port}${path}`)
      await echoes(t, peer)
      t.equal(hooks(), 0, 'no hook runs')
      peer.socket.terminate()
    }
    const peer = await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
    peer.socket.send('a')
    t.equal(await peer.next(), 'ours: a')
    await closes(t, app, await connectPeer(t, `ws://127.0.0.1:${port}/theirs`))
  }
})

t.test('the bytes that came with the handshake go to the listener that serves it, once', async (t) => {
  const { port } = await createShared(t, ({ url }) => url !== '/ws')
  for (const [path, answer] of [['/theirs', '\x81\x01a'], ['/ws', '\x81\x07ours: a']]) {
    const client = await connectTcp(t, port)
    client.write(Buffer.concat([Buffer.from(upgradeRequest(path)), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 97])]))
    t.equal((await client.until(answer)).split('\x81').length, 2)
  }
})

t.test('a listener that serves a handshake of the plugin at once keeps it', async (t) => {
  const { app, port, hooks } = await createShared(t, () => true)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
  await echoes(t, peer)
  t.equal(hooks(), 0)
  t.equal(app.websockets.size, 0)
  await closes(t, app, peer)
})

t.test('a listener that answers a handshake of the plugin at once has answered it', async (t) => {
  const { app, port, hooks } = await createShared(t, () => false)
  app.server.on('upgrade', async (_request, stream) => {
    stream.write('HTTP/1.1 402 Theirs\r\n\r\n')
    await setImmediate()
    stream.end('the rest')
  })
  t.match(await refusal(port, '/ws'), { status: 402, body: 'the rest' })
  t.equal(hooks(), 0)
})

t.test('a connection that no listener serves ends after handshakeTimeout, a connection that is served does not', async (t) => {
  const timeout = 100
  const { port, hooks } = await createShared(t, ({ url }) => url === '/theirs', { handshakeTimeout: timeout })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/theirs`)
  const begin = performance.now()
  t.equal(await (await connectTcp(t, port)).write(upgradeRequest('/nobody')).ended, '')
  t.ok(performance.now() - begin > 0.9 * timeout)
  t.equal(hooks(), 0)
  await echoes(t, peer)
})

t.test('app.close() does not wait for a connection that no listener has begun to serve', async (t) => {
  const { app, port } = await createShared(t, ({ url }) => url === '/theirs')
  const client = await connectTcp(t, port)
  client.write(upgradeRequest('/nobody'))
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/theirs`)
  const begin = performance.now()
  await closes(t, app, peer)
  t.equal(await client.ended, '')
  t.ok(performance.now() - begin < 2000)
})

t.test('without other listeners, a handshake for no WebSocket route is 404', async (t) => {
  const app = await createApp(t)
  app.get('/http', () => { t.fail('the handler runs') })
  const port = await listen(app)
  for (const path of ['/http', '/unknown']) t.equal((await refusal(port, path)).status, 404)
})

for (const [name, prefix] of [['a prefix', '/proxy'], ['the whole server', '']]) {
  for (const isFirst of [true, false]) {
    t.test(`@fastify/http-proxy for ${name}, registered ${isFirst ? 'before' : 'after'} the plugin, gets its own requests`, async (t) => {
      const upstream = await serve(t, async (ws) => {
        await ws.accept()
        for await (const message of ws) await ws.send(message)
      })
      const app = Fastify()
      t.teardown(() => app.close())
      const runs: string[] = []
      app.addHook('onRequest', async ({ url }) => { runs.push(url) })
      const proxy = { upstream: upstream.url.replace('ws', 'http'), prefix, websocket: true }
      if (isFirst) app.register(fastifyHttpProxy, proxy)
      await app.register(websocket)
      if (!isFirst) app.register(fastifyHttpProxy, proxy)
      app.websocket('/ws', async (ws) => {
        await ws.accept()
        for await (const message of ws) await ws.send(`ours: ${message}`)
      })
      app.websocket('/slow', { preHandler: () => setImmediate() }, async (ws) => { await ws.deny(418) })
      const port = await listen(app)

      for (let i = 0; i < 2; i++) {
        const peer = await connectPeer(t, `ws://127.0.0.1:${port}/ws`)
        peer.socket.send('a')
        t.equal(await peer.next(), 'ours: a')
      }
      t.equal((await refusal(port, '/slow')).status, 418)
      t.same(runs, ['/ws', '/ws', '/slow'], 'hooks run once for each request')
      const peer = await connectPeer(t, `ws://127.0.0.1:${port}${prefix}/echo`)
      await echoes(t, peer)
      t.equal(app.websockets.size, 2)
      await app.close()
      await peer.closed
    })
  }
}
