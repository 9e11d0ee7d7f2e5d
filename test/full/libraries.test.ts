import { setTimeout } from 'node:timers/promises'
import fastifyHttpProxy from '@fastify/http-proxy'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import Fastify, { type FastifyInstance } from 'fastify'
import { buildSchema, type GraphQLSchema } from 'graphql'
import { createClient } from 'graphql-ws'
import { makeHandler } from 'graphql-ws/use/@fastify/websocket'
import mercurius from 'mercurius'
import { Server as SocketIo } from 'socket.io'
import { io } from 'socket.io-client'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { createApp, listen } from '../helpers/app'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { until } from '../helpers/until'

/* Libraries made for @fastify/websocket, for `ws` or for a server of their own, used as their documentation shows. */

/** Adds a session route with subprotocols, which no library may change. */
function addSession (app: FastifyInstance): void {
  app.websocket('/session', { websocket: { subprotocols: ['ours.v2', 'ours.v1'] } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(`${ws.protocol}: ${message}`)
  })
}

async function sessionWorks (t: Test, port: number): Promise<void> {
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/session`, { subprotocols: ['ours.v1', 'graphql-transport-ws', 'ours.v2'] })
  peer.socket.send('a')
  t.equal(await peer.next(), 'ours.v2: a')
  peer.socket.close()
  await peer.closed
}

/** Asserts that the app closes at once, whatever connections a library has open. */
async function closes (t: Test, app: FastifyInstance): Promise<void> {
  const begin = performance.now()
  await app.close()
  t.ok(performance.now() - begin < 2000)
  t.equal(app.websockets.size, 0)
}

/** The results that a client of graphql-ws gets from the subscription `count`. */
async function subscribe (t: Test, url: string): Promise<unknown[]> {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 })
  t.teardown(() => client.dispose())
  const results = []
  for await (const { data } of client.iterate({ query: 'subscription { count }' })) results.push(data)
  return results
}

async function * count (): AsyncGenerator<{ count: number }> {
  for (let i = 1; i <= 3; i++) {
    await setTimeout(1)
    yield { count: i }
  }
}

const SCHEMA = 'type Query { hello: String } type Subscription { count: Int }'
const COUNTED = [{ count: 1 }, { count: 2 }, { count: 3 }]

t.test('graphql-ws works on a raw route, beside sessions', async (t) => {
  const app = await createApp(t)
  addSession(app)
  const schema: GraphQLSchema = buildSchema(SCHEMA)
  app.get('/graphql', { websocket: { raw: true } }, makeHandler({ schema, roots: { subscription: { count } } }) as any)
  const port = await listen(app)
  await sessionWorks(t, port)
  for (let i = 0; i < 2; i++) t.strictSame(await subscribe(t, `ws://127.0.0.1:${port}/graphql`), COUNTED)
  await sessionWorks(t, port)
  t.equal(app.websockets.size, 0)
  await closes(t, app)
})

t.test('mercurius with subscription: true works when rawRoutes names its route', async (t) => {
  const app = await createApp(t, { rawRoutes: ['/graphql'] })
  addSession(app)
  app.register(mercurius, { schema: SCHEMA, resolvers: { Subscription: { count: { subscribe: count } } } as any, subscription: true })
  const port = await listen(app)
  t.strictSame(await subscribe(t, `ws://127.0.0.1:${port}/graphql`), COUNTED)
  await sessionWorks(t, port)
  await closes(t, app)
})

t.test('tRPC with useWSS works when rawRoutes is a function that returns true for its route', async (t) => {
  const { procedure, router } = initTRPC.create()
  const appRouter = router({
    hello: procedure.query(() => 'hello'),
    count: procedure.subscription(async function * () { for await (const { count: n } of count()) yield n })
  })
  const app = await createApp(t, { rawRoutes: ({ url }) => url === '/trpc' })
  addSession(app)
  app.register(fastifyTRPCPlugin, { prefix: '/trpc', useWSS: true, trpcOptions: { router: appRouter } })
  const port = await listen(app)
  const wsClient = createWSClient({ url: `ws://127.0.0.1:${port}/trpc`, WebSocket: WebSocket as never })
  const client = createTRPCClient<typeof appRouter>({ links: [wsLink({ client: wsClient })] })
  t.equal(await client.hello.query(), 'hello')
  const counted: number[] = []
  await new Promise<void>((resolve, reject) => client.count.subscribe(undefined, { onData: (n) => counted.push(n), onComplete: resolve, onError: reject }))
  t.same(counted, [1, 2, 3])
  await sessionWorks(t, port)
  await wsClient.close()
  await closes(t, app)
})

t.test('y-websocket works on a raw route', async (t) => {
  const [{ docs, setupWSConnection }, { WebsocketProvider }, Y] = await Promise.all([import('@y/websocket-server/utils'), import('y-websocket'), import('yjs')])
  const app = await createApp(t)
  addSession(app)
  app.get('/yjs/:name', { websocket: { raw: true } }, (socket: any, { raw, params }: any) => { setupWSConnection(socket, raw, { docName: params.name }) })
  const port = await listen(app)
  const [one, other] = ['one', 'other'].map(() => {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(`ws://127.0.0.1:${port}/yjs`, 'page', doc, { WebSocketPolyfill: WebSocket as never, disableBc: true })
    return { doc, provider }
  })
  one.doc.getText('text').insert(0, 'hello')
  await until(() => other.doc.getText('text').toString() === 'hello')
  other.doc.getText('text').insert(5, '!'.repeat(100_000))
  await until(() => one.doc.getText('text').length === 100_005)
  await sessionWorks(t, port)
  await closes(t, app)
  for (const { doc, provider } of [one, other]) {
    provider.destroy()
    doc.destroy()
  }
  docs.get('page')!.destroy()
})

t.test('Hocuspocus works on a raw route', async (t) => {
  const [{ Hocuspocus }, { HocuspocusProvider, HocuspocusProviderWebsocket }, Y] = await Promise.all([import('@hocuspocus/server'), import('@hocuspocus/provider'), import('yjs')])
  const hocuspocus = new Hocuspocus({ quiet: true })
  const app = await createApp(t)
  addSession(app)
  app.get('/collaboration', { websocket: { raw: true } }, (socket: any, { raw }: any) => { hocuspocus.handleConnection(socket, raw) })
  const port = await listen(app)
  const [one, other] = ['one', 'other'].map(() => {
    const websocketProvider = new HocuspocusProviderWebsocket({ url: `ws://127.0.0.1:${port}/collaboration`, WebSocketPolyfill: WebSocket })
    const provider = new HocuspocusProvider({ websocketProvider, name: 'page', document: new Y.Doc() })
    provider.attach()
    return { provider, websocketProvider, doc: provider.document }
  })
  one.doc.getText('text').insert(0, 'hello')
  await until(() => other.doc.getText('text').toString() === 'hello')
  await sessionWorks(t, port)
  for (const { provider, websocketProvider, doc } of [one, other]) { // a provider reconnects until it is destroyed
    provider.destroy()
    websocketProvider.destroy()
    doc.destroy()
  }
  await closes(t, app)
})

for (const order of ['before', 'after']) {
  t.test(`socket.io, attached ${order} the app listens, works beside sessions`, async (t) => {
    const app = await createApp(t)
    addSession(app)
    app.websocket('/slow', async (ws) => {
      await setTimeout(100)
      await ws.accept()
    })
    let server: SocketIo | undefined
    // Without `destroyUpgrade: false`, socket.io ends a connection of other code that has no answer in time.
    const attach = (): void => { server = new SocketIo(app.server, { destroyUpgrade: false, serveClient: false }) }
    if (order === 'before') attach()
    const port = await listen(app)
    if (order === 'after') attach()
    server!.on('connection', (socket) => socket.on('echo', (data, answer) => answer(data)))
    for (const transports of [['websocket'], ['polling', 'websocket']]) {
      const client = io(`http://127.0.0.1:${port}`, { transports, reconnection: false, forceNew: true })
      t.teardown(() => client.close())
      await new Promise((resolve) => client.once('connect', resolve as never))
      t.equal((await client.timeout(5000).emitWithAck('echo', 'x'.repeat(300_000))).length, 300_000)
      client.close()
    }
    await sessionWorks(t, port)
    t.equal((await (await connectPeer(t, `ws://127.0.0.1:${port}/slow`)).closed).code, 1000)
    await server!.close()
    await closes(t, app)
  })
}

t.test('@fastify/http-proxy in front of an app has to pass on the origin of a page', async (t) => {
  const upstream = await createApp(t, { origins: ['https://app.example.com'] })
  addSession(upstream)
  upstream.websocket('/origin', async (ws) => {
    await ws.accept()
    await ws.send(ws.headers.origin ?? 'none')
  })
  const url = `http://127.0.0.1:${await listen(upstream)}`
  const app = Fastify()
  t.teardown(() => app.close())
  const wsClientOptions = { rewriteRequestHeaders: (headers: object, { headers: { origin, cookie } }: any) => ({ ...headers, origin, ...(cookie !== undefined && { cookie }) }) }
  app.register(fastifyHttpProxy, { upstream: url, prefix: '/plain', rewritePrefix: '/', websocket: true })
  app.register(fastifyHttpProxy, { upstream: url, prefix: '/passed', rewritePrefix: '/', websocket: true, wsClientOptions } as any)
  const port = await listen(app)
  const from = (path: string, origin: string): Promise<Peer> => connectPeer(t, `ws://127.0.0.1:${port}${path}/origin`, { origin })
  t.equal(await (await from('/plain', 'https://evil.example.com')).next(), 'none', 'the upstream sees no origin, and accepts every page')
  t.equal(await (await from('/passed', 'https://app.example.com')).next(), 'https://app.example.com')
  t.same(await (await from('/passed', 'https://evil.example.com')).rest(), [])
  t.equal((await refusal(port, '/elsewhere')).status, 404)
})
