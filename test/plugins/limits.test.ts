import fastifyRateLimit from '@fastify/rate-limit'
import fastifyUnderPressure from '@fastify/under-pressure'
import t from 'tap'
import { createApp } from '../helpers/app'
import { until } from '../helpers/until'
import { eachTransport, refused } from '../helpers/transports'

/* Plugins that limit the load: @fastify/rate-limit and @fastify/under-pressure. */

const HEADERS = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'retry-after']

eachTransport('@fastify/rate-limit: its headers arrive with the 101, and a handshake over the limit is refused with 429', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyRateLimit, { max: 2, timeWindow: 60_000 })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const open = await start(app)
  const told = (headers: Record<string, unknown>): unknown[] => HEADERS.map((name) => headers[name])
  const first = await open('/')
  t.same(told(first.headers), ['2', '1', undefined])
  for (let i = 0; i < 5; i++) t.equal(await first.pair('again'), 'again', 'messages are not counted')
  t.same(told((await open('/')).headers), ['2', '0', undefined])
  const { status, headers, body } = await refused(open('/'))
  t.same([status, ...told(headers), JSON.parse(body).message], [429, '2', '0', '60', 'Rate limit exceeded, retry in 1 minute'])
})

eachTransport('@fastify/rate-limit: a route has its own limit, with a key that another hook has set', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyRateLimit, { global: false })
  const keyGenerator = (request: any): string => request.headers['x-user']
  app.websocket('/', { config: { rateLimit: { max: 1, hook: 'preHandler', keyGenerator } } }, async (ws) => { await ws.accept() })
  const open = await start(app)
  const as = (user: string): { headers: Record<string, string> } => ({ headers: { 'x-user': user } })
  await open('/', as('ada'))
  await open('/', as('grace'))
  t.equal((await refused(open('/', as('ada')))).status, 429)
})

t.test("@fastify/rate-limit: with refusal: 'close' the connection is closed with 4429, and its 101 has the headers", async (t) => {
  const app = await createApp(t, { refusal: 'close' })
  await app.register(fastifyRateLimit, { max: 0 })
  app.websocket('/', async (ws) => { await ws.accept() })
  const client = await app.injectWebSocket('/')
  t.match(await client.closed, { code: 4429, reason: 'Rate limit exceeded, retry in 1 minute' })
  t.same(HEADERS.map((name) => client.headers[name]), ['0', '0', '60'])
})

eachTransport('@fastify/under-pressure: under pressure, handshakes are refused with 503, and sessions go on', async (t, start) => {
  const app = await createApp(t)
  let healthy = true
  await app.register(fastifyUnderPressure, { healthCheck: async () => healthy, healthCheckInterval: 5 })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const open = await start(app)
  const client = await open('/')
  healthy = false
  await until(() => app.isUnderPressure())
  const { status, headers } = await refused(open('/'))
  t.same([status, headers['retry-after']], [503, '10'])
  t.equal(await client.pair('hello'), 'hello')
  healthy = true
  await until(() => !app.isUnderPressure())
  await open('/')
})
