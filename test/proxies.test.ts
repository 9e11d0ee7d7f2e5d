import { once } from 'node:events'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import WebSocket, { type ClientOptions } from 'ws'
import { createApp, listen } from './helpers/app'
import { examples } from './helpers/example'
import { Peer } from './helpers/peer'
import { findProgram } from './helpers/program'
import { Proxy, type ProxyOptions } from './helpers/proxies'
import type { FastifyInstance } from 'fastify'

type Start = (options: ProxyOptions) => Promise<Proxy>

const PROXIES = { nginx: Proxy.nginx, haproxy: Proxy.haproxy }

for (const [name, begin] of Object.entries(PROXIES)) {
  const executable = findProgram(name)
  t.test(`behind ${name}`, { skip: executable === undefined && `there is no ${name} on this machine` }, async (t) => {
    await behind(t, (options) => begin(t, executable!, options))
  })
}

async function behind (t: Test, start: Start): Promise<void> {
  t.test('the chat is the chat', async (t) => {
    const app = await chat(t)
    const { port } = await start({ app: await listen(app) })
    const page = await fetchPage(port)
    t.match(page, '<html')
    const ada = await open(t, `wss://localhost:${port}/chat/lobby?name=ada`, { origin: `https://localhost:${port}` })
    t.match(JSON.parse(String(await ada.next())), { type: 'welcome', people: ['ada'] })
    ada.socket.send(JSON.stringify({ type: 'message', text: 'hello' }))
    t.match(JSON.parse(String(await ada.next())), { type: 'message', name: 'ada', text: 'hello' })
    ada.socket.close(1000)
    t.equal((await ada.closed).code, 1000)
  })

  t.test('the app knows the client: its address, the host and the scheme', async (t) => {
    const app = await createApp(t, {}, { trustProxy: '127.0.0.1' })
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.sendJson({ ip: ws.request.ip, url: ws.url.href })
    })
    const { port } = await start({ app: await listen(app) })
    const peer = await open(t, `wss://localhost:${port}/`)
    t.same(JSON.parse(String(await peer.next())), { ip: '127.0.0.1', url: `wss://localhost:${port}/` })
  })

  t.test('only the pages of its own origin may connect', async (t) => {
    const app = await chat(t)
    const { port } = await start({ app: await listen(app) })
    for (const origin of ['https://localhost', 'https://evil.example', `http://localhost:${port}`, `https://localhost:${port}.evil.example`]) {
      t.match(await refused(`wss://localhost:${port}/chat/lobby?name=ada`, { origin }), { statusCode: 403 }, origin)
    }
  })

  t.test('a refusal, the close code and the reason come through', async (t) => {
    const app = await createApp(t)
    app.websocket('/refused', async (ws) => { await ws.deny(402, 'pay') })
    app.websocket('/closed', async (ws) => {
      await ws.accept()
      await ws.close(4001, 'so long')
    })
    const { port } = await start({ app: await listen(app) })
    t.match(await refused(`wss://localhost:${port}/refused`), { statusCode: 402, body: 'pay' })
    const peer = await open(t, `wss://localhost:${port}/closed`)
    t.match(await peer.closed, { code: 4001, reason: 'so long' })
  })

  t.test('the heartbeat keeps an idle connection open for longer than the proxy would', async (t) => {
    const app = await createApp(t, { heartbeat: { interval: 250, timeout: 5_000 } })
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.send(await ws.receive())
    })
    const { port } = await start({ app: await listen(app), idle: 1 })
    const peer = await open(t, `wss://localhost:${port}/`)
    const begin = Date.now()
    while (Date.now() - begin < 2_500) await once(peer.socket, 'ping')
    peer.socket.send('still here')
    t.equal(await peer.next(), 'still here')
  })

  t.test('without a heartbeat the proxy cuts an idle connection', async (t) => {
    const app = await createApp(t, { heartbeat: false })
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.receive()
    })
    const { port } = await start({ app: await listen(app), idle: 1 })
    const peer = await open(t, `wss://localhost:${port}/`)
    t.equal((await peer.closed).code, 1006)
  })

  t.test('a reload of the proxy leaves connections open, and the old process ends with the last of them', async (t) => {
    const app = await createApp(t)
    app.websocket('/', async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
    const proxy = await start({ app: await listen(app) })
    const url = `wss://localhost:${proxy.port}/`
    const before = await open(t, url)
    await proxy.reload()
    before.socket.send('hello')
    t.equal(await before.next(), 'hello')
    before.socket.close()
    await before.closed
    await proxy.oldOnesEnded()
    const after = await open(t, url)
    after.socket.send('hello again')
    t.equal(await after.next(), 'hello again')
  })
}

async function chat (t: Test): Promise<FastifyInstance> {
  const app = await require(join(examples, 'chat/server.js')).build({ trustProxy: '127.0.0.1' })
  t.teardown(() => app.close())
  return app
}

async function open (t: Test, url: string, options: ClientOptions = {}): Promise<Peer> {
  const socket = new WebSocket(url, { ...options, rejectUnauthorized: false })
  t.teardown(() => socket.terminate())
  const peer = new Peer(socket)
  await once(socket, 'open')
  return peer
}

/** What a handshake is answered with that is not accepted. */
async function refused (url: string, options: ClientOptions = {}): Promise<{ statusCode?: number, body: string }> {
  const socket = new WebSocket(url, { ...options, rejectUnauthorized: false })
  socket.on('open', () => socket.emit('error', new Error('the handshake was accepted')))
  const [request, response] = await once(socket, 'unexpected-response')
  const body = await text(response)
  request.destroy()
  return { statusCode: response.statusCode, body }
}

async function fetchPage (port: number): Promise<string> {
  const [response] = await once(request({ port, host: 'localhost', path: '/', rejectUnauthorized: false }).end(), 'response')
  return await text(response)
}
