import fastifyAuth from '@fastify/auth'
import { fastifyAwilixPlugin } from '@fastify/awilix'
import fastifyCompress from '@fastify/compress'
import fastifyCookie from '@fastify/cookie'
import fastifyCors from '@fastify/cors'
import fastifyHelmet from '@fastify/helmet'
import fastifyJwt from '@fastify/jwt'
import fastifyMiddie from '@fastify/middie'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import fastifyRateLimit from '@fastify/rate-limit'
import fastifyRequestContext from '@fastify/request-context'
import fastifySession from '@fastify/session'
import fastifySwagger from '@fastify/swagger'
import fastifyThrottle from '@fastify/throttle'
import fastifyUnderPressure from '@fastify/under-pressure'
import { createContainer } from 'awilix'
import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import websocket from '../../lib/index'
import { collectLogs, WARN } from '../helpers/logs'
import { until } from '../helpers/until'
import { ACCEPTED } from '../helpers/transport'
import { eachTransport, refused } from '../helpers/transports'

/* All these plugins in one app. */

async function registerAll (app: FastifyInstance): Promise<void> {
  await app.register(new FastifyOtelInstrumentation().plugin())
  await app.register(fastifyMiddie)
  await app.register(fastifyRequestContext)
  await app.register(fastifyAwilixPlugin, { container: createContainer() })
  await app.register(fastifyUnderPressure, { healthCheck: async () => true, healthCheckInterval: 1_000 })
  await app.register(fastifyHelmet)
  await app.register(fastifyCors)
  await app.register(fastifyCookie)
  await app.register(fastifySession, { secret: 'x'.repeat(32), cookie: { secure: false } })
  await app.register(fastifyJwt, { secret: 'a secret' })
  await app.register(fastifyAuth)
  await app.register(fastifyRateLimit)
  await app.register(fastifySwagger)
  await app.register(fastifyCompress, { threshold: 0 })
  await app.register(fastifyThrottle, { bytesPerSecond: 1_000_000 })
  app.use((_request: unknown, _response: unknown, next: () => void) => { next() })
}

for (const place of ['before', 'after']) {
  eachTransport(`registered ${place} this plugin, each handshake gets one answer, and the log says once that its request is completed`, async (t, start) => {
    const { lines, serverOptions } = collectLogs('info')
    const app = Fastify({ ...serverOptions, handlerTimeout: 50 })
    t.teardown(() => app.close())
    if (place === 'before') await registerAll(app)
    await app.register(websocket)
    if (place === 'after') await registerAll(app)
    const statuses: number[] = []
    app.addHook('onResponse', async (_request, reply) => { statuses.push(reply.statusCode) })
    app.websocket('/handler', async (ws) => {
      await ws.accept()
      await setTimeout(60)
      for await (const message of ws) await ws.send(message)
    })
    app.websocket('/handlers', { async onMessage (ws: any, message: any) { await ws.send(message) } })
    app.websocket('/refused', (ws) => ws.deny(403))
    const open = await start(app)
    for (const [ended, path] of ['/handler', '/handlers'].entries()) {
      const client = await open(path, { headers: { 'accept-encoding': 'gzip' } })
      for (const name of ['set-cookie', 'x-ratelimit-limit', 'access-control-allow-origin', 'content-security-policy']) t.ok(name in client.headers, `${path}: ${name}`)
      t.equal(await client.pair('hello'), 'hello')
      t.equal(statuses.length, ended, 'not while the session is open')
      await client.close()
      await until(() => statuses.length > ended)
    }
    t.equal((await refused(open('/refused'))).status, 403)
    await until(() => statuses.length === 3)
    await app.close()
    const completed = lines.filter(({ msg }) => msg === 'request completed').map(({ res }) => res.statusCode)
    t.same([statuses, completed], [[ACCEPTED, ACCEPTED, 403], [ACCEPTED, ACCEPTED, 403]])
    t.same(lines.filter(({ level }) => level >= WARN), [])
  })
}
