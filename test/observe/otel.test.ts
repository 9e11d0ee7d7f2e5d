import Fastify from 'fastify'
import t from 'tap'
import websocket from '../../lib/index'
import { otel, register } from '../../lib/observe/otel'
import { accepted, messageReceived } from '../../lib/observe/channels'
import { createApp } from '../helpers/app'
import { api, Telemetry } from '../helpers/telemetry'
import { until } from '../helpers/until'

t.test('what is registered twice is told once, until all have ended it', async (t) => {
  const telemetry = new Telemetry(t)
  const ends = [register(api), register(api, {})]
  const app = await createApp(t)
  app.websocket('/', { onMessage (ws, message) { ws.send(message) } })
  await (await app.injectWebSocket('/')).pair('x')
  t.same((await telemetry.collect())['websocket.server.handshakes'].points.map(([, count]) => count), [1])
  ends[0]()
  ends[0]()
  t.ok(accepted.hasSubscribers)
  ends[1]()
  t.notOk(accepted.hasSubscribers || messageReceived.hasSubscribers)
})

t.test('a registration with other options takes the place of the one before', async (t) => {
  const telemetry = new Telemetry(t)
  const end = register(api)
  t.teardown(register(api, { messages: true }))
  end()
  const app = await createApp(t)
  app.websocket('/', { onMessage (ws, message) { ws.send(message) } })
  await (await app.injectWebSocket('/')).pair('x')
  await until(() => telemetry.spans.getFinishedSpans().length === 1)
  t.same((await telemetry.collect())['websocket.server.handshakes'].points.map(([, count]) => count), [1])
})

t.test('wrong arguments are refused with the way out', async (t) => {
  t.throws(() => register(undefined as any), { message: /give the module @opentelemetry\/api/, code: 'FST_WS_OPTION' })
  t.throws(() => register({ metrics: {} } as any), { message: /give the module @opentelemetry\/api/ })
  t.throws(() => register(api, { message: true } as any), { message: /unknown option message of register: the options are messages/ })
  t.throws(() => register(api, { messages: 1 } as any), { message: /option messages is 1: use true or false/ })
  t.throws(() => register(api, 1 as any), { message: /the options of register are an object, not 1/ })
})

t.test('as a plugin, it is registered until the app closes', async (t) => {
  const telemetry = new Telemetry(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(otel, { messages: true })
  await app.register(websocket)
  app.websocket('/', { onMessage (ws, message) { ws.send(message) } })
  await (await app.injectWebSocket('/')).pair('x')
  await until(() => telemetry.spans.getFinishedSpans().length === 1)
  t.ok(accepted.hasSubscribers)
  await app.close()
  t.notOk(accepted.hasSubscribers)
})
