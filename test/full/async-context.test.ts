import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { createApp, listen } from '../helpers/app'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { http2Server } from '../helpers/transport'
import { until } from '../helpers/until'

type Test = Parameters<typeof createApp>[0]

const storage = new AsyncLocalStorage<string>()

/** Creates an app that runs each request with its URL as the store. */
async function createStoringApp (t: Test, options = {}): ReturnType<typeof createApp> {
  const app = await createApp(t, options)
  app.addHook('onRequest', (request, _reply, done) => storage.run(request.url, done))
  return app
}

function exchange (peer: Peer, message: string): Promise<unknown> {
  peer.socket.send(message)
  return peer.next()
}

t.test('a handler keeps the async context of its request across each await', async (t) => {
  const app = await createStoringApp(t)
  const all: unknown[] = []
  app.websocket('/:n', async (ws) => {
    const seen = [storage.getStore()]
    await ws.accept()
    seen.push(storage.getStore())
    await ws.receive()
    seen.push(storage.getStore())
    await ws.send(await ws.receiveText())
    seen.push(storage.getStore())
    await ws.ping()
    seen.push(storage.getStore())
    for await (const _message of ws.messages('any')) { // eslint-disable-line @typescript-eslint/no-unused-vars -- the messages do not matter here
      seen.push(storage.getStore())
      if (seen.length === 7) break
    }
    await t.rejects(ws.receive({ timeout: 1 }))
    seen.push(storage.getStore())
    await ws.close()
    seen.push(storage.getStore())
    all.push(seen)
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all([1, 2, 3].map((n) => connectPeer(t, `${url}/${n}`)))
  for (const { socket } of peers) for (const message of 'abcd') socket.send(message)
  for (const { closed } of peers) t.equal((await closed).code, 1000)
  await app.close()
  t.same(all.sort(), ['/1', '/2', '/3'].map((path) => Array(9).fill(path)))
})

t.test('the hooks before and after the handler have the same async context', async (t) => {
  const app = await createStoringApp(t)
  const seen: Record<string, string | undefined> = {}
  const responded: string[] = []
  for (const hook of ['preParsing', 'preValidation', 'preHandler', 'onSend', 'onError', 'onResponse'] as const) {
    app.addHook(hook, async ({ url }: FastifyRequest) => {
      seen[hook] = storage.getStore()
      if (hook === 'onResponse') responded.push(url)
    })
  }
  app.websocket('/refused', async (ws) => { await ws.deny(403) })
  app.websocket('/throws', async () => {
    await setTimeout(1)
    throw new Error('refused')
  })
  const port = await listen(app)
  await refusal(port, '/refused')
  await refusal(port, '/throws')
  await until(() => responded.length === 2)
  t.same(seen, { preParsing: '/throws', preValidation: '/throws', preHandler: '/throws', onSend: '/throws', onError: '/throws', onResponse: http2Server === undefined ? '/throws' : undefined }) // Node tells of the end of a response of HTTP/2 in another context
})

t.test('session handlers keep the async context of their own request', async (t) => {
  const app = await createStoringApp(t)
  const left: unknown[] = []
  app.websocket('/:n', {
    async onConnect (ws) {
      await ws.accept()
      await ws.send(storage.getStore())
    },
    async onMessage (ws) {
      await setTimeout(1)
      await ws.send(storage.getStore())
    },
    onDisconnect (ws) { left.push([storage.getStore(), ws.request.url]) }
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peers = await Promise.all([1, 2, 3].map((n) => connectPeer(t, `${url}/${n}`)))
  for (const [i, peer] of peers.entries()) {
    t.equal(await peer.next(), `/${i + 1}`)
    t.equal(await exchange(peer, 'x'), `/${i + 1}`)
    t.equal(await exchange(peer, 'x'), `/${i + 1}`)
  }
  for (const { socket } of peers) socket.close()
  await until(() => left.length === 3)
  t.same(left.sort(), [['/1', '/1'], ['/2', '/2'], ['/3', '/3']])
})

t.test('errorHandler and code that awaits closed keep the context of their request, also after a publish in another context', async (t) => {
  const seen: Record<string, unknown> = {}
  const app = await createStoringApp(t, { errorHandler () { seen.errorHandler = storage.getStore() } })
  app.websocket('/throws', async (ws) => {
    await ws.accept()
    await ws.receive()
    throw new Error('thrown')
  })
  app.websocket('/subscribes', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    ws.closed.then(() => { seen.closed = storage.getStore() })
    await ws.send('ready')
    await ws.receive()
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const peer = await connectPeer(t, `${url}/subscribes`)
  t.equal(await peer.next(), 'ready')
  await storage.run('elsewhere', () => app.websockets.publish('a', 'published'))
  t.equal(await peer.next(), 'published')
  const throwing = await connectPeer(t, `${url}/throws`)
  throwing.socket.send('now')
  peer.socket.close()
  await throwing.closed
  await until(() => 'closed' in seen)
  t.same(seen, { errorHandler: '/throws', closed: '/subscribes' })
})
