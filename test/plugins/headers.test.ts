import fastifyCompress from '@fastify/compress'
import fastifyCors from '@fastify/cors'
import fastifyHelmet from '@fastify/helmet'
import fastifyThrottle from '@fastify/throttle'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import websocket from '../../lib/index'
import { createApp } from '../helpers/app'
import { eachTransport, refused } from '../helpers/transports'
import type { WebSocketSession } from '../../types/session'

/* Plugins that change the headers and bodies of responses: @fastify/cors, helmet, compress and throttle. */

async function echo (ws: WebSocketSession): Promise<void> {
  await ws.accept()
  for await (const message of ws) await ws.send(message)
}

eachTransport('@fastify/cors: its headers are on the 101 and on refusals, but the option origins decides who connects', async (t, start) => {
  const app = await createApp(t, { origins: ['https://app.example.com'] })
  await app.register(fastifyCors, { origin: 'https://elsewhere.example.com', credentials: true })
  app.websocket('/', echo)
  const open = await start(app)
  const client = await open('/', { headers: { origin: 'https://app.example.com' } })
  t.match(client.headers, { 'access-control-allow-origin': 'https://elsewhere.example.com', 'access-control-allow-credentials': 'true' })
  t.equal(await client.pair('hello'), 'hello')
  t.equal((await refused(open('/', { headers: { origin: 'https://elsewhere.example.com' } }))).status, 403)
})

eachTransport('@fastify/helmet: its headers are on the 101, where they do no harm, and on refusals', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyHelmet)
  app.websocket('/', echo)
  app.websocket('/refused', (ws) => ws.deny(403))
  const open = await start(app)
  const client = await open('/')
  const headers = { 'content-security-policy': /^default-src 'self'/, 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' }
  t.match(client.headers, headers)
  t.equal(await client.pair('hello'), 'hello')
  t.match((await refused(open('/refused'))).headers, headers)
})

const ACCEPT_ENCODING = { 'accept-encoding': 'gzip' }

eachTransport('@fastify/compress does not change the 101 and the session, and compresses a refusal', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyCompress, { threshold: 0 })
  app.websocket('/', echo)
  app.websocket('/refused', (ws) => ws.deny(403, { message: 'the room is locked' }))
  const open = await start(app)
  const client = await open('/', { headers: ACCEPT_ENCODING })
  t.same([client.headers['content-encoding'], client.headers['content-length'], client.headers['transfer-encoding']], [undefined, undefined, undefined])
  t.equal(await client.pair('hello'), 'hello')
  t.equal((await refused(open('/refused', { headers: ACCEPT_ENCODING }))).headers['content-encoding'], 'gzip')
})

t.test("@fastify/compress: a page reads the reason of a refusal if compress is registered after this plugin, and the status's name if before", async (t) => {
  const told = async (before: boolean): Promise<string> => {
    const app = Fastify()
    t.teardown(() => app.close())
    const compress = (app: FastifyInstance): PromiseLike<unknown> => app.register(fastifyCompress, { threshold: 0 })
    if (before) await compress(app)
    await app.register(websocket, { refusal: 'close' })
    if (!before) await compress(app)
    app.websocket('/', (ws) => ws.deny(403, { message: 'the room is locked' }))
    const client = await app.injectWebSocket('/', { headers: ACCEPT_ENCODING })
    t.equal(client.headers['content-encoding'], undefined)
    return (await client.closed).reason
  }
  t.equal(await told(false), 'the room is locked')
  t.equal(await told(true), 'Forbidden')
})

eachTransport('@fastify/throttle does not change the session, and a refusal is complete', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyThrottle, { bytesPerSecond: 1_000, stringPayloads: true })
  app.websocket('/', echo)
  app.websocket('/refused', (ws) => ws.deny(403, 'x'.repeat(900)))
  const open = await start(app)
  const client = await open('/')
  const message = 'x'.repeat(500_000)
  t.equal(await client.pair(message), message)
  t.equal((await refused(open('/refused'))).body.length, 900)
})
