import { once } from 'node:events'
import t from 'tap'
import { connect } from '../../lib/index'
import { createApp, listen } from '../helpers/app'
import { HTTP2_SERVERS } from '../helpers/http2-servers'
import { findProxy, KINDS, Proxy } from '../helpers/proxies'
import { refused } from '../helpers/transports'
import type { FastifyServerOptions } from 'fastify'

/* HAProxy with `alpn h2`: WebSockets of HTTP/2 from the client to the proxy, and of HTTP/1.1 or of HTTP/2 from the proxy to the app. */

const { HAProxy } = KINDS
const skip = findProxy(HAProxy) === undefined && 'there is no haproxy on this machine'

const APPS: [name: string, server: FastifyServerOptions, line: string][] = [
  ['HTTP/1.1', {}, ''],
  ['HTTP/2 in the clear', HTTP2_SERVERS['in the clear'], ' proto h2'],
  ['HTTP/2 with TLS', HTTP2_SERVERS['with TLS'], ' ssl verify none alpn h2']
]

for (const [name, server, line] of APPS) {
  t.test(`behind HAProxy with alpn h2, with an app of ${name}`, { skip }, async (t) => {
    const app = await createApp(t, { refusal: 'auto', heartbeat: { interval: 250, timeout: 5_000 } }, { trustProxy: '127.0.0.1', ...server } as FastifyServerOptions)
    app.websocket('/', { websocket: { subprotocols: ['v1'] } }, async (ws, request) => {
      await ws.accept({ headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] })
      await ws.sendJson([request.raw.httpVersion, ws.url.protocol, request.host])
      for await (const message of ws) await ws.send(message)
    })
    app.websocket('/refused', async (ws) => { await ws.deny(402, 'pay') })
    const port = await listen(app)
    const kind = { ...HAProxy, around: (configuration: string) => configuration.replace(/ssl crt \S+/, '$& alpn h2,http/1.1').replace(/server app \S+/, `$&${line}`) }
    const proxy = await Proxy.start(t, kind, { app: port, idle: 1 })
    const url = `wss://localhost:${proxy.port}`
    const options = { http2: true, rejectUnauthorized: false, subprotocols: ['v1'] }
    const origin = `https://localhost:${proxy.port}`

    const client = await connect(`${url}/`, { ...options, headers: { origin } })
    t.same(JSON.parse(await client.receive({ timeout: 5_000 })), [name.startsWith('HTTP/2') ? '2.0' : '1.1', 'wss:', `localhost:${proxy.port}`])
    t.equal(client.protocol, 'v1')
    t.same(client.headers['set-cookie'], ['a=1', 'b=2'])
    t.equal(await client.pair('x'.repeat(1_000_000), { timeout: 5_000 }), 'x'.repeat(1_000_000))
    const begin = Date.now()
    while (Date.now() - begin < 2_000) await once(client.raw!, 'ping') // the heartbeat keeps the connection for twice the idle timeout of the proxy
    t.equal(await client.pair('still here', { timeout: 5_000 }), 'still here')
    await client.close(4001, 'bye')
    t.match(await client.closed, { code: 4001, reason: 'bye', wasClean: true })

    t.match(await refused(connect(`${url}/refused`, options)), { status: 402, body: 'pay' })
    t.match(await refused(connect(`${url}/unknown`, options)), { status: 404 })
    const page = await connect(`${url}/refused`, { ...options, headers: { origin } })
    t.match(await page.closed, { code: 4402, reason: 'pay' })
    const stranger = await connect(`${url}/`, { ...options, headers: { origin: 'https://evil.example' } })
    t.match(await stranger.closed, { code: 4403 })

    const last = await connect(`${url}/`, options)
    await app.close()
    t.equal((await last.closed).code, 1001)
  })
}
