import fastifyCookie from '@fastify/cookie'
import fastifySecureSession from '@fastify/secure-session'
import fastifySession, { type FastifySessionOptions } from '@fastify/session'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp } from '../helpers/app'
import { eachTransport, refused } from '../helpers/transports'
import { IS_SECURE } from '../helpers/transport'
import type { FastifyInstance } from 'fastify'
import type { IncomingHttpHeaders } from 'node:http'

/* Plugins that use cookies: @fastify/cookie, @fastify/session and @fastify/secure-session. */

/** The `Cookie` header with which a client sends the cookies of a response back. */
function cookieOf (headers: IncomingHttpHeaders): string {
  return (headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0]).join('; ')
}

eachTransport('@fastify/cookie: the request has its cookies, and cookies that hooks set go out with the 101 and with a refusal', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifyCookie, { secret: 'a secret' })
  app.addHook('onRequest', async (_request, reply) => { reply.setCookie('seen', 'now', { path: '/', signed: true }) })
  app.websocket('/', async (ws, request) => {
    await ws.accept({ headers: { 'set-cookie': app.serializeCookie('room', 'lobby') } })
    await ws.sendJson(request.cookies)
  })
  app.websocket('/refused', (ws) => ws.deny(401))
  const open = await start(app)
  const seen = /^seen=now\..*; Path=\//
  const client = await open('/', { headers: { cookie: 'a=1; b=2' } })
  t.match(client.headers['set-cookie'], [seen, 'room=lobby'])
  t.same(await client.receiveJson(), { a: '1', b: '2' })
  t.match((await refused(open('/refused'))).headers['set-cookie'], [seen])
})

/** A store for @fastify/session that shows the saved sessions. */
class Store {
  readonly sessions = new Map<string, string>()

  set (id: string, session: object, done: (error?: Error) => void): void {
    this.sessions.set(id, JSON.stringify(session))
    done()
  }

  get (id: string, done: (error: null, session: any) => void): void {
    const session = this.sessions.get(id)
    done(null, session === undefined ? null : JSON.parse(session))
  }

  destroy (id: string, done: (error?: Error) => void): void {
    this.sessions.delete(id)
    done()
  }

  /** The saved sessions, without their cookie. */
  get saved (): object[] {
    return [...this.sessions.values()].map((json) => ({ ...JSON.parse(json), cookie: undefined }))
  }
}

async function createSessionApp (t: Test, options: Partial<FastifySessionOptions> = {}): Promise<{ app: FastifyInstance, store: Store }> {
  const app = await createApp(t)
  const store = new Store()
  await app.register(fastifyCookie)
  await app.register(fastifySession, { secret: 'x'.repeat(32), cookie: { secure: false }, store: store as never, ...options })
  return { app, store }
}

eachTransport('@fastify/session: a new session is saved before the 101; its cookie goes out with the 101, and finds the session again', async (t, start) => {
  const { app, store } = await createSessionApp(t)
  app.addHook('preHandler', async (request: any) => { request.session.visits = (request.session.visits ?? 0) + 1 })
  app.websocket('/', async (ws, request: any) => {
    request.session.accepted = true
    await ws.accept()
    await ws.sendJson({ visits: request.session.visits, saved: store.saved })
  })
  const open = await start(app)
  const first = await open('/')
  t.same(await first.receiveJson(), { visits: 1, saved: [{ visits: 1, accepted: true }] })
  const again = await open('/', { headers: { cookie: cookieOf(first.headers) } })
  t.same(await again.receiveJson(), { visits: 2, saved: [{ visits: 2, accepted: true }] })
})

eachTransport('@fastify/session: session.save() saves changes after accept, and the end of the connection does not', async (t, start) => {
  const { app, store } = await createSessionApp(t)
  const ended = new Deferred<void>()
  app.addHook('onResponse', async () => { ended.resolve() })
  app.websocket('/', {
    async onMessage (ws, message, request: any) {
      request.session.last = message
      if (message === 'save') await request.session.save()
      await ws.send(message)
    }
  })
  const open = await start(app)
  const client = await open('/')
  t.equal(await client.pair('save'), 'save')
  t.same(store.saved, [{ last: 'save' }])
  t.equal(await client.pair('later'), 'later')
  await client.close()
  await ended.promise
  t.same(store.saved, [{ last: 'save' }])
})

eachTransport('@fastify/session: a refusal saves the session, too', async (t, start) => {
  const { app, store } = await createSessionApp(t)
  app.websocket('/', async (ws, request: any) => {
    request.session.attempts = 1
    await ws.deny(401)
  })
  const { status, headers } = await refused((await start(app))('/'))
  t.same([status, headers['set-cookie']?.length, store.saved], [401, 1, [{ attempts: 1 }]])
})

eachTransport('@fastify/session: the error of a store is the answer, and the cause of the error that accept rejects with', async (t, start) => {
  const { app, store } = await createSessionApp(t)
  store.set = (_id, _session, done) => { done(new Error('the store is down')) }
  const rejected = new Deferred<any>()
  app.websocket('/', (ws) => ws.accept().catch((error) => {
    rejected.resolve(error)
    throw error
  }))
  const { status, body } = await refused((await start(app))('/'))
  t.same([status, JSON.parse(body).message], [500, 'the store is down'])
  t.match(await rejected.promise, { name: 'WebSocketHandshakeError', cause: { message: 'the store is down' } })
})

t.test('@fastify/session: by default, cookies are for TLS only, and a connection without TLS gets none', async (t) => {
  const { app, store } = await createSessionApp(t, { cookie: {} })
  app.websocket('/', async (ws) => { await ws.accept() })
  await app.ready()
  t.equal((await app.injectWebSocket('/')).headers['set-cookie'] !== undefined, IS_SECURE)
  t.equal(store.saved.length, IS_SECURE ? 1 : 0)
})

eachTransport('@fastify/secure-session: data set before accept goes out with the 101, later data does not go out', async (t, start) => {
  const app = await createApp(t)
  await app.register(fastifySecureSession, { key: Buffer.alloc(32, 'k'), cookie: { path: '/' } })
  app.websocket('/', async (ws, request: any) => {
    const { session } = request
    const before = session.get('user') ?? null
    if (before === null) session.set('user', 'ada')
    await ws.accept()
    session.set('late', true)
    await ws.sendJson([before, session.get('late')])
  })
  app.websocket('/refused', async (ws, request: any) => {
    request.session.delete()
    await ws.deny(403)
  })
  const open = await start(app)
  const first = await open('/')
  t.same(await first.receiveJson(), [null, true])
  const cookie = cookieOf(first.headers)
  const again = await open('/', { headers: { cookie } })
  t.same([await again.receiveJson(), again.headers['set-cookie']], [['ada', true], undefined], 'nothing has changed by then')
  t.match((await refused(open('/refused', { headers: { cookie } }))).headers['set-cookie'], [/^session=; Max-Age=0/])
})
