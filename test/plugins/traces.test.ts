import { FastifyOtelInstrumentation } from '@fastify/otel'
import { diag, DiagLogLevel, SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-node'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { until } from '../helpers/until'
import { ACCEPTED } from '../helpers/transport'
import { eachTransport, refused } from '../helpers/transports'
import { connectPeer } from '../helpers/peer'
import { listen } from '../helpers/app'
import type { WebSocketPluginOptions } from '../../types/options'

/* @fastify/otel, which wraps the hooks and handlers of routes: registered before this plugin, and after it. */

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()
t.teardown(() => provider.shutdown())

const PLACES = ['first', 'last', 'by itself'] as const
type Place = typeof PLACES[number]

async function createTracedApp (t: Test, place: Place, options: WebSocketPluginOptions = {}): Promise<FastifyInstance> {
  exporter.reset()
  const otel = new FastifyOtelInstrumentation({ registerOnInitialization: place === 'by itself' })
  otel.setTracerProvider(provider)
  t.teardown(() => otel.disable())
  const app = Fastify()
  t.teardown(() => app.close())
  if (place === 'first') await app.register(otel.plugin())
  await app.register(websocket, options)
  if (place === 'last') await app.register(otel.plugin())
  return app
}

/** What the SDK complains about to the end of `t`, such as an attribute of a span that has ended. */
function complaints (t: Test): unknown[] {
  const told: unknown[] = []
  const tell = (...args: unknown[]): void => { told.push(args) }
  const ignore = (): void => {}
  diag.setLogger({ error: tell, warn: tell, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.WARN)
  t.teardown(() => diag.disable())
  return told
}

/** The ended spans of handlers: the route, and whether the span is an error. */
function handlers (): unknown[] {
  return exporter.getFinishedSpans().filter(({ name }) => name.startsWith('handler')).map(({ attributes, status }) => [attributes['http.route'], status.code === SpanStatusCode.ERROR])
}

/** The ended spans of requests: the status of the response, the route, and whether the span is an error. */
function requests (): unknown[] {
  return exporter.getFinishedSpans().filter(({ name }) => name === 'request').map(({ attributes, status }: ReadableSpan) =>
    [attributes['http.response.status_code'], attributes['http.route'], status.code === SpanStatusCode.ERROR])
}

for (const place of PLACES) {
  eachTransport(`registered ${place}, an app with handlers and session handlers starts, and the span of a request ends at accept, with 101`, async (t, start) => {
    const app = await createTracedApp(t, place)
    app.websocket('/handler', async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
    const onMessage = async (ws: any, message: any): Promise<void> => { await ws.send(message) }
    app.websocket('/handlers', { onMessage })
    app.get('/get', { websocket: { onMessage } })
    app.get('/both', { handler: async () => 'http', wsHandler: async (ws: any) => { await ws.accept() } } as any)
    t.throws(() => app.websocket('/missing', {} as any), { message: /the handler is missing/ })
    const ended: string[] = []
    app.addHook('onResponse', async ({ url }) => { ended.push(url) })
    const open = await start(app)
    const expected: unknown[] = []
    for (const path of ['/handler', '/handlers', '/get']) {
      const client = await open(path)
      t.equal(await client.pair(path), path)
      expected.push([ACCEPTED, path, false])
      t.same(requests(), expected, 'while the session is open')
      await client.close()
      await until(() => ended.includes(path))
      t.same(requests(), expected, 'and once')
    }
    await open('/both')
    t.equal((await app.inject('/both')).body, 'http')
    t.same(requests().slice(expected.length), [[ACCEPTED, '/both', false], [200, '/both', false]])
  })

  for (const refusal of ['http', 'close'] as const) {
    t.test(`registered ${place}, the span of a refusal has its status, with refusal: '${refusal}'`, async (t) => {
      const app = await createTracedApp(t, place, { refusal })
      app.websocket('/denied', (ws) => ws.deny(401))
      app.websocket('/thrown', () => { throw new Error('thrown') })
      app.websocket('/hook', { preHandler: async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) } }, () => {})
      await app.ready()
      for (const path of ['/denied', '/thrown', '/hook']) {
        if (refusal === 'http') await refused(app.injectWebSocket(path))
        else await (await app.injectWebSocket(path)).closed
      }
      await until(() => requests().length === 3)
      t.same(requests(), [[401, '/denied', false], [500, '/thrown', true], [403, '/hook', true]])
    })
  }
}

for (const place of PLACES) {
  eachTransport(`registered ${place}, the span of a handshake is ended once, and nothing touches it again`, async (t, start) => {
    const told = complaints(t)
    const app = await createTracedApp(t, place)
    app.websocket('/handler', async (ws) => {
      await ws.accept()
      await ws.receive()
    })
    app.websocket('/raw', { websocket: { raw: true } }, (socket) => { socket.on('message', () => socket.close()) })
    const ended: string[] = []
    app.addHook('onResponse', async ({ url }) => { ended.push(url) })
    const open = await start(app)
    for (const path of ['/handler', '/raw']) {
      const client = await open(path)
      t.same(requests().at(-1), [ACCEPTED, path, false], 'while the connection is open')
      await client.send('x')
      await client.closed
    }
    await until(() => ended.includes('/handler'))
    t.equal(requests().length, 2)
    t.same(told, [])
  })

  t.test(`registered ${place}, a client that leaves makes no span an error`, async (t) => {
    const app = await createTracedApp(t, place)
    const receive = async (ws: any): Promise<void> => {
      await ws.accept()
      await ws.receive()
    }
    const fetching = async (ws: any): Promise<void> => {
      await ws.accept()
      await new Promise((_resolve, reject) => { ws.signal.onabort = () => reject(Object.assign(new Error('aborted', { cause: ws.signal.reason }), { name: 'AbortError' })) })
    }
    app.websocket('/method', receive)
    app.get('/option', { websocket: true }, receive)
    app.route({ method: 'GET', url: '/route', websocket: true, handler: receive } as any)
    app.get('/within', { websocket: true, handler: receive } as any)
    app.get('/both', { handler: async () => 'http', wsHandler: receive } as any)
    app.route(websocket.defineWebSocket({ url: '/defined', handler: receive }))
    app.websocket('/session-handlers', { async onMessage (ws) { await ws.receive() } })
    app.websocket('/signal', fetching)
    app.register(async (app) => { app.websocket('/nested', receive) }, { prefix: '/prefix' })
    const url = `ws://127.0.0.1:${await listen(app)}`
    const paths = ['/method', '/option', '/route', '/within', '/both', '/defined', '/session-handlers', '/signal', '/prefix/nested']
    for (const path of paths) {
      const peer = await connectPeer(t, url + path)
      await until(() => app.websockets.size === 1)
      if (path === '/session-handlers') await peer.send('x')
      await peer.terminate()
      await until(() => app.websockets.size === 0)
    }
    await until(() => handlers().length >= (place === 'last' ? 1 : 7))
    t.same(exporter.getFinishedSpans().filter(({ status }) => status.code === SpanStatusCode.ERROR).map(({ name, attributes }) => [name, attributes]), [])
  })
}

t.test('an error of a handler, and a disconnect with catchDisconnect: false, make its span an error', async (t) => {
  const app = await createTracedApp(t, 'first')
  app.websocket('/thrown', async (ws) => {
    await ws.accept()
    throw new Error('thrown')
  })
  app.websocket('/strict', { websocket: { catchDisconnect: false } }, async (ws) => {
    await ws.accept()
    await ws.receive()
  })
  await (await app.injectWebSocket('/thrown')).closed
  const client = await app.injectWebSocket('/strict')
  client.terminate()
  await until(() => handlers().length === 2)
  t.same(handlers(), [['/thrown', true], ['/strict', true]])
})

t.test('a route from before @fastify/otel has its span ended at accept, too', async (t) => {
  const told = complaints(t)
  const otel = new FastifyOtelInstrumentation()
  otel.setTracerProvider(provider)
  t.teardown(() => otel.disable())
  exporter.reset()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  app.websocket('/before', async (ws) => {
    await ws.accept()
    await ws.receive()
  })
  await app.register(otel.plugin())
  let isOver = false
  app.addHook('onResponse', async () => { isOver = true })
  const client = await app.injectWebSocket('/before')
  t.same(requests(), [[ACCEPTED, '/before', false]], 'while the session is open')
  await client.send('x')
  await client.closed
  await until(() => isOver)
  t.equal(requests().length, 1)
  t.same(told, [])
})
