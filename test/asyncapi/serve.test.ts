import fastifyHelmet from '@fastify/helmet'
import fastifySwagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { pageHtml } from '../../lib/asyncapi/html'
import { asyncapi } from '../../lib/asyncapi/plugin'
import websocket from '../../lib/index'
import type { AsyncApiOptions } from '../../types/asyncapi'

const SCHEMA = { receive: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } }

async function create (t: Test, options: AsyncApiOptions = { routePrefix: '/asyncapi' }, serverOptions: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(asyncapi, options)
  app.websocket('/x', { schema: SCHEMA }, async () => {})
  app.websocket('/integer', { websocket: { receiveType: 'integer' } }, async () => {})
  app.websocket('/raw', { websocket: { raw: true } }, async () => {})
  return app
}

t.test('the document is served as JSON and as YAML', async (t) => {
  const app = await create(t)
  const json = await app.inject('/asyncapi/json')
  t.equal(json.headers['content-type'], 'application/json; charset=utf-8')
  t.strictSame(json.json(), app.asyncapi())
  const yaml = await app.inject('/asyncapi/yaml')
  t.equal(yaml.headers['content-type'], 'application/yaml; charset=utf-8')
  t.strictSame(parse(yaml.body), app.asyncapi())
})

for (const url of ['/asyncapi', '/asyncapi/', '/asyncapi?a=b/']) {
  t.test(`the page is at ${url}, and its files are where it says`, async (t) => {
    const app = await create(t)
    const page = await app.inject(url)
    t.equal(page.statusCode, 200)
    t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
    t.notMatch(page.body, /<script>|<style|style=| on\w+=|https?:/, 'nothing that a Content-Security-Policy forbids, and nothing from elsewhere')
    for (const [, file] of page.body.matchAll(/(?:src|href)="(\.[^"]+)"/g)) {
      const response = await app.inject(new URL(file, `http://localhost${url}`).pathname)
      t.equal(response.statusCode, 200, file)
    }
    for (const name of ['channel.js', 'client.mjs']) t.match(await app.inject(`/asyncapi/static/${name}`), { statusCode: 200, headers: { 'content-type': 'text/javascript; charset=utf-8' } })
  })
}

t.test('the page is below the prefix of its context, also with a router that ignores slashes at the end', async (t) => {
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } })
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(async (child) => { await child.register(asyncapi, { routePrefix: '/docs/ws' }) }, { prefix: '/v1' })
  for (const url of ['/v1/docs/ws', '/v1/docs/ws/']) t.match((await app.inject(url)).body, 'data-prefix="/v1/docs/ws"')
  t.match((await app.inject('/v1/docs/ws')).body, 'src="./ws/static/page.js"')
})

t.test('the title of the page is text', async (t) => {
  t.match(pageHtml({ title: '<script>"&' }, '/a', '/a'), '<title>&lt;script&gt;&quot;&amp;</title>')
})

t.test('nothing is served without routePrefix', async (t) => {
  const app = await create(t, {})
  for (const url of ['/asyncapi', '/asyncapi/json', '/json', '/yaml']) t.equal((await app.inject(url)).statusCode, 404)
})

t.test('hooks guard all that is served: onRequest before preHandler, one or several', async (t) => {
  const order: string[] = []
  const hook = (name: string) => async () => { order.push(name) }
  const refuse = async (request: any, reply: any): Promise<unknown> => request.headers.authorization === undefined ? reply.code(401).send('who?') : undefined
  const app = await create(t, { routePrefix: '/asyncapi', hooks: { onRequest: [hook('1'), hook('2')], preHandler: [hook('3'), refuse] } })
  for (const [method, url] of [['GET', ''], ['GET', '/'], ['GET', '/json'], ['GET', '/yaml'], ['GET', '/static/page.js'], ['GET', '/static/client.mjs'], ['POST', '/check/x']] as const) {
    t.equal((await app.inject({ method, url: `/asyncapi${url}` })).statusCode, 401, url)
    t.equal((await app.inject({ method, url: `/asyncapi${url}`, headers: { authorization: 'x' } })).statusCode, 200, url)
    t.same(order.splice(0), ['1', '2', '3', '1', '2', '3'])
  }
  await app.inject('/none')
  t.same(order, [], 'the hooks are for these routes alone')
  t.equal((await (await create(t, { routePrefix: '/a', hooks: { onRequest: refuse } })).inject('/a')).statusCode, 401)
})

t.test('a message is checked as the route checks it', async (t) => {
  const app = await create(t)
  const check = async (channel: string, payload: string): Promise<any> => {
    const response = await app.inject({ method: 'POST', url: `/asyncapi/check/${channel}`, payload, headers: { 'content-type': 'text/plain' } })
    return response.statusCode === 200 ? response.json() : response.statusCode
  }
  t.same(await check('x', '{"n":"1"}'), { valid: true }, 'the validator coerces types, as that of the route does')
  t.match(await check('x', '{}'), { valid: false, error: "message must have required property 'n'", validation: [{ keyword: 'required' }] })
  t.match(await check('x', '{'), { valid: false, error: /^the message is not valid JSON/ })
  t.match(await check('x', ''), { valid: false, error: /^the message is not valid JSON/ })
  t.same(await check('integer', '12'), { valid: true })
  t.match(await check('integer', 'x'), { valid: false, error: 'the message is not a safe integer' })
  t.equal(await check('raw', 'x'), 404)
  t.equal(await check('none', 'x'), 404)
})

t.test('an error of a validator is one of the server', async (t) => {
  const app = await create(t)
  app.websocket('/broken', { schema: SCHEMA, validatorCompiler: () => () => { throw new Error('broken') } }, async () => {})
  t.match(await app.inject({ method: 'POST', url: '/asyncapi/check/broken', payload: '1' }), { statusCode: 500 })
})

t.test('no document of an HTTP API has these routes; the HTTP side of a wsHandler is there as any GET, without messages', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifySwagger, { openapi: {} })
  await app.register(fastifyHelmet)
  await app.register(websocket)
  await app.register(asyncapi, { routePrefix: '/asyncapi' })
  const schema = { summary: 'A page', receive: SCHEMA.receive, send: SCHEMA.receive, response: { 200: { type: 'string' } } }
  app.route({ method: 'GET', url: '/both', schema, handler: async () => 'http', wsHandler: async () => {} } as any)
  app.get('/http', { schema: { summary: 'A page', response: { 200: { type: 'string' } } } as object }, async () => 'http')
  app.websocket('/only', { schema: { receive: SCHEMA.receive } }, async () => {})
  await app.ready()
  const { paths } = app.swagger() as { paths: Record<string, unknown> }
  t.same(Object.keys(paths), ['/both', '/http'])
  t.strictSame(paths['/both'], paths['/http'])
  t.same(Object.keys(app.asyncapi().channels), ['both', 'only'])
  t.match((await app.inject('/asyncapi')).headers['content-security-policy'], "script-src 'self'")
})
