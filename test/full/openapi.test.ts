import fastifySwagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'

const MESSAGE = { type: 'object', properties: { text: { type: 'string' } } }
const QUERY = { type: 'object', properties: { name: { type: 'string' } } }
const PAGE = { 200: { description: 'a page', type: 'string' } }
const FORMATS: Record<string, FastifyDynamicSwaggerOptions> = { 'OpenAPI 3': { openapi: {} }, 'Swagger 2': { swagger: {} } }

const messages = { receive: MESSAGE, send: MESSAGE }

/** Adds routes with HTTP alone, with HTTP and WebSocket, and with WebSocket alone. */
function addRoutes (app: FastifyInstance): void {
  const handler = async (): Promise<string> => 'page'
  const wsHandler = async (): Promise<void> => {}
  const http = { tags: ['pages'], querystring: QUERY, response: PAGE }
  const routes: object[] = [
    { url: '/http', schema: http, handler },
    { url: '/both', schema: { ...http, ...messages }, handler, wsHandler },
    { url: '/bare-http', handler },
    { url: '/bare-both', schema: messages, handler, wsHandler },
    { url: '/hidden', schema: { ...messages, hide: true }, handler, wsHandler }
  ]
  for (const route of routes) app.route({ method: 'GET', ...route } as RouteOptions)
  app.websocket('/websocket', { schema: { ...messages, tags: ['pages'] } }, wsHandler)
}

async function createApp (t: Test, options: FastifyDynamicSwaggerOptions, addHooks: (app: FastifyInstance) => void = () => {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifySwagger, options)
  addHooks(app)
  await app.register(async (app) => {
    await app.register(websocket)
    addRoutes(app)
  })
  return app
}

for (const [format, options] of Object.entries(FORMATS)) {
  t.test(`${format}: the document describes a route with a wsHandler as the same route without it`, async (t) => {
    const app = await createApp(t, options)
    await app.ready()
    const { paths } = app.swagger() as { paths: Record<string, any> }
    t.strictSame(Object.keys(paths), ['/http', '/both', '/bare-http', '/bare-both'])
    t.strictSame(paths['/both'], paths['/http'])
    t.strictSame(paths['/bare-both'], paths['/bare-http'])
    t.match(paths['/both'].get, { tags: ['pages'], parameters: [{ name: 'name' }] })
    t.notMatch(JSON.stringify(paths), /requestBody|"101"|"body"/)
  })

  t.test(`${format}: a document made in an onReady hook has nothing of WebSocket, either`, async (t) => {
    let document = ''
    const app = await createApp(t, options, (app) => {
      app.addHook('onReady', async () => { document = JSON.stringify(app.swagger()) })
    })
    await app.ready()
    t.match(document, '"/both"')
    t.notMatch(document, /requestBody|"101"|"body"/)
  })
}

t.test('hooks and handlers see in the schema of a route only what the user put there', async (t) => {
  const app = Fastify({ exposeHeadRoutes: false })
  t.teardown(() => app.close())
  const seen: RouteOptions[] = []
  const keys: string[][] = []
  const look = (route: RouteOptions): void => {
    seen.push(route)
    keys.push(Object.keys(route.schema!))
  }
  app.addHook('onRoute', look)
  await app.register(websocket)
  app.addHook('onRoute', look)
  const schema = { ...messages, response: PAGE }
  app.route({
    method: 'GET',
    url: '/',
    schema: schema as object,
    handler: async (request) => Object.keys(request.routeOptions.schema!).join(),
    wsHandler: async () => {}
  })
  app.addHook('onReady', async () => { for (const { schema } of seen) keys.push(Object.keys(schema!)) })
  t.equal((await app.inject('/')).body, 'receive,send,response')
  t.strictSame(keys, Array(4).fill(['receive', 'send', 'response']))
  t.strictSame(Object.keys(schema.response), ['200'])
})
