import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../lib/index'
import { createApp, listen } from '../helpers/app'
import { BROWSERS } from '../helpers/browsers'
import { Example, root } from '../helpers/example'
import { TLS } from '../helpers/http2-servers'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { Tab } from '../helpers/tab'

/* Chromium and Firefox open the WebSockets of a page that came over HTTP/2 on the same connection. */

const FIXTURES = join(root, 'test', 'fixtures')

/** The routes of the page, the HTTP version of each handshake, and what was published. */
async function serve (t: Test): Promise<{ app: FastifyInstance, origin: string, versions: string[], published: string[] }> {
  const app = await createApp(t, { refusal: 'auto', maxConnections: 200, perMessageDeflate: true }, { http2: true, https: { ...TLS, allowHTTP1: true } } as object)
  const versions: string[] = []
  const published: string[] = []
  app.addHook('onRequest', async ({ ws, raw }) => { if (ws) versions.push(raw.httpVersion) })
  app.get('/', async (_request, reply) => reply.type('text/html').header('set-cookie', 'who=ada').send('<p>a page'))
  app.websocket('/echo', { websocket: { valueType: 'any', subprotocols: ['v2'] } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  app.websocket('/cookie', async (ws) => {
    await ws.accept()
    await ws.send(String(ws.headers.cookie))
    await ws.close(4001, 'so long')
  })
  app.websocket('/refused', async (ws) => { await ws.deny(401, 'who are you?') })
  app.websocket('/origin', { websocket: { origins: ['https://example.com'] } }, async () => {})
  app.websocket('/talkative', { websocket: { rateLimit: { messages: 2, interval: 60_000 } } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  app.websocket('/news', { websocket: { heartbeat: { interval: 50, timeout: 2_000 } } }, async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    await ws.send('subscribed')
    for (let i = 0; i < 3; i++) await once(ws.raw!, 'pong') // of the heartbeat
    await app.websockets.publish('news', 'first')
    published.push('first')
    await ws.closed
  })
  app.websocket('/lost', async (ws) => {
    await ws.accept()
    ws.terminate()
  })
  return { app, origin: `https://localhost:${await listen(app)}`, versions, published }
}

/** Tells what a page sees of a WebSocket: its messages, and its close. The page sends `messages` when it is open, then closes with `code`. */
function conversation (path: string, { messages = [] as string[], code = 0, subprotocols = [] as string[] } = {}): string {
  return `new Promise((resolve) => {
    const ws = new WebSocket(${JSON.stringify(path)}.replace(/^/, location.origin.replace('http', 'ws')), ${JSON.stringify(subprotocols)})
    const seen = []
    const messages = ${JSON.stringify(messages)}
    ws.onopen = () => { seen.push(['open', ws.protocol, ws.extensions.split(';')[0]].join(' ').trim()); messages.forEach((message) => ws.send(message)) }
    ws.onmessage = ({ data }) => {
      seen.push(data.length > 100 ? data.length : data)
      if (messages.length > 0 && seen.length === messages.length + 1) ws.close(${code}, 'enough')
    }
    ws.onclose = ({ code, reason, wasClean }) => { seen.push([code, reason, wasClean]); resolve(seen) }
  })`
}

for (const [name, { missing, launch }] of Object.entries(BROWSERS)) {
  t.test(`${name} opens WebSockets over HTTP/2`, { skip: missing }, async (t) => {
    const { app, origin, versions, published } = await serve(t)
    const tab: Tab = await launch(t)
    await tab.goto(origin)
    const sees = async (path: string, options?: object): Promise<any> => await tab.evaluate(conversation(path, options))

    const open = 'open  permessage-deflate'
    t.same(await sees('/echo', { messages: ['hello', 'x'.repeat(1_000_000)], code: 4000, subprotocols: ['v1', 'v2'] }), ['open v2 permessage-deflate', 'hello', 1_000_000, [4000, 'enough', true]])
    t.same(await sees('/cookie'), [open, 'who=ada', [4001, 'so long', true]])
    t.same(await sees('/refused'), ['open', [4401, 'who are you?', true]])
    t.same(await sees('/origin'), ['open', [4403, 'Forbidden', true]])
    t.match(await sees('/talkative', { messages: ['1', '2', '3'] }), [open, '1', '2', [1008, /rate/, true]])
    t.same((await sees('/lost')).at(-1), [1006, '', false])
    t.same(await sees('/unknown'), [[1006, '', false]])

    const many = `Promise.all(Array.from({ length: 100 }, () => new Promise((resolve) => {
      const ws = new WebSocket(location.origin.replace('http', 'ws') + '/echo')
      ws.onopen = () => resolve(ws)
      ws.onclose = () => resolve('closed')
    }))).then((all) => { globalThis.sockets = all; return all.filter(({ readyState }) => readyState === 1).length })`
    t.equal(await tab.evaluate(many), 100)
    await until(() => app.websockets.size === 100)
    await tab.evaluate('sockets.map((ws) => ws.close()).length')
    await until(() => app.websockets.size === 0, 3_000) // Firefox leaves its side of a stream open: nothing waits for it

    const news = sees('/news')
    await until(() => published.length === 1)
    await app.close()
    t.same(await news, [open, 'subscribed', 'first', [1001, '', true]])
    t.same(new Set(versions), new Set(['2.0']), versions.join())
  })

  t.test(`the chat, started with --http2, in ${name}`, { skip: missing }, async (t) => {
    const chat = new Example('chat/server.js', ['--http2'], { TLS_KEY: join(FIXTURES, 'key.pem'), TLS_CERT: join(FIXTURES, 'cert.pem') })
    t.teardown(() => chat.child.kill())
    const [url] = await chat.ready()
    const tab: Tab = await launch(t)
    await tab.goto(url)
    t.equal(await tab.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol"), 'h2')
    await tab.evaluate(`(() => {
      document.querySelector('#name').value = 'ada'
      document.querySelector('#room').value = 'lobby'
      document.querySelector('#join').requestSubmit()
      return true
    })()`)
    const shows = (text: string): Promise<void> => until(() => tab.evaluate(`document.body !== null && document.body.innerText.includes(${JSON.stringify(text)})`))
    await shows('ada')
    const grace = await connect(`${url.replace('https', 'wss')}chat/lobby?name=grace`, { http2: true, rejectUnauthorized: false, valueType: 'json' })
    await grace.send({ type: 'message', id: 'one', text: 'over HTTP/2' })
    await shows('over HTTP/2')
    await grace.close()
  })
}
