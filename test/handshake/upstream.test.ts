import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from '../../lib/client/client'
import { createApp, listen } from '../helpers/app'
import { collectLogs, ERROR } from '../helpers/logs'
import { refusal } from '../helpers/refusal'
import { serveTcp } from '../helpers/tcp'
import type { FastifyInstance } from 'fastify'

/** Headers of the other server that this server must not pass on. */
const HEADERS = ['set-cookie: session=secret', 'content-encoding: gzip', 'transfer-encoding: chunked', 'www-authenticate: Basic realm="internal"', 'x-powered-by: secret']

/** URLs of a server that refuses with a status, and of a server that does not exist. */
async function upstreams (t: Test): Promise<Record<string, string>> {
  const urls: Record<string, string> = {}
  for (const status of [200, 302, 401, 404, 503, 599]) {
    const port = await serveTcp(t, (socket) => { socket.end([`HTTP/1.1 ${status} At 127.0.0.1`, ...HEADERS, '', '6\r\nsecret\r\n0\r\n\r\n'].join('\r\n')) })
    urls[status] = `ws://127.0.0.1:${port}/`
  }
  const nobody = createServer().listen(0, '127.0.0.1')
  await once(nobody, 'listening')
  urls.nobody = `ws://127.0.0.1:${(nobody.address() as AddressInfo).port}/`
  await new Promise((resolve) => nobody.close(resolve))
  return urls
}

/** Routes of every kind that connect to `url` before they answer. */
function addRoutes (app: FastifyInstance, name: string, url: string): void {
  const connects = async (): Promise<any> => await connect(url)
  app.get(`/http/${name}`, connects)
  app.get(`/reply/${name}`, (_request, reply) => { connects().catch((error) => reply.send(error)) })
  app.get(`/hook/${name}`, { preHandler: connects }, async () => 'never')
  app.websocket(`/ws/${name}`, connects)
  app.websocket(`/handlers/${name}`, { onConnect: connects, onMessage () {} })
  app.websocket(`/ws-hook/${name}`, { preHandler: connects }, () => {})
}

const KINDS = ['http', 'reply', 'hook', 'ws', 'handlers', 'ws-hook']

function get (app: FastifyInstance, port: number, path: string): Promise<{ status: number, headers: object, body: string }> {
  if (/^\/(ws|handlers)/.test(path)) return refusal(port, path) as never
  return app.inject(path).then(({ statusCode, headers, body }) => ({ status: statusCode, headers, body }))
}

t.test('a refusal of another server is 502 here, without an address and without headers of that server', async (t) => {
  const app = await createApp(t)
  const urls = await upstreams(t)
  for (const [name, url] of Object.entries(urls)) addRoutes(app, name, url)
  const port = await listen(app)
  for (const name of Object.keys(urls)) {
    for (const kind of KINDS) {
      const { status, headers, body } = await get(app, port, `/${kind}/${name}`)
      t.equal(status, 502, `${kind} ${name}`)
      t.match(JSON.parse(body), { statusCode: 502, error: 'Bad Gateway', code: 'FST_WS_UPGRADE', message: name === 'nobody' ? 'the handshake failed: ECONNREFUSED' : `the server refused the handshake: ${name}` })
      t.notMatch(body, /127\.0\.0\.1|secret/)
      for (const line of HEADERS) t.notOk(line.split(':')[0] in headers, line)
    }
  }
})

t.test('the log has the address, at error', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, {}, serverOptions)
  const { nobody } = await upstreams(t)
  addRoutes(app, 'nobody', nobody)
  const port = await listen(app)
  for (const kind of KINDS) {
    lines.length = 0
    await get(app, port, `/${kind}/nobody`)
    const errors = lines.filter(({ level }) => level === ERROR)
    t.match(errors, [{ err: { message: new RegExp(new URL(nobody).host) } }], kind)
    t.notMatch(JSON.stringify(errors), 'secret')
  }
})

t.test('an error handler of the user\'s sees 502 as the status of the error, and of the reply', async (t) => {
  const app = await createApp(t)
  const urls = await upstreams(t)
  app.setErrorHandler((error: any, request, reply) => request.url.endsWith('401') ? reply.code(error.statusCode).send({ mine: error.message }) : reply.send({ mine: error.code }))
  for (const name of ['401', 'nobody']) addRoutes(app, name, urls[name])
  const port = await listen(app)
  for (const kind of KINDS) {
    t.match(await get(app, port, `/${kind}/401`), { status: 502, body: '{"mine":"the server refused the handshake: 401 Unauthorized"}' }, kind)
    t.match(await get(app, port, `/${kind}/nobody`), { status: 502, body: '{"mine":"FST_WS_UPGRADE"}' }, kind)
  }
})

t.test('a handler that catches the error has the response of the other server', async (t) => {
  const app = await createApp(t)
  const urls = await upstreams(t)
  app.get('/', async (_request, reply) => {
    const error: any = await connect(urls[401]).catch((error) => error)
    return reply.code(error.statusCode).send({ body: error.body, realm: error.responseHeaders['www-authenticate'] })
  })
  const { statusCode, body } = await app.inject('/')
  t.equal(statusCode, 401)
  t.same(JSON.parse(body), { body: 'secret', realm: 'Basic realm="internal"' })
})

t.test('other errors keep their status', async (t) => {
  const app = await createApp(t)
  app.get('/', async () => { throw Object.assign(new Error('tea'), { statusCode: 418 }) })
  app.get('/null', async () => { throw null }) // eslint-disable-line no-throw-literal -- users can throw any value
  t.equal((await app.inject('/')).statusCode, 418)
  t.equal((await app.inject('/null')).statusCode, 500)
})

t.test('after accept, the connection is closed with 1011', async (t) => {
  const app = await createApp(t)
  const { nobody } = await upstreams(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await connect(nobody)
  })
  const client = await app.injectWebSocket('/')
  t.match(await client.closed, { code: 1011, reason: '' })
})
