import { createServer, type RequestListener, type Server } from 'node:http'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { stateOf } from '../../lib/plugin/registration'
import { listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { http1Only } from '../helpers/transport'

type Register = (app: FastifyInstance) => unknown

const ours: Register = (app) => app.register(websocket)
const theirs: Register = (app) => app.register(fastifyWebsocket)
const inChild = (register: Register): Register => (app) => app.register(async (child) => { await register(child) })

const WAY_OUT = /register fastify-async-websocket once, and do not register @fastify\/websocket, which fastify-async-websocket registers: .*raw: true.*rawRoutes/

async function refused (t: Test, registrations: Register[], message: RegExp): Promise<void> {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const register of registrations) register(app)
  const error = await app.ready().then(() => null, (error: Error) => error)
  t.match(error, { name: 'WebSocketOptionError', code: 'FST_WS_OPTION', message })
  t.match(error?.message, WAY_OUT)
}

for (const [place, registrations] of Object.entries<Register[]>({
  'in one context': [ours, ours],
  'in a context and its child': [ours, inChild(ours)],
  'in a child, then in its parent': [inChild(ours), ours],
  'in two siblings': [inChild(ours), inChild(ours)]
})) {
  t.test(`the plugin twice ${place} is refused`, async (t) => {
    await refused(t, registrations, /^fastify-async-websocket is registered twice for one server: /)
  })
}

for (const [place, registrations] of Object.entries<Register[]>({
  'in the same context': [theirs, ours],
  'in a parent': [theirs, inChild(ours)],
  'in an earlier child': [inChild(theirs), ours],
  'in a sibling': [inChild(theirs), inChild(ours)],
  'deep in a sibling': [inChild(inChild(theirs)), inChild(ours)],
  'as another plugin brings it along': [(app) => app.register(fastifyPlugin(async (app: FastifyInstance) => { await app.register(fastifyWebsocket) }, { name: 'a-library' })), inChild(ours)]
})) {
  t.test(`@fastify/websocket before the plugin, ${place}, is refused`, async (t) => {
    await refused(t, registrations, /^@fastify\/websocket is registered for the server of fastify-async-websocket: /)
  })
}

for (const [place, registrations] of Object.entries<Register[]>({
  'in the same context': [ours, theirs],
  'in a child': [ours, inChild(theirs)],
  'in a parent': [inChild(ours), theirs],
  'in a sibling': [inChild(ours), inChild(theirs)]
})) {
  t.test(`@fastify/websocket after the plugin, ${place}, is refused`, async (t) => {
    await refused(t, registrations, /^request\.ws is set by fastify-async-websocket already\. If @fastify\/websocket is registered as well: /)
  })
}

t.test('a second plugin is refused by the register call that adds it', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await t.rejects(async () => { await app.register(fastifyWebsocket) }, { code: 'FST_WS_OPTION' })
  await t.rejects(async () => { await app.register(websocket) }, { code: 'FST_WS_OPTION' })
})

t.test('hasPlugin finds @fastify/websocket, and a decorator of another kind may be called ws', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  t.ok(app.hasPlugin('@fastify/websocket'))
  app.decorateReply('ws', null).decorate('ws', null).decorateRequest('other', null)
  await app.register(fastifyPlugin(async () => {}, { name: 'a-library', dependencies: ['@fastify/websocket'] }))
  await app.ready()
})

t.test('two apps, one after the other, serve on one server, and nothing of the plugin is left on it', async (t) => {
  http1Only('a server of node:http')
  const server = createServer() as Server & { shouldUpgradeCallback?: unknown }
  const { shouldUpgradeCallback } = server
  for (const name of ['first', 'second']) {
    let handler: RequestListener
    const request: RequestListener = (...args) => handler(...args)
    const serverFactory = (handle: RequestListener): Server => {
      handler = handle
      return server
    }
    const app = Fastify({ serverFactory })
    const count = (): unknown => server.eventNames().map((event) => [event, server.listenerCount(event)])
    const before = count()
    server.on('request', request)
    await app.register(websocket)
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.send(name)
      await ws.closed
    })
    const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
    t.equal(await peer.next(), name)
    await app.close()
    t.equal((await peer.closed).code, 1001)
    server.removeListener('request', request)
    t.same(count(), before)
    t.notOk(Object.hasOwn(server, 'close'))
    t.equal(server.shouldUpgradeCallback, shouldUpgradeCallback)
  }
})

t.test('the state of the plugin is found from any context of its server, until the app has closed', async (t) => {
  const app = Fastify()
  t.equal(stateOf(app), undefined)
  inChild(ours)(app)
  await app.ready()
  t.same(stateOf(app)?.routes, [])
  await app.close()
  t.equal(stateOf(app), undefined)
})

t.test('two apps at once on one server are refused', async (t) => {
  const server = createServer()
  const apps = [1, 2].map(() => Fastify({ serverFactory: () => server }))
  t.teardown(() => Promise.all(apps.map((app) => app.close())))
  await apps[0].register(websocket)
  await t.rejects(async () => { await apps[1].register(websocket) }, { code: 'FST_WS_OPTION', message: WAY_OUT })
})
