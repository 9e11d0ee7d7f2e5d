import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, WARN } from '../helpers/logs'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake, type RequestClient } from '../helpers/request-client'
import { until } from '../helpers/until'
import { unhandledRejections } from '../helpers/unhandled'
import { http1Only } from '../helpers/transport'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

async function stay (ws: WebSocketSession): Promise<void> {
  await (await ws.accept()).closed
}

function neverRuns (): void {
  throw new Error('this runs')
}

/** Connects as soon as the limit allows it. */
async function whenFree<T> (connect: () => Promise<T>): Promise<T> {
  let connection!: T
  await until(() => connect().then((value) => {
    connection = value
    return true
  }, () => false))
  return connection
}

function connectWhenFree (t: Test, url: string): Promise<Peer> {
  return whenFree(() => connectPeer(t, url))
}

t.test('over maxConnections of the plugin, handshakes on all routes are refused with 503 and Retry-After', async (t) => {
  const app = await createApp(t, { maxConnections: 3 })
  app.websocket('/a', stay)
  app.websocket('/b', stay)
  app.get('/raw', { websocket: { raw: true } }, () => {})
  const port = await listen(app)
  const url = `ws://127.0.0.1:${port}`
  const peers = [await connectPeer(t, `${url}/a`), await connectPeer(t, `${url}/b`), await connectPeer(t, `${url}/raw`)]
  for (const path of ['/a', '/b', '/raw']) {
    t.match(await refusal(port, path), { status: 503, headers: { 'retry-after': '10' }, body: /"FST_WS_HANDSHAKE".*"too many connections"/ }, path)
  }
  for (const { socket, closed } of peers) {
    socket.close()
    await closed
    const another = await connectWhenFree(t, `${url}/a`)
    t.equal((await refusal(port, '/a')).status, 503, 'one place was free')
    another.socket.close()
    await connectWhenFree(t, `${url}/b`)
  }
})

t.test('over maxConnections of a route, handshakes on that route are refused, and handshakes on other routes are not', async (t) => {
  const app = await createApp(t)
  app.websocket('/one', { websocket: { maxConnections: 1 } }, stay)
  app.websocket('/two', { websocket: { maxConnections: 2 } }, stay)
  app.websocket('/many', stay)
  const port = await listen(app)
  for (const path of ['/one', '/two', '/two', '/many', '/many', '/many']) await connectPeer(t, `ws://127.0.0.1:${port}${path}`)
  t.match(await refusal(port, '/one'), { status: 503, headers: { 'retry-after': '10' } })
  t.equal((await refusal(port, '/two')).status, 503)
})

t.test('the limit of the plugin is shared by all routes, and applies beside the limit of a route, whichever is lower', async (t) => {
  for (const [ofPlugin, ofRoute] of [[3, 2], [2, 3]]) {
    const app = await createApp(t, { maxConnections: ofPlugin })
    app.websocket('/limited', { websocket: { maxConnections: ofRoute } }, stay)
    app.websocket('/other', stay)
    const port = await listen(app)
    const url = `ws://127.0.0.1:${port}`
    for (let i = 0; i < 2; i++) await connectPeer(t, `${url}/limited`)
    for (let i = 0; i < 5; i++) t.equal((await refusal(port, '/limited')).status, 503)
    if (ofPlugin === 3) await connectPeer(t, `${url}/other`) // the connections that the route has refused do not count for the limit of the plugin
    t.equal((await refusal(port, '/other')).status, 503)
  }
})

t.test('a handshake over the limit is refused before the hooks and the handler of the route run', async (t) => {
  const app = await createApp(t)
  let runs = 0
  app.websocket('/', { websocket: { maxConnections: 1 }, preParsing: async () => { runs++ } }, stay)
  const port = await listen(app)
  await connectPeer(t, `ws://127.0.0.1:${port}`)
  t.equal((await refusal(port, '/')).status, 503)
  t.equal(runs, 1)
})

t.test('a handshake over the limit is refused as the option refusal says, and does not count', async (t) => {
  const app = await createApp(t, { maxConnections: 1, refusal: 'close' })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send('open')
    await ws.closed
  })
  const port = await listen(app)
  const url = `ws://127.0.0.1:${port}`
  const first = await connectPeer(t, url)
  const client = await sendHandshake(t, port, '/')
  await client.until('too many connections') // the client does not answer the close
  t.same(await (await connectPeer(t, url)).closed, { code: 4503, reason: 'too many connections' })
  first.socket.terminate()
  for (;;) {
    const peer = await connectPeer(t, url)
    const first = await peer.next().catch(() => 'closed')
    if (first === 'open') break
  }
  t.equal(app.websockets.size, 1)
  t.equal((await (await connectPeer(t, url)).closed).code, 4503)
})

t.test('connections whose handshake is not complete count', async (t) => {
  const app = await createApp(t, { maxConnections: 2 })
  const started = [new Deferred<void>(), new Deferred<void>()]
  const goOn = new Deferred<void>()
  app.websocket('/hook', {
    async preHandler () {
      started[0].resolve()
      await goOn.promise
    }
  }, stay)
  app.websocket('/handler', async (ws) => {
    started[1].resolve()
    await goOn.promise
    await stay(ws)
  })
  const port = await listen(app)
  const peers = ['/hook', '/handler'].map((path) => connectPeer(t, `ws://127.0.0.1:${port}${path}`))
  await Promise.all(started.map(({ promise }) => promise))
  t.equal((await refusal(port, '/handler')).status, 503)
  goOn.resolve()
  await Promise.all(peers)
  t.equal((await refusal(port, '/handler')).status, 503, 'and when it is complete')
})

t.test('plain requests and refused handshakes do not count', async (t) => {
  const app = await createApp(t, { maxConnections: 1 })
  const goOn = new Deferred<void>()
  const started = new Deferred<void>()
  app.websocket('/', stay)
  app.route({
    method: 'GET',
    url: '/both',
    async handler () {
      started.resolve()
      await goOn.promise
      return 'http'
    },
    wsHandler: stay
  })
  const port = await listen(app)
  const http = app.inject('/both')
  await started.promise
  for (const [name, value] of [['sec-websocket-protocol', 'a, a'], ['sec-websocket-version', '1']]) {
    t.not((await refusal(port, '/', { [name]: value })).status, 503)
  }
  t.equal((await refusal(port, '/unknown')).status, 404)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  t.equal((await app.inject('/')).statusCode, 426)
  peer.socket.terminate()
  goOn.resolve()
  t.equal((await http).body, 'http')
  await connectWhenFree(t, `ws://127.0.0.1:${port}/both`)
})

t.test('invalid upgrade requests do not count', async (t) => {
  http1Only('a key, and another protocol to upgrade to')
  const app = await createApp(t, { maxConnections: 1 })
  app.websocket('/', stay)
  const port = await listen(app)
  for (const [name, value] of [['sec-websocket-key', 'none'], ['upgrade', 'h2c']]) {
    for (let i = 0; i < 2; i++) t.not((await refusal(port, '/', { [name]: value })).status, 503)
  }
  await connectPeer(t, `ws://127.0.0.1:${port}`)
})

t.test('connections of injectWebSocket and injectWS count until they end', async (t) => {
  const app = await createApp(t, { maxConnections: 1 })
  app.websocket('/', stay)
  await app.ready()
  for (let i = 0; i < 3; i++) {
    const client = await whenFree(() => app.injectWebSocket('/'))
    await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', message: /503/ })
    await client.close()
    const socket = await whenFree(() => (app as any).injectWS('/')) as any
    await t.rejects((app as any).injectWS('/'), { message: /503/ })
    socket.close()
  }
})

interface Client {
  /** Connects, and resolves when the handshake is complete. */
  open (): Promise<Peer>
  /** Sends a handshake, and resolves with the connection. */
  ask (headers?: Record<string, string>): Promise<RequestClient>
}

interface Case {
  options?: WebSocketPluginOptions
  /** Adds hooks before the plugin. */
  before? (app: FastifyInstance): void
  register (app: FastifyInstance): unknown
  /** Opens a connection that counts, and ends it. */
  act (client: Client): Promise<unknown>
}

const asked = async ({ ask }: Client): Promise<unknown> => (await ask()).ended
const opened = async ({ open }: Client): Promise<unknown> => (await open()).closed
const throws = (): never => { throw new Error('thrown') }
/** A client that leaves, and knows that the server has noticed. */
const leave = async (request: any): Promise<void> => { if (request.url === '/') await once(request.raw.socket.destroy(), 'close') }

/** The ways in which a connection may end. After each of them the connection does not count. */
const ENDS: Record<string, Case> = {
  'the client closes': { register: (app) => app.websocket('/', stay), act: async ({ open }) => { (await open()).socket.close() } },
  'the client drops it': { register: (app) => app.websocket('/', stay), act: async ({ open }) => { (await open()).socket.terminate() } },
  'the handler returns': { register: (app) => app.websocket('/', async (ws) => { await ws.accept() }), act: opened },
  'the handler throws': { register: (app) => app.websocket('/', (ws) => ws.accept().then(throws)), act: opened },
  'the handler terminates': { register: (app) => app.websocket('/', (ws) => ws.accept().then(() => ws.terminate())), act: opened },
  'the handler terminates before it has accepted': { register: (app) => app.websocket('/', (ws) => ws.terminate()), act: asked },
  'the handler accepts for one that is not there any more': {
    register: (app) => app.websocket('/', async (ws, request) => {
      request.raw.socket.destroy()
      await ws.accept()
    }),
    act: asked
  },
  'the handler never ends': { register: (app) => app.websocket('/', async (ws) => { await ws.accept(); await new Promise(() => {}) }), act: async ({ open }) => { (await open()).socket.close() }, options: { shutdown: { timeout: 50 } } },
  'a hook refuses': { register: (app) => app.websocket('/', { onRequest: async () => throws() }, neverRuns), act: asked },
  'validation refuses': { register: (app) => app.websocket('/', { schema: { querystring: { type: 'object', required: ['a'] } } }, neverRuns), act: asked },
  'its origin is refused': { register: (app) => app.websocket('/', neverRuns), act: async ({ ask }) => (await ask({ origin: 'https://evil.example' })).ended },
  'the check of its origin throws': { register: (app) => app.websocket('/', { websocket: { origins: throws } }, neverRuns), act: async ({ ask }) => (await ask({ origin: 'https://evil.example' })).ended },
  'the handler denies': { register: (app) => app.websocket('/', (ws) => ws.deny()), act: asked },
  'the handler closes before it has accepted': { register: (app) => app.websocket('/', (ws) => ws.close()), act: asked },
  'the handler throws before it has accepted': { register: (app) => app.websocket('/', throws), act: asked },
  'the handler does not decide': { register: (app) => app.websocket('/', { websocket: { handshakeTimeout: 10 } }, (ws) => ws.closed), act: asked },
  'the route is not found after all': { register: (app) => app.websocket('/', { preHandler: async (_request, reply) => reply.callNotFound() }, neverRuns), act: asked },
  'the client leaves in a hook of the route': { register: (app) => app.websocket('/', { preHandler: leave }, (ws) => ws.closed), act: asked },
  'the client leaves in a hook from before the plugin': { before: (app) => app.addHook('onRequest', leave), register: (app) => app.websocket('/', (ws) => ws.closed), act: asked },
  'the client leaves in the handler': { register: (app) => app.websocket('/', async (ws, request) => { await leave(request); await ws.closed }), act: asked },
  'the client leaves while it is refused': { register: (app) => app.websocket('/', { onSend: leave }, (ws) => ws.deny()), act: asked },
  'a hook answers by itself': {
    register: (app) => app.websocket('/', {
      async preHandler (_request, reply) {
        reply.hijack()
        reply.raw.end()
      }
    }, neverRuns),
    act: asked
  },
  'a hook drops the connection': {
    register: (app) => app.websocket('/', {
      async preHandler (request, reply) {
        reply.hijack()
        request.raw.socket.destroy()
      }
    }, neverRuns),
    act: asked
  },
  'ws refuses the handshake as invalid': { options: { perMessageDeflate: true }, register: (app) => app.websocket('/', stay), act: async ({ ask }) => (await ask({ 'sec-websocket-extensions': 'permessage-deflate; nonsense=1' })).ended },
  'a raw socket closes': { register: (app) => app.get('/', { websocket: { raw: true } }, (socket) => { socket.close() }), act: opened },
  'a raw handler throws': { register: (app) => app.get('/', { websocket: { raw: true } }, throws), act: opened },
  'a hook refuses by closing': { options: { refusal: 'close' }, register: (app) => app.websocket('/', { onRequest: async () => throws() }, neverRuns), act: opened },
  'the handler refuses by closing': { options: { refusal: 'close' }, register: (app) => app.websocket('/', (ws) => ws.close()), act: opened },
  'it is refused by closing and does not answer': { options: { refusal: 'close', closeTimeout: 50 }, register: (app) => app.websocket('/', (ws) => ws.deny()), act: async ({ ask }) => { await (await ask()).until('Forbidden') } }
}

for (const [name, { options, before, register, act }] of Object.entries(ENDS)) {
  t.test(`a connection stops counting, once, when ${name}`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    before?.(app)
    await app.register(websocket, { maxConnections: 1, ...options })
    register(app)
    app.websocket('/probe', { websocket: { refusal: 'http' } }, stay)
    const port = await listen(app)
    const url = `ws://127.0.0.1:${port}`
    await act({
      open: () => connectPeer(t, url),
      ask: (headers) => sendHandshake(t, port, '/', { headers })
    })
    await connectWhenFree(t, `${url}/probe`)
    t.equal((await refusal(port, '/probe')).status, 503, 'one place')
  })
}

t.test('a limit causes no warning and no unhandled rejection', async (t) => {
  const warnings: Error[] = []
  const collect = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', collect)
  t.teardown(() => process.off('warning', collect))
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, { maxConnections: 10 }, serverOptions)
  app.websocket('/', { websocket: { maxConnections: 10 } }, stay)
  const port = await listen(app)
  t.same(await unhandledRejections(async () => {
    for (let i = 0; i < 20; i++) (await connectWhenFree(t, `ws://127.0.0.1:${port}`)).socket.terminate()
    await refusal(port, '/', { origin: 'https://evil.example' })
  }), [])
  t.same(warnings, [])
  t.same(lines.filter(({ level, err }) => level >= WARN && err?.statusCode !== 503), [])
})
