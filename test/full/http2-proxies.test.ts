import { once } from 'node:events'
import t from 'tap'
import { connect } from '../../lib/index'
import { createApp, listen } from '../helpers/app'
import { openSession } from '../helpers/http2'
import { HTTP2_SERVERS } from '../helpers/http2-servers'
import { findProxy, KINDS, Proxy, type Kind } from '../helpers/proxies'
import { refused } from '../helpers/transports'
import type { FastifyServerOptions } from 'fastify'

/* Proxies that take WebSockets of HTTP/2, in front of an app that speaks HTTP/1.1 or HTTP/2. */

/** HAProxy that takes WebSockets of HTTP/2. `line` completes the line of the app. */
const haproxy = (line: string): Kind => ({
  ...KINDS.HAProxy,
  around: (configuration) => configuration.replace(/ssl crt \S+/, '$& alpn h2,http/1.1').replace(/server app \S+/, `$&${line}`)
})

const APPS: [name: string, kind: Kind, server: FastifyServerOptions, version: string][] = [
  ['HAProxy with alpn h2, an app of HTTP/1.1', haproxy(''), {}, '1.1'],
  ['HAProxy with alpn h2, an app of HTTP/2 in the clear', haproxy(' proto h2'), HTTP2_SERVERS['in the clear'], '2.0'],
  ['HAProxy with alpn h2, an app of HTTP/2 with TLS', haproxy(' ssl verify none alpn h2'), HTTP2_SERVERS['with TLS'], '2.0'],
  ['nghttpx, an app of HTTP/1.1', KINDS.nghttpx, {}, '1.1']
]

const skipWithout = (kind: Kind): string | false => findProxy(kind) === undefined && `there is no ${kind.program} on this machine`

for (const [name, kind, server, version] of APPS) {
  t.test(`behind ${name}`, { skip: skipWithout(kind) }, async (t) => {
    const app = await createApp(t, { refusal: 'auto', heartbeat: { interval: 250, timeout: 5_000 } }, { trustProxy: '127.0.0.1', ...server } as FastifyServerOptions)
    app.websocket('/', { websocket: { subprotocols: ['v1'] } }, async (ws, request) => {
      await ws.accept({ headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] })
      await ws.sendJson([request.raw.httpVersion, ws.url.protocol, request.host])
      for await (const message of ws) await ws.send(message)
    })
    app.websocket('/refused', async (ws) => { await ws.deny(402, 'pay') })
    const port = await listen(app)
    const proxy = await Proxy.start(t, kind, { app: port, idle: 1 })
    const url = `wss://localhost:${proxy.port}`
    const options = { http2: true, rejectUnauthorized: false, subprotocols: ['v1'] }
    const origin = `https://localhost:${proxy.port}`

    const client = await connect(`${url}/`, { ...options, headers: { origin } })
    t.same(JSON.parse(await client.receive({ timeout: 5_000 })), [version, 'wss:', `localhost:${proxy.port}`])
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

/** The proxies whose configuration in docs/deployment.md speaks HTTP/2, and the streams that those that take WebSockets over it allow a connection. */
const OFFERS: [kind: Kind, streams: number | null][] = [
  [haproxy(''), 100], [KINDS.nghttpx, 100], [KINDS.nginx, null], [KINDS.Apache, null], [KINDS.Caddy, null]
]

for (const [kind, streams] of OFFERS) {
  t.test(`${kind.program} ${streams === null ? 'does not offer' : 'offers'} WebSockets over HTTP/2`, { skip: skipWithout(kind) }, async (t) => {
    const app = await createApp(t)
    const proxy = await Proxy.start(t, kind, { app: await listen(app), idle: 10 })
    const session = await openSession(t, `https://localhost:${proxy.port}`)
    const { enableConnectProtocol, maxConcurrentStreams } = session.remoteSettings
    t.equal(enableConnectProtocol, streams !== null)
    if (streams !== null) t.equal(maxConcurrentStreams, streams)
  })
}
