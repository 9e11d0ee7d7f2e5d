import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { contextCompilers, customConstraints, furtherServers, hasFastifyWebsocket, isWithin, rewritesUrls, rootOf, sendNull } from '../../lib/plugin/adapter'

t.test('the root is the same from each context', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  t.equal(rootOf(app), app)
  app.register(async (child) => {
    t.equal(rootOf(child), app)
    child.register(async (grandchild) => { t.equal(rootOf(grandchild), app) })
  })
  await app.ready()
})

t.test('a context is within itself and the contexts around it, and not within a sibling', async (t) => {
  const app = Fastify()
  const children: FastifyInstance[] = []
  for (let n = 0; n < 2; n++) app.register(async (child) => { children.push(child) })
  await app.ready()
  t.same([isWithin(app, app), isWithin(app, children[0]), isWithin(children[0], app), isWithin(children[0], children[1])], [true, true, false, false])
})

t.test('an app that does not listen on more than one address has no further servers', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.same(furtherServers(app), [])
})

t.test('rewritesUrls tells whether an app rewrites URLs', async (t) => {
  for (const [options, rewrites] of [[{}, false], [{ rewriteUrl: () => '/' }, true]] as const) {
    const app = Fastify(options)
    t.teardown(() => app.close())
    t.equal(rewritesUrls(app), rewrites)
  }
})

t.test('customConstraints returns the constraints with a custom strategy', async (t) => {
  const version = { name: 'version', storage: () => new Map(), validate () {}, deriveConstraint () {} }
  for (const options of [{ constraints: { version } }, { routerOptions: { constraints: { version } } }]) {
    const app = Fastify(options as object)
    t.teardown(() => app.close())
    t.same(customConstraints(app), ['version'])
  }
})

t.test('the functions return their fallback for a Fastify without those parts', async (t) => {
  const app = { printPlugins () {} } as unknown as FastifyInstance
  t.same(furtherServers(app), [])
  t.equal(rewritesUrls(app), false)
  t.same(customConstraints(app), [])
  t.equal(contextCompilers(app).validator(), undefined)
  t.equal(contextCompilers(app).serializer(), undefined)
})

t.test('a list of plugins in another form does not tell of @fastify/websocket, its decorator does', async (t) => {
  const app = (hasDecorator: boolean) => ({ hasDecorator: () => hasDecorator, printPlugins: () => '@fastify/websocket' }) as unknown as FastifyInstance
  t.equal(hasFastifyWebsocket(app(false)), false)
  t.equal(hasFastifyWebsocket(app(true)), true)
})

t.test('sendNull: onSend hooks get null, or undefined where a reply keeps its serializer elsewhere', async (t) => {
  for (const [isHidden, payload, type] of [[false, null, undefined], [true, undefined, undefined], [false, null, 'text/html']] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    const payloads: unknown[] = []
    app.addHook('onSend', async (_request, reply, payload) => {
      payloads.push(payload, reply.getHeader('content-type'))
    })
    app.get('/', (_request, reply) => {
      if (isHidden) Object.defineProperty(reply, 'serializer', { value: () => reply })
      if (type !== undefined) reply.type(type)
      sendNull(reply)
    })
    await app.inject('/')
    t.strictSame(payloads, [payload, type])
  }
})
