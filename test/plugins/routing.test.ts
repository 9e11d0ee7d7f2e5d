import fastifyHttpProxy from '@fastify/http-proxy'
import fastifyMiddie from '@fastify/middie'
import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import { connect } from '../../lib/index'
import { createApp, listen } from '../helpers/app'
import { collectLogs } from '../helpers/logs'
import { until } from '../helpers/until'
import { ACCEPTED } from '../helpers/transport'
import { eachTransport, refused } from '../helpers/transports'

/* Plugins that handle requests or routes themselves: @fastify/middie, @fastify/swagger and @fastify/http-proxy. */

eachTransport('@fastify/middie: middleware runs before the handshake; its headers arrive with the 101, and the middleware may refuse', async (t, start) => {
  const { lines, serverOptions } = collectLogs('info')
  const app = await createApp(t, {}, serverOptions)
  await app.register(fastifyMiddie)
  app.use((_request: unknown, response: any, next: () => void) => {
    response.setHeader('x-middleware', '1')
    next()
  })
  app.use('/answered', (_request: unknown, response: any) => {
    response.statusCode = 402
    response.end('pay first')
  })
  app.use('/failed', (_request: unknown, _response: unknown, next: (error?: Error) => void) => { next(Object.assign(new Error('no'), { statusCode: 403 })) })
  for (const path of ['/', '/answered', '/failed']) {
    app.websocket(path, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  }
  const open = await start(app)
  const client = await open('/')
  t.equal(client.headers['x-middleware'], '1')
  t.equal(await client.pair('hello'), 'hello')
  t.match(await refused(open('/answered')), { status: 402, body: 'pay first', headers: { 'x-middleware': '1' } })
  t.match(await refused(open('/failed')), { status: 403, headers: { 'x-middleware': '1' } })
  await client.close()
  const completed = (): unknown[] => lines.filter(({ msg }) => msg === 'request completed').map(({ res }) => res.statusCode)
  await until(() => completed().length === 3)
  t.same(completed().sort(), [ACCEPTED, 402, 403]) // over HTTP/2, the client may know of its refusal before the app
})

t.test('@fastify/swagger: the document has the HTTP side of a route with wsHandler, and no route for WebSockets only', async (t) => {
  const app = await createApp(t)
  await app.register(fastifySwagger, { openapi: {} })
  const wsHandler = async (ws: any): Promise<void> => { await ws.accept() }
  const schema = { querystring: { type: 'object', properties: { room: { type: 'string' } } } }
  app.get('/both', { schema, handler: async () => '', wsHandler } as any)
  app.websocket('/only', { schema }, wsHandler)
  await app.ready()
  const { paths } = app.swagger() as any
  t.same(Object.keys(paths), ['/both'])
  t.match(paths['/both'].get.parameters, [{ name: 'room', in: 'query' }])
})

t.test('@fastify/http-proxy in front: its hooks may refuse; after the hooks the client is connected, whatever the app answers', async (t) => {
  const app = await createApp(t, { origins: '*' })
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-app', '1') })
  app.websocket('/ws/echo', { websocket: { subprotocols: ['chat'] } }, async (ws) => {
    await ws.accept()
    const { cookie, origin, 'x-user': user } = ws.headers
    await ws.sendJson({ cookie, origin, user, protocol: ws.protocol })
    await ws.close(4001, 'enough')
  })
  app.websocket('/ws/denied', (ws) => ws.deny(401))
  const upstream = `http://127.0.0.1:${await listen(app)}`

  const front = Fastify()
  t.teardown(() => front.close())
  const order: string[] = []
  front.addHook('onRequest', async ({ url }, reply) => {
    order.push(`onRequest ${url}`)
    reply.header('x-front', '1')
    if (url === '/ws/guarded') return reply.code(403).send()
  })
  front.addHook('onResponse', async ({ url }) => { order.push(`onResponse ${url}`) })
  // Replaces the default function, which forwards cookies.
  const rewriteRequestHeaders = (headers: object, request: any): object => {
    const { cookie, origin } = request.headers
    return { ...headers, 'x-user': 'ada', ...(cookie && { cookie }), ...(origin && { origin }) }
  }
  await front.register(fastifyHttpProxy, { upstream, prefix: '/ws', rewritePrefix: '/ws', websocket: true, wsClientOptions: { rewriteRequestHeaders } } as any)
  const url = `ws://127.0.0.1:${await listen(front)}/ws`

  const client = await connect(`${url}/echo`, { subprotocols: ['chat'], headers: { cookie: 'b=2', origin: 'https://example.com' } })
  t.same(await client.receiveJson(), { cookie: 'b=2', origin: 'https://example.com', user: 'ada', protocol: 'chat' })
  t.match(await client.closed, { code: 4001, reason: 'enough' })
  t.same([client.headers['x-front'], client.headers['x-app']], [undefined, undefined], 'the 101 is that of the proxy')
  t.match(await (await connect(`${url}/denied`)).closed, { code: 1011, reason: 'unexpected response' })
  t.match(await refused(connect(`${url}/guarded`)), { status: 403, headers: { 'x-front': '1' } })
  t.same(order, ['onRequest /ws/echo', 'onRequest /ws/denied', 'onRequest /ws/guarded', 'onResponse /ws/guarded'])
})
