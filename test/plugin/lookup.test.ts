import Fastify, { type FastifyInstance, type FastifyServerOptions, type RouteShorthandOptions } from 'fastify'
import t, { type Test } from 'tap'
import { Lookup } from '../../lib/plugin/lookup'

type Constraints = NonNullable<RouteShorthandOptions['constraints']>

/** Older versions of Fastify have all options in one place. */
const hasRouterOptions = 'routerOptions' in Fastify({ routerOptions: {} } as object).initialConfig

interface Routes {
  /** The WebSocket routes: URLs, or URLs with constraints. */
  own: (string | [url: string, constraints: Constraints])[]
  /** Of others. */
  others?: string[]
  prefix?: string
  prefixTrailingSlash?: 'slash' | 'no-slash' | 'both'
}

/** Returns an app that is ready, with these routes. */
async function createApp (t: Test, { own, others = [], prefix = '', prefixTrailingSlash }: Routes, options: FastifyServerOptions = {}): Promise<{ app: FastifyInstance, lookup: Lookup }> {
  const app = Fastify(options)
  t.teardown(() => app.close())
  const lookup = new Lookup(app)
  for (const url of others) app.get(url, async () => {})
  app.register(async (child) => {
    child.addHook('onRoute', (route) => { if (route.method === 'GET') lookup.add(route) })
    for (const route of own) {
      const [url, constraints] = typeof route === 'string' ? [route, {}] : route
      child.get(url, { constraints, prefixTrailingSlash }, async () => {})
    }
  }, { prefix })
  await app.ready()
  return { app, lookup }
}

function finds (lookup: Lookup, url: string, headers: object = {}, method = 'GET'): boolean {
  return lookup.has({ method, url, headers } as never)
}

t.test('the lookup finds the requests for WebSocket routes, and no others', async (t) => {
  const { lookup } = await createApp(t, { own: ['/ws', '/room/:id', '/files/*', '/n/:n(^\\d+$)'], others: ['/http', '/room/lobby'] })
  for (const url of ['/ws', '/ws?a=b', '/w%73', '/room/1', '/room/1?x', '/files/', '/files/a/b', '/n/12', 'http://host/ws']) t.ok(finds(lookup, url), url)
  for (const url of ['/', '/http', '/WS', '/ws/', '/ws/more', '/room', '/room/lobby', '/n/x', '/nothing', '/%zz', '/room/' + 'x'.repeat(101), '*', '']) t.notOk(finds(lookup, url), url)
  t.notOk(finds(lookup, '/ws', {}, 'POST'))
})

t.test('the lookup works with a prefix, and with or without a slash at the end', async (t) => {
  for (const [prefixTrailingSlash, without, within] of [[undefined, true, true], ['both', true, true], ['slash', false, true], ['no-slash', true, false]] as const) {
    const { lookup } = await createApp(t, { own: ['/', '/ws'], prefix: '/api', prefixTrailingSlash })
    t.same([finds(lookup, '/api'), finds(lookup, '/api/'), finds(lookup, '/api/ws'), finds(lookup, '/ws')], [without, within, true, false], String(prefixTrailingSlash))
  }
})

t.test('the lookup routes as the app does, with each routing option', async (t) => {
  const own = ['/Ws', '/room/:id']
  for (const [options, urls] of [
    [{ caseSensitive: false }, ['/wS']],
    [{ ignoreTrailingSlash: true, ignoreDuplicateSlashes: true }, ['/Ws/', '//Ws']],
    [{ maxParamLength: 200 }, ['/room/' + 'x'.repeat(150)]],
    [{ useSemicolonDelimiter: true }, ['/Ws;a=b']],
    ...(hasRouterOptions ? [[{ routerOptions: { caseSensitive: false, maxParamLength: 200 } }, ['/wS', '/room/' + 'x'.repeat(150)]]] : [])
  ] as [FastifyServerOptions, string[]][]) {
    const { lookup } = await createApp(t, { own }, options)
    for (const url of urls) {
      t.ok(finds(lookup, url), JSON.stringify(options))
      t.notOk(finds((await createApp(t, { own })).lookup, url))
    }
  }
})

t.test('the lookup works with constraints on host and version', async (t) => {
  const { lookup } = await createApp(t, { own: [['/ws', { host: 'a.example' }], ['/ws', { version: '1.2.0' }], ['/v', { version: '1.2.0' }]] })
  t.ok(finds(lookup, '/ws', { host: 'a.example' }))
  t.notOk(finds(lookup, '/ws', { host: 'b.example' }))
  t.ok(finds(lookup, '/ws', { 'accept-version': '1.x' }))
  t.notOk(finds(lookup, '/v', { 'accept-version': '2.x' }))
  t.notOk(finds(lookup, '/v'))
})

t.test('the lookup finds a route with a custom constraint', async (t) => {
  const strategy = (name: string): object => ({
    name,
    storage () {
      const handlers = new Map<unknown, unknown>()
      return { get: (key: unknown) => handlers.get(key) ?? null, set: (key: unknown, handler: unknown) => { handlers.set(key, handler) }, del () {}, empty () {} }
    },
    validate () {},
    deriveConstraint: ({ headers }: { headers: Record<string, unknown> }) => headers.mine
  })
  for (const name of ['mine', 'version']) {
    for (const options of [{ constraints: { [name]: strategy(name) } }, ...(hasRouterOptions ? [{ routerOptions: { constraints: { [name]: strategy(name) } } }] : [])]) {
      const { lookup } = await createApp(t, { own: [['/ws', { [name]: 'a' }], ['/ws', { [name]: 'b' }]] }, options as object)
      t.ok(finds(lookup, '/ws', { mine: 'a' }))
      t.notOk(finds(lookup, '/other', { mine: 'a' }))
    }
  }
})

t.test('every request may be for a WebSocket route if the app rewrites URLs', async (t) => {
  const { lookup } = await createApp(t, { own: ['/ws'] }, { rewriteUrl: () => '/ws' })
  t.ok(finds(lookup, '/anything'))
})

t.test('no request is for a WebSocket route if there is none', async (t) => {
  const { lookup } = await createApp(t, { own: [], others: ['/http'] })
  t.notOk(finds(lookup, '/http'))
})
