import fastifyAuth from '@fastify/auth'
import fastifyCookie from '@fastify/cookie'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import t, { type Test } from 'tap'
import { createApp } from '../helpers/app'
import { eachTransport, refused } from '../helpers/transports'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

/* Plugins that authenticate: @fastify/jwt and @fastify/auth. */

async function createJwtApp (t: Test, options?: WebSocketPluginOptions, verify?: FastifyJWTOptions['verify']): Promise<{ app: FastifyInstance, token: string, late: string }> {
  const app = await createApp(t, options)
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret: 'a secret', cookie: { cookieName: 'token', signed: false }, verify })
  const token = app.jwt.sign({ name: 'ada' })
  const late = app.jwt.sign({ name: 'ada', iat: 0 }, { expiresIn: '1s' })
  return { app, token, late }
}

async function sayName (ws: WebSocketSession, request: FastifyRequest): Promise<void> {
  await ws.accept()
  await ws.sendText((request.user as { name: string }).name)
}

const verify = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }

eachTransport('@fastify/jwt: jwtVerify takes the token from a header or a cookie, and refuses with 401', async (t, start) => {
  const { app, token, late } = await createJwtApp(t)
  app.websocket('/', { onRequest: verify }, sayName)
  const open = await start(app)
  for (const headers of [{ authorization: `Bearer ${token}` }, { cookie: `token=${token}` }]) {
    t.equal(await (await open('/', { headers })).receive(), 'ada')
  }
  const told = async (headers = {}): Promise<unknown[]> => {
    const { status, body } = await refused(open('/', { headers }))
    return [status, JSON.parse(body).code]
  }
  t.same(await told(), [401, 'FST_JWT_NO_AUTHORIZATION_IN_COOKIE'])
  t.same(await told({ authorization: `Bearer ${late}` }), [401, 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED'])
  t.same(await told({ cookie: 'token=x.y.z' }), [401, 'FST_JWT_AUTHORIZATION_TOKEN_INVALID'])
})

eachTransport('@fastify/jwt: extractToken may take the token from the query, or from an offered subprotocol that the server does not select; no token is 400', async (t, start) => {
  const { app, token } = await createJwtApp(t, {}, {
    extractToken ({ query, headers }) {
      return (query as { token?: string }).token ?? /\btoken\.([\w.-]+)/.exec(headers['sec-websocket-protocol'] ?? '')?.[1]
    }
  })
  app.websocket('/', { websocket: { subprotocols: ['chat'] }, onRequest: verify }, sayName)
  const open = await start(app)
  t.equal(await (await open(`/?token=${token}`)).receive(), 'ada')
  const client = await open('/', { subprotocols: ['chat', `token.${token}`] })
  t.same([await client.receive(), client.protocol], ['ada', 'chat'])
  t.equal((await refused(open('/', { subprotocols: ['chat', 'token.x.y.z'] }))).status, 401)
  t.equal((await refused(open('/', { subprotocols: ['chat'] }))).status, 400)
})

t.test("@fastify/jwt: with refusal: 'auto' a page reads 4401 and the message", async (t) => {
  const { app } = await createJwtApp(t, { refusal: 'auto', origins: '*' })
  app.websocket('/', { onRequest: verify }, sayName)
  const client = await app.injectWebSocket('/', { headers: { origin: 'https://example.com' } })
  t.match(await client.closed, { code: 4401, reason: 'No Authorization was found in request.cookies' })
})

eachTransport('@fastify/auth: one of several strategies is enough; the answer is the error of the last strategy', async (t, start) => {
  const { app, token } = await createJwtApp(t)
  await app.register(fastifyAuth)
  const byKey = async (request: FastifyRequest): Promise<void> => {
    if (request.headers['x-api-key'] !== 'the key') throw Object.assign(new Error('no key'), { statusCode: 403 })
    request.user = { name: 'a program' }
  }
  app.websocket('/either', { preHandler: app.auth([verify, byKey]) }, sayName)
  app.websocket('/both', { preHandler: app.auth([verify, byKey], { relation: 'and' }) }, sayName)
  const open = await start(app)
  const key = { 'x-api-key': 'the key' }
  const bearer = { authorization: `Bearer ${token}` }
  t.equal(await (await open('/either', { headers: bearer })).receive(), 'ada')
  t.equal(await (await open('/either', { headers: key })).receive(), 'a program')
  t.equal((await refused(open('/either'))).status, 403)
  t.equal((await refused(open('/both', { headers: key }))).status, 401)
  t.equal(await (await open('/both', { headers: { ...key, ...bearer } })).receive(), 'a program')
})
