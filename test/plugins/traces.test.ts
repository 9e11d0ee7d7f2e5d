import { FastifyOtelInstrumentation } from '@fastify/otel'
import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-node'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { until } from '../helpers/until'
import { eachTransport, refused } from '../helpers/transports'
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
      expected.push([101, path, false])
      t.same(requests(), expected, 'while the session is open')
      await client.close()
      await until(() => ended.includes(path))
      t.same(requests(), expected, 'and once')
    }
    await open('/both')
    t.equal((await app.inject('/both')).body, 'http')
    t.same(requests().slice(expected.length), [[101, '/both', false], [200, '/both', false]])
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
