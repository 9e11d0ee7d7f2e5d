import { once } from 'node:events'
import { request as requestHttp } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import WebSocket, { type ClientOptions } from 'ws'
import { listen } from '../helpers/app'
import { examples } from '../helpers/example'
import { Peer } from '../helpers/peer'
import { findProxy, KINDS, Proxy } from '../helpers/proxies'
import type { FastifyInstance } from 'fastify'

// All proxies at once: their tests mostly wait for timeouts.
t.jobs = Object.keys(KINDS).length

for (const [name, kind] of Object.entries(KINDS)) {
  const missing = findProxy(kind) === undefined && `there is no ${kind.program} on this machine`
  t.test(`behind ${name}`, { skip: missing, buffered: true }, async (t) => {
    const app = await build(t)
    await behind(t, await Proxy.start(t, kind, { app: await listen(app), idle: 1 }), app)
  })
}

/** Creates the chat with further routes for this test. */
async function build (t: Test): Promise<FastifyInstance> {
  const app: FastifyInstance = await require(join(examples, 'chat/server.js')).build({ trustProxy: '127.0.0.1' })
  t.teardown(() => app.close())
  app.websocket('/who', async (ws) => {
    await ws.accept()
    await ws.sendJson({ ip: ws.request.ip, url: ws.url.href })
  })
  app.websocket('/refused', async (ws) => { await ws.deny(402, 'pay') })
  app.websocket('/closed', async (ws) => {
    await ws.accept()
    await ws.close(4001, 'so long')
  })
  for (const [url, heartbeat] of [['/beating', { interval: 250, timeout: 5_000 }], ['/silent', false]] as const) {
    app.websocket(url, { websocket: { heartbeat } }, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  }
  return app
}

async function behind (t: Test, proxy: Proxy, app: FastifyInstance): Promise<void> {
  const { tls, http2, cutsIdle, reload } = proxy.kind
  const host = `localhost:${proxy.port}`
  const scheme = tls ? 'https' : 'http'
  const ws = `${tls ? 'wss' : 'ws'}://${host}`

  t.test('the page and the route of the chat work', async (t) => {
    t.match(await fetchPage(`${scheme}://${host}/`), '<html')
    const ada = await open(t, `${ws}/chat/lobby?name=ada`, { origin: `${scheme}://${host}` })
    for (const message of [{ type: 'afresh' }, { topic: 'room:lobby' }, { type: 'welcome', people: ['ada'] }]) {
      t.match(JSON.parse(String(await ada.next())), message)
    }
    ada.socket.send(JSON.stringify({ type: 'message', text: 'hello' }))
    t.match(JSON.parse(String(await ada.next())), { topic: 'room:lobby', data: { name: 'ada', text: 'hello' } })
    ada.socket.close(1000)
    t.equal((await ada.closed).code, 1000)
  })

  t.test('the app knows the address of the client, the host and the scheme', async (t) => {
    // The address is neither that of the proxy, which the app trusts, nor the one in the client's own header.
    const peer = await open(t, `${ws}/who`, { family: 4, localAddress: '127.0.0.2', headers: { 'x-forwarded-for': '192.0.2.1' } })
    t.same(JSON.parse(String(await peer.next())), { ip: '127.0.0.2', url: `${ws}/who` })
  })

  t.test('only pages of the same origin may connect', async (t) => {
    const strangers = [`${scheme}://localhost`, `${scheme}://evil.example`, `${scheme}://${host}.evil.example`]
    for (const origin of tls ? [...strangers, `http://${host}`] : strangers) {
      t.match(await refused(`${ws}/chat/lobby?name=ada`, { origin }), { statusCode: 403 }, origin)
    }
  })

  t.test('a refusal, a close code and a reason pass through the proxy', async (t) => {
    t.match(await refused(`${ws}/refused`), { statusCode: 402, body: 'pay' })
    const peer = await open(t, `${ws}/closed`)
    t.match(await peer.closed, { code: 4001, reason: 'so long' })
  })

  if (http2) {
    t.test('over HTTP/2, a WebSocket route answers that it is a WebSocket route', async (t) => {
      const session = connectHttp2(`https://${host}`, { rejectUnauthorized: false })
      t.teardown(() => session.destroy())
      const [headers] = await once(session.request({ ':path': '/who' }), 'response')
      t.equal(headers[':status'], 426)
    })
  } else if (tls) {
    t.test('the proxy offers no HTTP/2', async (t) => {
      const socket = connectTls({ host: 'localhost', port: proxy.port, ALPNProtocols: ['h2', 'http/1.1'], rejectUnauthorized: false })
      t.teardown(() => socket.destroy())
      await once(socket, 'secureConnect')
      t.not(socket.alpnProtocol, 'h2')
    })
  }

  t.test('the heartbeat keeps an idle connection open for longer than the proxy would', async (t) => {
    const beating = await open(t, `${ws}/beating`)
    const silent = await open(t, `${ws}/silent`)
    const cut = cutsIdle && silent.closed
    const begin = Date.now()
    while (Date.now() - begin < 2_500) await once(beating.socket, 'ping')
    beating.socket.send('still here')
    t.equal(await beating.next(), 'still here')
    if (cut) t.equal((await cut).code, 1006, 'the proxy closes a connection without a heartbeat')
  })

  if (reload?.leavesOpen === true) {
    t.test('a reload of the proxy leaves connections open, and the old process ends with the last connection', async (t) => {
      const before = await open(t, `${ws}/beating`)
      await proxy.reload()
      before.socket.send('hello')
      t.equal(await before.next(), 'hello')
      before.socket.close()
      await before.closed
      await proxy.oldWorkersEnded()
      const after = await open(t, `${ws}/beating`)
      after.socket.send('hello again')
      t.equal(await after.next(), 'hello again')
    })
  }

  if (reload?.leavesOpen === false) {
    t.test('a reload of the proxy closes connections with 1001', async (t) => {
      const before = await open(t, `${ws}/beating`)
      await proxy.reload()
      t.equal((await before.closed).code, 1001)
    })
  }

  t.test('when the app closes, the client gets 1001', async (t) => {
    const peer = await open(t, `${ws}/beating`)
    await app.close()
    t.equal((await peer.closed).code, 1001)
  })
}

async function open (t: Test, url: string, options: ClientOptions = {}): Promise<Peer> {
  const socket = new WebSocket(url, { ...options, rejectUnauthorized: false })
  t.teardown(() => socket.terminate())
  const peer = new Peer(socket)
  await once(socket, 'open')
  return peer
}

/** Sends a handshake. Resolves with the response that refuses it. */
async function refused (url: string, options: ClientOptions = {}): Promise<{ statusCode?: number, body: string }> {
  const socket = new WebSocket(url, { ...options, rejectUnauthorized: false })
  socket.on('open', () => socket.emit('error', new Error('the handshake was accepted')))
  const [request, response] = await once(socket, 'unexpected-response')
  const body = await text(response)
  request.destroy()
  return { statusCode: response.statusCode, body }
}

async function fetchPage (url: string): Promise<string> {
  const request = url.startsWith('https') ? requestHttps(url, { rejectUnauthorized: false }) : requestHttp(url)
  const [response] = await once(request.end(), 'response')
  return await text(response)
}
