import t, { type Test } from 'tap'
import { startMessageSpans } from '../../lib/observe/message-spans'
import { createApp } from '../helpers/app'
import { api, Telemetry } from '../helpers/telemetry'
import { until } from '../helpers/until'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node'

/** The ended spans whose name begins with `name`. */
function named (telemetry: Telemetry, name: string): ReadableSpan[] {
  return telemetry.spans.getFinishedSpans().filter((span) => span.name.startsWith(name))
}

function start (t: Test): Telemetry {
  const telemetry = new Telemetry(t)
  t.teardown(startMessageSpans(api))
  return telemetry
}

t.test('each onMessage has a span of its own, which is active in it, and is linked to the span of the request', async (t) => {
  const telemetry = start(t)
  const app = await createApp(t)
  await app.register(telemetry.instrumentation(t).plugin())
  app.websocket('/rooms/:id', {
    async onMessage (ws, message) {
      api.trace.getTracer('test').startSpan(`query ${message}`).end()
      await ws.send(message)
    }
  })
  const client = await app.injectWebSocket('/rooms/7')
  for (const message of ['one', 'two']) await client.pair(message)
  await until(() => named(telemetry, 'onMessage').length === 2)
  const [request] = named(telemetry, 'request')
  const spans = named(telemetry, 'onMessage')
  t.same(spans.map(({ name, attributes, kind, status, parentSpanContext, links }) => [name, attributes, kind, status.code, parentSpanContext, links.map(({ context }) => context.spanId)]),
    Array(2).fill(['onMessage /rooms/:id', { 'http.route': '/rooms/:id' }, api.SpanKind.CONSUMER, api.SpanStatusCode.UNSET, undefined, [request.spanContext().spanId]]))
  t.equal(new Set(spans.map((span) => span.spanContext().traceId)).size, 2, 'a trace for each message')
  t.same(named(telemetry, 'query').map(({ parentSpanContext }) => parentSpanContext?.spanId), spans.map((span) => span.spanContext().spanId))
})

t.test('an error of onMessage is an error of its span, a client that leaves is none', async (t) => {
  const telemetry = start(t)
  const app = await createApp(t)
  let go = (): void => {}
  app.websocket('/throws', { onMessage () { throw new Error('failed') } })
  app.websocket('/null', { onMessage () { throw null } }) // eslint-disable-line no-throw-literal -- users can throw any value
  app.websocket('/leaves', {
    async onMessage (ws) {
      await new Promise<void>((resolve) => { go = resolve })
      await ws.closed
      await ws.receive()
    }
  })
  for (const path of ['/throws', '/null']) {
    const client = await app.injectWebSocket(path)
    await client.send('x')
    t.equal((await client.closed).code, 1011)
  }
  const client = await app.injectWebSocket('/leaves')
  await client.send('x')
  await until(() => { go(); return app.websockets.stats().messages.received === 3 })
  client.terminate()
  await until(() => { go(); return named(telemetry, 'onMessage').length === 3 })
  const spans = named(telemetry, 'onMessage')
  t.same(spans.map(({ name, status, events, links }) => [name, status, events.map(({ name }) => name), links]), [
    ['onMessage /throws', { code: api.SpanStatusCode.ERROR, message: 'failed' }, ['exception'], []],
    ['onMessage /null', { code: api.SpanStatusCode.ERROR }, [], []],
    ['onMessage /leaves', { code: api.SpanStatusCode.UNSET }, [], []]
  ])
})

t.test('without @fastify/otel, the link is to the span that is active when the handler begins', async (t) => {
  const telemetry = start(t)
  const app = await createApp(t)
  const span = api.trace.getTracer('test').startSpan('active')
  app.addHook('onRequest', (_request, _reply, done) => { api.context.with(api.trace.setSpan(api.context.active(), span), done) })
  app.websocket('/', { onMessage (ws, message) { ws.send(message) } })
  await (await app.injectWebSocket('/')).pair('x')
  await until(() => named(telemetry, 'onMessage').length === 1)
  t.same(named(telemetry, 'onMessage')[0].links.map(({ context }) => context.spanId), [span.spanContext().spanId])
})

t.test('a session that has begun before has no spans, and one that begins afterwards has none', async (t) => {
  const telemetry = new Telemetry(t)
  const app = await createApp(t)
  app.websocket('/', { onMessage (ws, message) { ws.send(message) } })
  const before = await app.injectWebSocket('/')
  await before.pair('x')
  const end = startMessageSpans(api)
  await before.pair('x')
  end()
  await (await app.injectWebSocket('/')).pair('x')
  t.same(named(telemetry, 'onMessage'), [])
})
