import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import websocket, { defineWebSocket } from '../../lib/index'
import { show } from '../../lib/base/show'
import { createApp, listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'

type Test = Parameters<typeof createApp>[0]

/** Returns the response of the route at `path` to a message. */
async function ask (t: Test, port: number, path: string, message: string): Promise<unknown> {
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}${path}`)
  peer.socket.send(message)
  return await peer.next()
}

async function echo (this: FastifyInstance, ws: any): Promise<void> {
  await ws.accept()
  await ws.send(await ws.receive())
}

t.test('app.websocket(url, handler) adds a route, and returns the app', async (t) => {
  const app = await createApp(t)
  t.equal(app.websocket('/a', echo), app)
  app.websocket('/b', echo).websocket('/c', echo)
  t.ok(app.hasRoute({ method: 'GET', url: '/a' }))
  t.equal(await ask(t, await listen(app), '/c', 'hi'), 'hi')
})

t.test('app.websocket(url, options, handler) takes the options of any Fastify route', async (t) => {
  const app = await createApp(t)
  const order: string[] = []
  app.websocket('/:n', {
    config: { of: 'the route' } as any,
    constraints: { host: 'example.com' },
    schema: { params: { type: 'object', properties: { n: { type: 'integer' } } } },
    onRequest: async () => { order.push('onRequest') },
    preHandler: [async () => { order.push('first') }, async () => { order.push('second') }],
    websocket: { valueType: 'json' }
  }, async (ws, request) => {
    await ws.accept()
    await ws.send([await ws.receive(), request.params, (request.routeOptions.config as any).of, order])
  })
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/7`, { headers: { host: 'example.com' } })
  peer.socket.send('{"a":1}')
  t.same(JSON.parse(await peer.next() as string), [{ a: 1 }, { n: 7 }, 'the route', ['onRequest', 'first', 'second']])
  t.equal((await refusal(port, '/7')).status, 404, 'another host')
})

t.test('the handler has the app as this, and may be given in the options', async (t) => {
  const app = await createApp(t)
  app.decorate('name', 'ada')
  async function name (this: FastifyInstance, ws: any): Promise<void> {
    await ws.accept()
    await ws.send((this as any).name + await ws.receive())
  }
  app.websocket('/a', name)
  app.websocket('/b', { handler: name } as any, undefined as any)
  const port = await listen(app)
  t.equal(await ask(t, port, '/a', '!'), 'ada!')
  t.equal(await ask(t, port, '/b', '?'), 'ada?')
})

t.test('session handlers may be the handler, or stand in websocket or beside it', async (t) => {
  const app = await createApp(t)
  const onMessage = async (ws: any, data: any): Promise<void> => { await ws.send(data + 1) }
  const websocket = { valueType: 'integer', onMessage } as const
  app.websocket('/handlers', { onMessage })
  app.websocket('/options', { websocket: { valueType: 'integer' } } as any, { onMessage } as any)
  app.websocket('/websocket', { websocket })
  app.get('/get', { websocket })
  app.route({ method: 'GET', url: '/route', websocket })
  app.route(defineWebSocket({ url: '/defined', websocket }))
  app.route(defineWebSocket({ url: '/beside', websocket: { valueType: 'integer' }, onMessage } as any))
  const port = await listen(app)
  t.equal(await ask(t, port, '/handlers', '1'), '11')
  for (const path of ['/options', '/websocket', '/get', '/route', '/defined', '/beside']) t.equal(await ask(t, port, path, '1'), '2', path)
})

t.test('onConnect and onDisconnect may stand wherever onMessage may stand', async (t) => {
  const app = await createApp(t)
  const calls: string[] = []
  const handlers = {
    async onConnect (ws: any) {
      calls.push('onConnect')
      await ws.accept()
    },
    onMessage (ws: any) { calls.push('onMessage'); return ws.close() },
    onDisconnect () { calls.push('onDisconnect') }
  }
  app.websocket('/a', handlers)
  app.websocket('/b', {}, handlers as any)
  app.route(defineWebSocket({ url: '/c', ...handlers } as any))
  const port = await listen(app)
  for (const path of ['/a', '/b', '/c']) {
    const peer = await connectPeer(t, `ws://127.0.0.1:${port}${path}`)
    peer.socket.send('x')
    await peer.closed
  }
  await app.close()
  t.same(calls, Array(3).fill(['onConnect', 'onMessage', 'onDisconnect']).flat())
})

t.test('defineWebSocket returns the options of a route, apart from an app', async (t) => {
  const definition = defineWebSocket({
    url: '/elsewhere/:n',
    schema: { params: { type: 'object', properties: { n: { type: 'integer' } } }, send: { type: 'object', properties: { n: { type: 'integer' } } } },
    async handler (ws, request) {
      await ws.accept()
      await ws.send({ n: (request.params as any).n, secret: 1 })
    }
  })
  t.match(definition, { method: 'GET', url: '/elsewhere/:n' })
  for (let i = 0; i < 2; i++) {
    const app = await createApp(t)
    app.route(definition)
    app.register(async (child) => { child.route(definition) }, { prefix: '/child' })
    const port = await listen(app)
    t.equal(await (await connectPeer(t, `ws://127.0.0.1:${port}/elsewhere/7`)).next(), '{"n":7}')
    t.equal(await (await connectPeer(t, `ws://127.0.0.1:${port}/child/elsewhere/8`)).next(), '{"n":8}')
  }
})

t.test('definitions, options and session handlers are not changed', async (t) => {
  const app = await createApp(t)
  const schema = Object.freeze({ receive: { type: 'integer' } })
  const websocket = Object.freeze({ valueType: 'integer', onMessage () {} } as const)
  const options = Object.freeze({ schema, websocket })
  app.websocket('/a', options)
  app.get('/b', options)
  app.route(Object.freeze({ method: 'GET', url: '/c', ...options } as const))
  await app.ready()
  t.same(Object.keys(options), ['schema', 'websocket'])
  t.same(schema, { receive: { type: 'integer' } })
})

t.test('routes are encapsulated, with the prefix of their context', async (t) => {
  const app = await createApp(t)
  app.decorate('place', 'root')
  async function place (this: FastifyInstance, ws: any): Promise<void> {
    await ws.accept()
    await ws.send(`${(this as any).place} ${ws.request.routeOptions.url}`)
  }
  app.websocket('/', place)
  app.register(async (child) => {
    child.decorate('place', 'child')
    child.addHook('preHandler', async (request, reply) => request.url.endsWith('guarded') ? reply.code(401).send() : undefined)
    child.websocket('/', place)
    child.websocket('/guarded', place)
    child.register(async (grandchild) => { grandchild.get('/deep', { websocket: true }, place) }, { prefix: '/grand' })
  }, { prefix: '/child' })
  app.websocket('/guarded', place)
  const port = await listen(app)
  const first = async (path: string): Promise<unknown> => await (await connectPeer(t, `ws://127.0.0.1:${port}${path}`)).next()
  t.equal(await first('/'), 'root /')
  t.equal(await first('/child'), 'child /child')
  t.equal(await first('/child/'), 'child /child')
  t.equal(await first('/child/grand/deep'), 'child /child/grand/deep')
  t.equal(await first('/guarded'), 'root /guarded')
  t.equal((await refusal(port, '/child/guarded')).status, 401)
})

t.test('session handlers may stand beside the option websocket as well as in it, in every form of a route', async (t) => {
  const app = await createApp(t) as any
  const handlers = { onMessage: (ws: any, data: string) => ws.send(data) }
  app.get('/get', { websocket: true, ...handlers })
  app.get('/settings', { websocket: { receiveType: 'text' }, ...handlers })
  app.route({ method: 'GET', url: '/route', websocket: true, ...handlers })
  app.websocket('/shorthand', { schema: {}, ...handlers })
  t.throws(() => app.get('/x', { websocket: true, ...handlers }, echo), { name: 'WebSocketOptionError', message: /^GET \/x: session handlers take the place of the handler/ })
  t.throws(() => app.websocket('/x', { ...handlers }, handlers), { name: 'WebSocketOptionError', message: 'GET /x: session handlers are given twice' })
  t.throws(() => app.get('/x', { websocket: true }), { name: 'WebSocketOptionError', message: 'GET /x: the handler is missing: give a function, or onMessage' })
  t.throws(() => app.get('/x', { websocket: { ...handlers }, ...handlers }), { name: 'WebSocketOptionError', message: 'GET /x: session handlers are given twice' })
  const url = `ws://127.0.0.1:${await listen(app)}`
  for (const path of ['/get', '/settings', '/route', '/shorthand']) {
    const peer = await connectPeer(t, url + path)
    peer.socket.send('echo')
    t.equal(await peer.next(), 'echo', path)
  }
})

t.test('URLs with several forms in Fastify work', async (t) => {
  const app = await createApp(t)
  const sendUrl = async (ws: any): Promise<void> => {
    await ws.accept()
    await ws.send(ws.request.routeOptions.url)
  }
  app.websocket('/a/:b?', sendUrl)
  app.register(async (child) => {
    child.websocket('/', sendUrl)
    child.websocket('/deep/', sendUrl)
  }, { prefix: '/prefix' })
  app.websocket('*', sendUrl)
  const port = await listen(app)
  for (const [path, url] of [['/a', '/a/:b?'], ['/a/b', '/a/:b?'], ['/prefix', '/prefix'], ['/prefix/', '/prefix'], ['/prefix/deep/', '/prefix/deep/'], ['/anything/else', '*']]) {
    t.equal(await (await connectPeer(t, `ws://127.0.0.1:${port}${path}`)).next(), url, path)
    t.equal((await app.inject({ method: 'HEAD', url: path })).statusCode, 426)
  }
})

t.test('an option that stands beside websocket instead of in it fails at registration, and the error says where it belongs', async (t) => {
  const app = await createApp(t) as any
  const misplaced = { name: 'WebSocketOptionError', message: 'GET /x: option valueType stands beside `websocket` and belongs in `websocket`: use websocket: { valueType: … }' }
  t.throws(() => app.websocket('/x', { valueType: 'json' }, echo), misplaced)
  t.throws(() => app.get('/x', { websocket: true, valueType: 'json' }, echo), misplaced)
  t.throws(() => app.route({ method: 'GET', url: '/x', valueType: 'json', handler: async () => 'http', wsHandler: echo }), misplaced)
  t.throws(() => app.route(defineWebSocket({ url: '/x', valueType: 'json', handler: echo } as any)), misplaced)
  t.throws(() => app.websocket('/x', { raw: true }, echo), { message: /option raw stands beside/ })
  app.websocket('/x', { bodyLimit: 5, handlerTimeout: 1_000, logLevel: 'info', config: { valueType: 'json' }, errorHandler () {}, mine: 'json' }, echo)
  app.get('/http', { valueType: 'json' }, async () => 'a route of HTTP may have what it likes')
})

t.test('a mistake fails at registration with a clear error', async (t) => {
  const app = await createApp(t) as any
  const missing = { name: 'WebSocketOptionError', message: 'GET /x: the handler is missing: give a function, or onMessage' }
  t.throws(() => app.websocket('/x'), missing)
  t.throws(() => app.websocket('/x', {}), missing)
  t.throws(() => app.websocket('/x', {}, null), missing)
  t.throws(() => app.websocket('/x', {}, 'handler'), missing)
  t.throws(() => app.route(defineWebSocket({ url: '/x' } as any)), missing)
  for (const options of [5, 'options', null, [], true]) {
    t.throws(() => app.websocket('/x', options, echo), { name: 'WebSocketOptionError', message: `the options of app.websocket are an object, not ${show(options)}` })
  }
  for (const url of [5, null, undefined, {}, Symbol('url')]) t.throws(() => app.websocket(url, echo), { name: 'WebSocketOptionError', message: `the URL of app.websocket is ${show(url)}: use a string` })
  t.throws(() => app.websocket('/x', { handler: echo }, echo), { name: 'WebSocketOptionError', message: 'GET /x: the handler is given twice' })
  t.throws(() => defineWebSocket(5 as any), { name: 'WebSocketOptionError', message: 'the options of defineWebSocket are an object, not 5' })
  t.throws(() => defineWebSocket({ handler: echo } as any), { name: 'WebSocketOptionError', message: 'the URL of defineWebSocket is undefined: use a string' })
  const both = { name: 'WebSocketOptionError', message: /^GET \/x: session handlers take the place of the handler/ }
  t.throws(() => app.websocket('/x', { websocket: { onMessage () {} } }, echo), both)
  t.throws(() => app.websocket('/x', { onMessage () {} }, echo), both)
  const incomplete = { name: 'WebSocketOptionError', message: 'GET /x: session handlers need onMessage' }
  t.throws(() => app.websocket('/x', { onConnect () {} }), incomplete)
  t.throws(() => app.websocket('/x', {}, { onDisconnect () {} }), incomplete)
  t.throws(() => app.websocket('/x', { websocket: { onMessage () {} } }, { onMessage () {} } as any), /GET \/x: session handlers are given twice/)
  t.throws(() => app.websocket('/x', { method: 'POST' }, echo), { message: /^POST \/x: a WebSocket route has the method GET, not POST/ })
  for (const websocket of ['yes', null, false, 5, []]) {
    t.throws(() => app.websocket('/x', { websocket }, echo), { name: 'WebSocketOptionError', message: /option websocket: use true or an object/ })
  }
  app.websocket('/x', { websocket: true }, echo)
})

t.test('the options of a route decide which handler it has, even if an earlier hook has wrapped the handler', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRoute', (route) => {
    const { handler } = route
    route.handler = function (this: FastifyInstance, ...rest: unknown[]) { return Reflect.apply(handler, this, rest) }
  })
  await app.register(websocket)
  const onMessage = async (ws: any, data: any): Promise<void> => { await ws.send(data + 1) }
  app.websocket('/handlers', { onMessage })
  app.get('/get', { websocket: { onMessage } })
  app.route(defineWebSocket({ url: '/defined', websocket: { onMessage } }))
  app.websocket('/handler', echo)
  t.throws(() => app.websocket('/x', {} as any), { message: 'GET /x: the handler is missing: give a function, or onMessage' })
  t.throws(() => app.websocket('/x', { onMessage } as any, echo), { message: /^GET \/x: session handlers take the place of the handler/ })
  t.throws(() => app.route({ ...defineWebSocket({ url: '/x', websocket: { onMessage } }), handler: echo } as any), { message: /^GET \/x: session handlers take the place of the handler/ })
  const port = await listen(app)
  for (const path of ['/handlers', '/get', '/defined']) t.equal(await ask(t, port, path, '1'), '11', path)
  t.equal(await ask(t, port, '/handler', '1'), '1')
  t.equal((await app.inject('/handlers')).statusCode, 426)
})

t.test('onInvalid may stand among session handlers or beside the options, but not in both places', async (t) => {
  const app = await createApp(t)
  const told: string[] = []
  const onInvalid = (_: unknown, error: Error): void => { told.push(error.name) }
  app.websocket('/a', { websocket: { valueType: 'integer' } }, { onMessage: (ws: any, n: number) => ws.send(n), onInvalid } as never)
  app.route(defineWebSocket({ url: '/b', websocket: { valueType: 'integer' }, onInvalid, onMessage: (ws: any, n: number) => ws.send(n) } as never))
  t.throws(() => app.websocket('/', { onInvalid }, { onMessage () {}, onInvalid } as never), { name: 'WebSocketOptionError', message: 'GET /: onInvalid is given twice' })
  for (const path of ['/a', '/b']) {
    const client = await app.injectWebSocket(path)
    for (const text of ['x', '5']) await client.send(text)
    t.equal(await client.receive(), '5')
  }
  t.same(told, ['WebSocketDecodeError', 'WebSocketDecodeError'])
})

t.test('defineWebSocket.withTypeProvider() is defineWebSocket, for other types', async (t) => {
  t.equal(defineWebSocket.withTypeProvider(), defineWebSocket)
})
