import dns from 'node:dns'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { mock } from 'node:test'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../lib/index'
import { Deferred } from '../lib/promise'
import { createApp, listen } from './helpers/app'
import { connectPeer } from './helpers/peer'
import { connectTcp, upgradeRequest } from './helpers/tcp'

const HALF = 'GET /ws HTTP/1.1\r\nHost: x\r\nUpgr'

const fixture = (name: string): Buffer => readFileSync(join(__dirname, 'fixtures', name))
const https = { key: fixture('key.pem'), cert: fixture('cert.pem') }

/** Resolves when the server has taken as many connections as there are clients: it does not tell of those that have not sent anything. */
async function taken (app: FastifyInstance, clients: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => { app.server.getConnections((_error, count) => { count >= clients ? resolve() : setImmediate(look) }) }
    look()
  })
}

/** Within the time that a test has: without limit where the connections keep the server from closing. */
async function closes (t: Test, app: FastifyInstance): Promise<void> {
  const begin = performance.now()
  await app.close()
  t.ok(performance.now() - begin < 2000, 'at once')
}

t.test('app.close() waits for no request that has not come to its end', async (t) => {
  for (const beginning of ['', 'G', HALF, 'GET /http HTTP/1.1\r\nHost: x\r\n\r\n' + HALF]) {
    const app = await createApp(t)
    app.websocket('/ws', () => { t.fail('the handler runs') })
    app.get('/http', async () => 'http')
    const client = await connectTcp(t, await listen(app))
    client.write(beginning)
    if (beginning.includes('/http')) await client.until('http')
    else await taken(app, 1)
    await closes(t, app)
    t.equal((await client.ended).includes('http'), beginning.includes('/http'), JSON.stringify(beginning))
  }
})

t.test('nor over TLS', async (t) => {
  const app = await createApp(t, {}, { https } as any)
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  const peer = await connectPeer(t, `wss://127.0.0.1:${port}/ws`, { rejectUnauthorized: false })
  const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  client.on('error', () => {})
  await once(client, 'secureConnect')
  client.write(HALF)
  await taken(app, 2)
  const ended = once(client, 'close')
  await closes(t, app)
  await ended
  t.equal((await peer.closed).code, 1001)
})

t.test('a request that is being answered is answered to its end', async (t) => {
  const app = await createApp(t)
  const started = new Deferred<void>()
  const goOn = new Deferred<void>()
  app.get('/http', async () => {
    started.resolve()
    await goOn.promise
    return 'the answer'
  })
  const port = await listen(app)
  const half = await connectTcp(t, port)
  half.write(HALF)
  const whole = await connectTcp(t, port)
  whole.write('GET /http HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n')
  await started.promise
  const closed = app.close()
  await half.ended
  goOn.resolve()
  t.match(await whole.ended, /the answer$/)
  await closed
})

t.test('a WebSocket connection has its closing handshake, also where the server has begun to close before', async (t) => {
  const app = await createApp(t, { shutdown: { notify: () => closing.promise } })
  const closing = new Deferred<void>()
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const client = await connectTcp(t, await listen(app))
  await client.write(upgradeRequest('/ws')).until('101')
  app.server.close()
  const closed = app.close()
  closing.resolve()
  await client.until('\x88\x02\x03\xe9')
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]))
  await client.ended
  await closed
})

/** Listens on `localhost`, as 127.0.0.1 and as ::1, whatever the hosts file of this machine says. Returns the addresses. */
async function listenTwice (t: Test, app: FastifyInstance): Promise<AddressInfo[]> {
  const { lookup } = dns
  mock.method(dns, 'lookup', (name: string, options: any, callback: any) => {
    if (name !== 'localhost' || options?.all !== true) return lookup(name, options, callback)
    callback(null, [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }])
  })
  t.teardown(() => mock.restoreAll())
  await app.listen({ port: 0, host: 'localhost' })
  return app.addresses() as AddressInfo[]
}

t.test('an app that does not listen closes', async (t) => {
  const app = await createApp(t)
  app.websocket('/ws', async (ws) => { await (await ws.accept()).closed })
  const client = await app.injectWebSocket('/ws')
  await closes(t, app)
  t.equal((await client.closed).code, 1001)
})

t.test('on localhost, which has two addresses, neither of them keeps the process going', async (t) => {
  for (const place of ['the app', 'a context of its own']) {
    const app = Fastify()
    t.teardown(() => app.close())
    if (place === 'the app') app.register(websocket)
    else app.register(async (child) => { await child.register(websocket) })
    const addresses = await listenTwice(t, app)
    if (addresses.length === 1) return t.comment('no IPv6 on this machine')
    const clients: Socket[] = []
    for (const { port, address } of addresses) {
      const client = connect(port, address)
      t.teardown(() => client.destroy())
      await once(client, 'connect')
      // A response says that the server has taken the connection, and read half a request behind.
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n' + HALF)
      await once(client, 'data')
      clients.push(client.resume())
    }
    const ended = clients.map((client) => once(client, 'close'))
    await closes(t, app)
    await Promise.all(ended)
    t.pass(place)
  }
})

t.test('an app with HTTP/2 is left alone', async (t) => {
  const app = await createApp(t, {}, { http2: true, https: { allowHTTP1: true, ...https } } as any)
  app.get('/http', async () => 'http')
  const session = connectHttp2(`https://127.0.0.1:${await listen(app)}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const [headers] = await once(session.request({ ':path': '/http' }).resume(), 'response')
  t.equal(headers[':status'], 200)
  session.close()
  await closes(t, app)
})
