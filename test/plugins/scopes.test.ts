import { fastifyAwilixPlugin } from '@fastify/awilix'
import fastifyRequestContext from '@fastify/request-context'
import { asFunction, createContainer } from 'awilix'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp } from '../helpers/app'
import { until } from '../helpers/until'
import { eachTransport, refused } from '../helpers/transports'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/* Plugins that give each request its own scope: @fastify/request-context and @fastify/awilix. */

eachTransport('@fastify/request-context: hooks, handlers, session handlers and the end of the request have the context of the request', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyRequestContext)
  const left: string[] = []
  const user = ({ requestContext }: any = app): string => String(requestContext.get('user'))
  app.addHook('preHandler', async ({ requestContext, query }: any) => { requestContext.set('user', query.user) })
  app.addHook('onSend', async (request, reply) => { reply.header('x-user', user(request)) })
  app.addHook('onResponse', async () => { left.push(`onResponse ${user()}`) })
  app.websocket('/handler', async (ws, request) => {
    await ws.accept()
    for await (const message of ws) await ws.send(`${message} ${user()} ${user(request)}`)
  })
  app.websocket('/handlers', {
    async onConnect (ws) {
      await ws.accept()
      await ws.send(user())
    },
    async onMessage (ws, message, request) { await ws.send(`${message} ${user()} ${user(request)}`) },
    onDisconnect () { left.push(`onDisconnect ${user()}`) }
  })
  const open = await start(app)
  const [ada, grace] = await Promise.all(['ada', 'grace'].map((user) => open(`/handler?user=${user}`)))
  const [bob, eve] = await Promise.all(['bob', 'eve'].map((user) => open(`/handlers?user=${user}`)))
  t.same([ada, grace, bob, eve].map(({ headers }) => headers['x-user']), ['ada', 'grace', 'bob', 'eve'])
  t.same(await Promise.all([bob, eve].map((client) => client.receive())), ['bob', 'eve'])
  for (let i = 0; i < 2; i++) {
    t.same(await Promise.all([ada, grace, bob, eve].map((client) => client.pair('hi'))), ['hi ada ada', 'hi grace grace', 'hi bob bob', 'hi eve eve'])
  }
  await Promise.all([bob.close(), ada.close()])
  await until(() => left.length === 3)
  t.same(left.sort(), ['onDisconnect bob', 'onResponse ada', 'onResponse bob'])
})

/** An app in which each request has its own unit of work. `events` records when a unit is disposed of. */
async function createScopedApp (t: Test): Promise<{ app: FastifyInstance, events: string[] }> {
  const app = await createApp(t)
  const events: string[] = []
  const container = createContainer()
  await app.register(fastifyAwilixPlugin, { container, disposeOnResponse: true })
  let count = 0
  container.register('unit', asFunction(() => ({ id: ++count })).scoped().disposer(({ id }) => { events.push(`disposed of ${id}`) }))
  return { app, events }
}

const unit = ({ diScope }: FastifyRequest): number => diScope.resolve<{ id: number }>('unit').id

eachTransport('@fastify/awilix: the scope lives as long as the session, and is disposed of once, after onDisconnect', async (t, start) => {
  const { app, events } = await createScopedApp(t)
  app.websocket('/', {
    async onMessage (ws, _message, request) { await ws.send(unit(request)) },
    onDisconnect (_ws, _info, request) { events.push(`onDisconnect ${unit(request)}`) }
  })
  const open = await start(app)
  const [first, second] = [await open('/'), await open('/')]
  t.same([await first.pair('x'), await second.pair('x'), await first.pair('x')], ['1', '2', '1'])
  t.same(events, [])
  await first.close()
  await until(() => events.length === 2)
  t.same(events, ['onDisconnect 1', 'disposed of 1'])
  t.equal(await second.pair('x'), '2')
  await app.close()
  t.same(events, ['onDisconnect 1', 'disposed of 1', 'onDisconnect 2', 'disposed of 2'])
})

eachTransport('@fastify/awilix: a refusal disposes of the scope with the response', async (t, start) => {
  const { app, events } = await createScopedApp(t)
  app.websocket('/', (ws, request) => ws.deny(401, { unit: unit(request) }))
  const { body } = await refused((await start(app))('/'))
  t.same(JSON.parse(body), { unit: 1 })
  await until(() => events.length > 0)
  t.same(events, ['disposed of 1'])
})

t.test('@fastify/awilix: with raw: true the request has no end, and the handler disposes of the scope', async (t) => {
  const { app, events } = await createScopedApp(t)
  const closed = new Deferred<void>()
  app.get('/', { websocket: { raw: true } }, (socket, request) => {
    unit(request)
    socket.on('close', async () => {
      t.same(events, [])
      await request.diScope.dispose()
      closed.resolve()
    })
  })
  await app.ready()
  await (await app.injectWebSocket('/')).close()
  await closed.promise
  t.same(events, ['disposed of 1'])
})
