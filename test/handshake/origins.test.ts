import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createOriginCheck } from '../../lib/handshake/origins'
import { createApp, listen } from '../helpers/app'
import { isLinear } from '../helpers/linear'
import { collectLogs, ERROR, INFO, WARN } from '../helpers/logs'
import { refusal } from '../helpers/refusal'
import { statusOf } from '../helpers/request-client'
import { assertNoConnections, ByteClient, upgradeRequest, type RequestHeaders } from '../helpers/tcp'
import { ACCEPTED, http2Server, IS_SECURE, urlOver } from '../helpers/transport'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AllowedOrigins } from '../../types/options'

/** The status of the answer to a handshake with these headers. */
async function answer (t: Test, port: number, path: string, headers: RequestHeaders): Promise<number | undefined> {
  return await statusOf(t, port, path, { headers })
}

/** An app with one route, `/`, that accepts every client. */
async function createRoute (t: Test, origins: AllowedOrigins | undefined, serverOptions: object = {}): Promise<number> {
  const app = await createApp(t, { autoAccept: true }, serverOptions)
  app.websocket('/', { websocket: { origins } }, () => {})
  return await listen(app)
}

function toLines (cases: [origin: string | null, host: string | null][]): string[] {
  return cases.map(([origin, host]) => `${origin} to ${host}`)
}

/** Whether Node may refuse a request for `host` by itself: over HTTP/2, it resets a stream whose `:authority` is none (RFC 9113, section 8.3.1). */
function mayReset (host: string): boolean {
  return http2Server !== undefined && !/^[\x21-\x2e\x30-\x3f\x41-\x7e]+$/.test(host)
}

// The refused origins in each table resemble an allowed one.

const SAME: [origin: string | null, host: string | null][] = [
  [null, 'example.com'],
  ['https://example.com', 'example.com'],
  ['http://example.com', 'example.com'],
  ['https://app.example.com', 'app.example.com'],
  ['http://localhost:3000', 'localhost:3000'],
  ['https://example.com:8443', 'example.com:8443'],
  // the default port of the scheme, on either side
  ['https://example.com:443', 'example.com'],
  ['https://example.com', 'example.com:443'],
  ['http://example.com:80', 'example.com'],
  ['http://example.com', 'example.com:80'],
  // case
  ['https://EXAMPLE.com', 'example.COM'],
  ['HTTPS://example.com', 'example.com'],
  // addresses
  ['http://127.0.0.1:3000', '127.0.0.1:3000'],
  ['http://127.0.0.1', '0x7f.1'],
  ['http://[::1]:8080', '[::1]:8080'],
  ['http://[::1]:8080', '[0:0:0:0:0:0:0:1]:8080'],
  ['http://[2001:db8::a]', '[2001:DB8:0::A]:80'],
  // names outside of ASCII, as browsers send them
  ['https://xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
  ['https://xn--mnchen-3ya.example', 'XN--MNCHEN-3YA.example'],
  // the root of the DNS, when both name it; names of local networks
  ['https://example.com.', 'example.com.'],
  ['http://my_host', 'my_host']
]

const CROSS: [origin: string | null, host: string | null][] = [
  ['https://evil.com', 'example.com'],
  // suffixes, prefixes, subdomains, parent domains
  ['https://evil-example.com', 'example.com'],
  ['https://evilexample.com', 'example.com'],
  ['https://example.com.evil.com', 'example.com'],
  ['https://example.community', 'example.com'],
  ['https://example.co', 'example.com'],
  ['https://app.example.com', 'example.com'],
  ['https://example.com', 'app.example.com'],
  ['https://com', 'example.com'],
  // ports
  ['https://example.com:8443', 'example.com'],
  ['https://example.com', 'example.com:8443'],
  ['https://example.com', 'example.com:80'],
  ['http://example.com', 'example.com:443'],
  ['https://example.com:80', 'example.com'],
  ['http://example.com:443', 'example.com'],
  ['https://example.com:4430', 'example.com:443'],
  ['https://example.com:', 'example.com'],
  ['https://example.com:99999', 'example.com:99999'],
  ['https://example.com:-1', 'example.com:-1'],
  // the root of the DNS
  ['https://example.com.', 'example.com'],
  ['https://example.com', 'example.com.'],
  ['https://example.com..', 'example.com..'],
  ['https://.example.com', '.example.com'],
  // `null`, or more than one origin
  ['null', 'example.com'],
  ['null', 'null'],
  ['NULL', 'example.com'],
  ['', 'example.com'],
  ['', ''],
  ['https://', ''],
  ['example.com', 'example.com'],
  ['//example.com', 'example.com'],
  ['https:example.com', 'example.com'],
  ['https:/example.com', 'example.com'],
  ['https:///example.com', 'example.com'],
  ['https:\\\\example.com', 'example.com'],
  ['garbage', 'example.com'],
  ['*', 'example.com'],
  ['https://*', 'example.com'],
  ['https://example.com https://evil.com', 'example.com'],
  ['https://evil.com, https://example.com', 'example.com'],
  ['https://example.com,https://example.com', 'example.com'],
  // an origin and more
  ['https://example.com/', 'example.com'],
  ['https://example.com/path', 'example.com'],
  ['https://example.com?', 'example.com'],
  ['https://example.com#', 'example.com'],
  ['https://evil.com/.example.com', 'example.com'],
  ['https://evil.com?.example.com', 'example.com'],
  ['https://evil.com#example.com', 'example.com'],
  ['https://evil.com\\example.com', 'example.com'],
  ['https://example.com@evil.com', 'example.com'],
  ['https://evil.com@example.com', 'example.com'],
  ['https://user:secret@example.com', 'example.com'],
  ['https://example.com:443@evil.com', 'example.com'],
  // characters that URL parsers drop, decode or replace
  ['https://exam\tple.com', 'example.com'],
  ['https://ex%61mple.com', 'example.com'],
  ['https://ｅxample.com', 'example.com'],
  ['https://exa\xadmple.com', 'example.com'],
  ['https://ex\xaample.com', 'example.com'],
  ['https://example。com', 'example.com'],
  ['https://münchen.example', 'xn--mnchen-3ya.example'],
  ['https://xn--mnchen-3ya.example', 'münchen.example'],
  ['https://münchen.example', 'münchen.example'],
  // addresses
  ['http://127.0.0.2', '127.0.0.1'],
  ['http://localhost', '127.0.0.1'],
  ['http://1.2.3.999', '1.2.3.999'],
  ['http://[::1]', '127.0.0.1'],
  ['http://[::ffff:127.0.0.1]', '127.0.0.1'],
  ['http://[::1]:8080', '[::1]'],
  ['http://[::1]', '::1'],
  ['http://::1', '[::1]'],
  ['http://[::1%25lo]', '[::1]'],
  ['http://[::1', '[::1'],
  ['http://[1:2]', '[1:2]'],
  // other schemes, with the host in them
  ['chrome-extension://example.com', 'example.com'],
  ['moz-extension://example.com', 'example.com'],
  ['file://', 'example.com'],
  ['file://example.com', 'example.com'],
  ['file://', ''],
  ['ws://example.com', 'example.com'],
  ['ftp://example.com', 'example.com'],
  ['javascript://example.com', 'example.com'],
  ['data:text/html', 'example.com'],
  ['blob:https://example.com/1', 'example.com'],
  // invalid hosts
  ['https://example.com', ''],
  ['https://example.com', 'user@example.com'],
  ['https://example.com', 'example.com/'],
  ['https://example.com', 'example.com/path'],
  ['https://example.com', 'example.com, evil.com'],
  ['https://example.com', 'https://example.com'],
  ['https://example.com', 'example com'],
  ['https://example.com', 'example.com:'],
  ['https://example.com', 'ex%61mple.com']
]

t.test('same-origin, the default, allows the pages with the host and port of the request, and no others', async (t) => {
  for (const origins of [undefined, 'same-origin'] as const) {
    const port = await createRoute(t, origins)
    const status = async ([origin, host]: typeof SAME[0]): Promise<number | undefined> => await answer(t, port, '/', { origin, host })
    const accepted = []
    for (const pair of [...SAME, ...CROSS]) if (await status(pair) === ACCEPTED) accepted.push(pair)
    t.same(toLines(accepted), toLines(SAME.filter(([origin]) => !IS_SECURE || !/^http:/i.test(String(origin)))))
    for (const pair of CROSS) t.ok([403, ...mayReset(pair[1]!) ? [undefined] : []].includes(await status(pair)), toLines([pair])[0])
  }
})

t.test('same-origin ignores the forwarded host that a client sends', async (t) => {
  const port = await createRoute(t, 'same-origin')
  const forged = {
    'x-forwarded-host': 'evil.com',
    'x-forwarded-proto': 'https',
    'x-forwarded-server': 'evil.com',
    'x-host': 'evil.com',
    forwarded: 'host=evil.com',
    referer: 'https://example.com/'
  }
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com', ...forged }), 403)
  t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...forged }), ACCEPTED)
})

t.test('with trustProxy, same-origin compares with the host that the proxy names', async (t) => {
  const port = await createRoute(t, 'same-origin', { trustProxy: '127.0.0.1' })
  const proxied = { host: 'backend:3000', 'x-forwarded-host': 'example.com' }
  t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...proxied }), ACCEPTED)
  t.equal(await answer(t, port, '/', { origin: 'http://backend:3000', ...proxied }), 403)
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com', ...proxied }), 403)
  t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...proxied, 'x-forwarded-host': 'example.com:8443' }), 403)

  const before = { ...proxied, 'x-forwarded-host': 'evil.com, example.com' } // the value of the client stands before the value of the proxy
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com', ...before }), 403)
  t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...before }), ACCEPTED)
})

t.test('X-Forwarded-Host of an untrusted proxy is ignored', async (t) => {
  const port = await createRoute(t, 'same-origin', { trustProxy: '192.0.2.1' })
  const forged = { host: 'example.com', 'x-forwarded-host': 'evil.com' }
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com', ...forged }), 403)
  t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...forged }), ACCEPTED)
})

t.test('a page without TLS is not of the same origin as a request that a proxy got over TLS', async (t) => {
  const port = await createRoute(t, 'same-origin', { trustProxy: true })
  for (const scheme of ['https', 'wss', 'HTTPS']) {
    const proxied = { host: 'example.com', 'x-forwarded-proto': scheme }
    t.equal(await answer(t, port, '/', { origin: 'http://example.com', ...proxied }), 403, scheme)
    t.equal(await answer(t, port, '/', { origin: 'https://example.com', ...proxied }), ACCEPTED, scheme)
  }
  for (const scheme of ['http', 'ws']) {
    t.equal(await answer(t, port, '/', { origin: 'http://example.com', host: 'example.com', 'x-forwarded-proto': scheme }), ACCEPTED, scheme)
  }
})

t.test('a page without TLS is not of the same origin as a request to a server with TLS', async (t) => {
  const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
  const app = await createApp(t, { autoAccept: true }, { https: { key: fixture('key.pem'), cert: fixture('cert.pem') } } as object)
  app.websocket('/', () => {})
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const status = async (headers: RequestHeaders): Promise<string> => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return (await new ByteClient(socket).write(upgradeRequest('/', { headers })).until('\r\n\r\n')).split(' ')[1]
  }
  t.equal(await status({ origin: 'https://example.com' }), '101')
  t.equal(await status({ origin: 'http://example.com' }), '403')
  t.equal(await status({ origin: 'http://example.com', host: 'example.com:80' }), '403')
  t.equal(await status({}), '101')
})

interface Listed { allowed: string[], pass: string[], fail: string[] }

const LISTS: Listed[] = [
  { allowed: [], pass: [], fail: ['https://example.com', 'null', ''] },
  {
    allowed: ['https://app.example.com', 'http://localhost:5173'],
    pass: ['https://app.example.com', 'https://app.example.com:443', 'HTTPS://App.Example.Com', 'http://localhost:5173'],
    fail: [
      'https://example.com', 'http://app.example.com', 'https://app.example.com:8443', 'https://app.example.com.', 'https://a.app.example.com',
      'https://app.example.com.evil.com', 'https://evil-app.example.com', 'https://appxexample.com', 'https://app.example.com/', 'https://app.example.com@evil.com',
      'https://evil.com/https://app.example.com', 'https://evil.com,https://app.example.com', 'https://app.example.com, https://evil.com',
      'http://localhost', 'http://localhost:51730', 'https://localhost:5173', 'http://127.0.0.1:5173', 'null', '', 'garbage', 'file://'
    ]
  },
  {
    allowed: ['HTTPS://Example.com:443', 'https://münchen.example', 'http://[::0001]:8080', 'https://example.org.'],
    pass: ['https://example.com', 'https://xn--mnchen-3ya.example', 'http://[::1]:8080', 'https://example.org.'],
    fail: ['https://münchen.example', 'https://munchen.example', 'http://[::1]', 'https://example.org']
  },
  {
    allowed: ['chrome-extension://abcdefghijklmnop', 'safari-web-extension://E5D2-4A1F', 'capacitor://localhost'],
    pass: ['chrome-extension://abcdefghijklmnop', 'safari-web-extension://E5D2-4A1F', 'capacitor://localhost'],
    fail: ['chrome-extension://bcdefghijklmnopa', 'moz-extension://abcdefghijklmnop', 'http://localhost', 'capacitor://localhost.evil', 'capacitor://localhost:1']
  },
  {
    allowed: ['https://*.example.com'],
    pass: ['https://app.example.com', 'https://a.b.c.example.com', 'https://APP.example.com:443', 'https://a_b.example.com', 'https://xn--mnchen-3ya.example.com'],
    fail: [
      'https://example.com', 'https://.example.com', 'https://..example.com', 'https://*.example.com', 'http://app.example.com', 'https://app.example.com:8443',
      'https://app.example.com.', 'https://evil-example.com', 'https://evilexample.com', 'https://app-example.com', 'https://app.example.com.evil.com',
      'https://evil.com/.example.com', 'https://evil.com?.example.com', 'https://evil.com#.example.com', 'https://evil.com\\.example.com', 'https://evil.com:.example.com',
      'https://evil.com, https://app.example.com', 'https://evil.com@app.example.com', 'https://evil.com%2f.example.com', 'https://evil.com%00.example.com',
      'https://evil.com\t.example.com', 'https://[::1].example.com', 'chrome-extension://app.example.com', 'xhttps://app.example.com', 'null', ''
    ]
  },
  {
    allowed: ['https://*.münchen.example:8443', 'http://*.localhost'],
    pass: ['https://app.xn--mnchen-3ya.example:8443', 'http://a.localhost'],
    fail: ['https://app.xn--mnchen-3ya.example', 'https://app.xn--mnchen-3ya.example:18443', 'https://xn--mnchen-3ya.example:8443', 'http://localhost']
  }
]

for (const { allowed, pass, fail } of LISTS) {
  t.test(`the list ${JSON.stringify(allowed)} allows pages of these origins, and no others`, async (t) => {
    const port = await createRoute(t, allowed)
    const accepted = []
    for (const origin of [...pass, ...fail]) if (await answer(t, port, '/', { origin, host: 'evil.com' }) === ACCEPTED) accepted.push(origin)
    t.same(accepted, pass)
    t.equal(await answer(t, port, '/', {}), ACCEPTED, 'a request without an Origin header')
  })
}

t.test('a list is read once, when the route is registered', async (t) => {
  const origins = ['https://example.com']
  const port = await createRoute(t, origins)
  origins.push('https://evil.com')
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com' }), 403)
})

t.test('an entry that is no origin fails at registration, and the error shows it', async (t) => {
  const wrong = [
    '', ' ', '*', 'null', 'same-origin', 'example.com', '//example.com', '*.example.com', 'https://', 'https:example.com', 'file://', 'localhost:3000',
    'https://example.com/', 'https://example.com/path', 'https://example.com?', 'https://example.com?a', 'https://example.com#a', 'https://user@example.com',
    'https://example.com,https://example.org', 'https://example.com ', ' https://example.com', 'https://exam ple.com', 'https://example.com:', 'https://example.com:99999',
    'https://example.com:*', 'https://*', 'https://*:443', 'https://*.', 'https://*.:8443', 'https://*example.com', 'https://app.*.com', 'https://*.*.example.com', 'https://*.example.*',
    '*://example.com', 'https://.example.com', 'https://*..example.com', 'https://a..example.com', 'https://ex%61mple.com', 'https://[::1', 'https://*.[::1]',
    'https://*.0.0.1', 'https://1.2.3.999', 'https://a.com://*.example.com', 'https://münchen.example/', 'https://mün chen.example', 'https://xn--a.ü'
  ]
  for (const entry of [...wrong, undefined, null, 1, true, {}, ['https://example.com'], /example/, new URL('https://example.com'), Symbol('entry')]) {
    const app = await createApp(t)
    t.throws(() => app.websocket('/', { websocket: { origins: ['https://example.com', entry as any] } }, () => {}), {
      code: 'FST_WS_OPTION',
      message: /^GET \/: option origins is \[[^]*: use origins such as 'https:\/\/app\.example\.com' [^]*, not /
    }, String(entry))
  }
  await t.rejects(createApp(t, { origins: ['https://example.com/path'] }), { code: 'FST_WS_OPTION', message: /, not 'https:\/\/example\.com\/path'$/ })
})

t.test('the time of the check is linear in the length of the origin that a client sends', async (t) => {
  const origins: Record<string, (n: number) => string> = {
    'a list': (n) => 'https://a.example '.repeat(n / 18),
    labels: (n) => `https://${'a.'.repeat(n / 2)}example`,
    'a label in Punycode': (n) => `https://xn--${'a9b8'.repeat(n / 4)}`,
    'an address': (n) => `https://[${':1'.repeat(n / 2)}]`,
    'a port': (n) => `https://a.example:${'1'.repeat(n)}x`
  }
  for (const allowed of ['same-origin', ['https://*.example', 'https://a.example']] as const) {
    const isAllowed = createOriginCheck(allowed as AllowedOrigins)
    for (const [name, make] of Object.entries(origins)) {
      isLinear(t, 128 * 1024, (n) => {
        const origin = make(n)
        return () => { isAllowed(origin, { host: origin.slice(8), protocol: 'http' } as FastifyRequest) }
      }, `${String(allowed)}: ${name}`)
    }
  }
})

t.test("'*' allows all pages", async (t) => {
  const port = await createRoute(t, '*')
  for (const origin of [null, 'https://evil.com', 'null', '', 'garbage', 'file://']) t.equal(await answer(t, port, '/', { origin }), ACCEPTED, String(origin))
})

t.test('a RegExp is tested against the header as the client has sent it', async (t) => {
  const port = await createRoute(t, /^https:\/\/[a-z]+\.example\.com(:\d+)?$|^null$|^$/)
  for (const origin of [null, 'https://app.example.com', 'https://app.example.com:443', 'null', '']) t.equal(await answer(t, port, '/', { origin }), ACCEPTED, String(origin))
  for (const origin of ['https://APP.example.com', 'https://example.com', 'https://app.example.com.evil.com']) t.equal(await answer(t, port, '/', { origin }), 403, origin)
})

t.test('a RegExp keeps no state between requests, and the RegExp of the user is not changed', async (t) => {
  for (const flags of ['', 'g', 'y', 'gi']) {
    const origins = new RegExp('https://example.com', flags)
    origins.lastIndex = 5
    const port = await createRoute(t, origins)
    for (let i = 0; i < 3; i++) t.equal(await answer(t, port, '/', { origin: 'https://example.com' }), ACCEPTED, flags)
    t.equal(await answer(t, port, '/', { origin: 'x-https://example.com' }), flags === 'y' ? 403 : ACCEPTED)
    t.equal(origins.lastIndex, 5)
  }
})

t.test('a function gets the header as the client has sent it, the request, and the app as this', async (t) => {
  const calls: [app: FastifyInstance, origin: string, request: FastifyRequest][] = []
  const app = await createApp(t, { autoAccept: true })
  let child: FastifyInstance | undefined
  await app.register(async (instance) => {
    child = instance
    instance.websocket('/:id', {
      websocket: {
        origins (origin, request) {
          calls.push([this, origin, request])
          return origin.endsWith((request.params as { id: string }).id)
        }
      }
    }, () => {})
  }, { prefix: '/child' })
  const port = await listen(app)
  t.equal(await answer(t, port, '/child/a', { origin: 'HTTPS://a' }), ACCEPTED)
  t.equal(await answer(t, port, '/child/b', { origin: 'null' }), 403)
  t.same(calls.map(([, origin, { url, ws }]) => [origin, url, ws]), [['HTTPS://a', '/child/a', true], ['null', '/child/b', true]])
  t.ok(calls.every(([instance]) => instance === child))
  t.equal(await answer(t, port, '/child/a', {}), ACCEPTED)
  t.equal(calls.length, 2, 'it is not asked about a request without an Origin header')
})

t.test('a function may be asynchronous', async (t) => {
  const port = await createRoute(t, async (origin) => {
    await new Promise((resolve) => setImmediate(resolve))
    return origin === 'https://example.com'
  })
  t.equal(await answer(t, port, '/', { origin: 'https://example.com' }), ACCEPTED)
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com' }), 403)
})

t.test('the result of a function is tested for truthiness', async (t) => {
  for (const value of [false, undefined, null, 0, '', NaN]) {
    t.equal(await answer(t, await createRoute(t, () => value as any), '/', { origin: 'https://example.com' }), 403, String(value))
    t.equal(await answer(t, await createRoute(t, async () => value as any), '/', { origin: 'https://example.com' }), 403, `a promise of ${value}`)
  }
  for (const value of [true, 1, 'yes', {}]) t.equal(await answer(t, await createRoute(t, () => value as any), '/', { origin: 'https://example.com' }), ACCEPTED, String(value))
})

t.test('an error of a function goes to the error handler, and the client is not connected', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, { autoAccept: true }, serverOptions)
  const thrown = [new Error('lost'), Object.assign(new Error('busy'), { statusCode: 429 }), 'text', undefined, null, 0, false]
  for (const [at, error] of thrown.entries()) {
    app.websocket(`/throws/${at}`, { websocket: { origins: () => { throw error } } }, () => { t.fail('the handler runs') })
    app.websocket(`/rejects/${at}`, { websocket: { origins: async () => { throw error } } }, () => { t.fail('the handler runs') })
  }
  const port = await listen(app)
  for (const at of thrown.keys()) {
    for (const way of ['throws', 'rejects']) {
      lines.length = 0
      const { status } = await refusal(port, `/${way}/${at}`, { origin: 'https://example.com' })
      t.equal(status, at === 1 ? 429 : 500, `${way} ${thrown[at]}`)
      t.equal(lines.filter(({ err, level }) => err !== undefined && level === (at === 1 ? INFO : ERROR)).length, 1, 'one line in the log')
    }
  }
  t.match(await refusal(port, '/throws/0', { origin: 'https://example.com' }), { body: '"message":"lost"' })
  await assertNoConnections(t, app)
})

t.test('the option origins of a route overrides the one of the plugin', async (t) => {
  const app = await createApp(t, { autoAccept: true, origins: ['https://plugin.example'] })
  app.websocket('/plugin', () => {})
  app.websocket('/undefined', { websocket: { origins: undefined } }, () => {})
  app.websocket('/route', { websocket: { origins: ['https://route.example'] } }, () => {})
  app.websocket('/same', { websocket: { origins: 'same-origin' } }, () => {})
  const port = await listen(app)
  const accepted: string[] = []
  for (const path of ['/plugin', '/undefined', '/route', '/same']) {
    for (const origin of ['https://plugin.example', 'https://route.example', 'https://example.com']) {
      if (await answer(t, port, path, { origin }) === ACCEPTED) accepted.push(`${origin} to ${path}`)
    }
  }
  t.same(accepted, ['https://plugin.example to /plugin', 'https://plugin.example to /undefined', 'https://route.example to /route', 'https://example.com to /same'])
})

t.test('origins are checked for routes of every form, including raw: true', async (t) => {
  const app = await createApp(t)
  const fails = (): void => { t.fail('the handler runs') }
  const routes: Record<string, (path: string) => unknown> = {
    websocket: (path) => app.websocket(path, fails),
    raw: (path) => app.get(path, { websocket: { raw: true } }, fails),
    handlers: (path) => app.websocket(path, { onConnect: fails, onMessage: fails, onDisconnect: fails }),
    wsHandler: (path) => app.route({ method: 'GET', url: path, handler: async () => 'http', wsHandler: fails }),
    autoAccept: (path) => app.websocket(path, { websocket: { autoAccept: true } }, fails)
  }
  for (const [name, add] of Object.entries(routes)) add(`/${name}`)
  const port = await listen(app)
  for (const name of Object.keys(routes)) t.equal(await answer(t, port, `/${name}`, { origin: 'https://evil.com' }), 403, name)
})

t.test('hooks of the app do not run for a page that may not connect', async (t) => {
  const app = await createApp(t)
  const fails = async (): Promise<void> => { t.fail('the hook runs') }
  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) app.addHook(hook, fails)
  app.websocket('/', { onRequest: fails }, () => {})
  t.equal(await answer(t, await listen(app), '/', { origin: 'https://evil.com' }), 403)
})

t.test('plain requests may come from any origin, also for the URL of a WebSocket route', async (t) => {
  const app = await createApp(t)
  app.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: () => {} })
  app.get('/http', async () => 'http')
  const headers = { origin: 'https://evil.com' }
  for (const url of ['/both', '/http']) t.equal((await app.inject({ url, headers })).body, 'http')
  const port = await listen(app)
  t.equal(await answer(t, port, '/http', headers), 404)
  t.equal(await answer(t, port, '/unknown', headers), 404)
})

t.test('an invalid handshake gets its own error, whatever its origin', async (t) => {
  const port = await createRoute(t, () => { throw new Error('it is asked') })
  t.equal(await answer(t, port, '/', { origin: 'https://evil.com', 'sec-websocket-version': '12' }), 426)
})

for (const disableRequestLogging of [false, true]) {
  t.test(`a refusal is 403 without a word about options, and one log line that names the option to set, with disableRequestLogging: ${disableRequestLogging}`, async (t) => {
    const { lines, serverOptions } = collectLogs()
    const app = await createApp(t, {}, { ...serverOptions, disableRequestLogging })
    app.websocket('/chat/:room', { websocket: { origins: ['https://secret.example'] } }, () => {})
    const { status, headers, body } = await refusal(await listen(app), '/chat/1', { origin: 'https://evil.com' })
    t.equal(status, 403)
    t.same(JSON.parse(body), { statusCode: 403, code: 'FST_WS_HANDSHAKE', error: 'Forbidden', message: 'Forbidden' })
    t.notMatch(JSON.stringify(headers), /secret|origin/i)
    const told = lines.filter((line) => JSON.stringify(line).includes('evil.com'))
    t.match(told, [{ level: INFO, reqId: /./, msg: /'https:\/\/evil\.com' may not connect to \/chat\/:room: to allow it, set the option origins / }])
    t.equal(told.length, 1)
    t.notOk(lines.some(({ level }) => level >= WARN))
  })
}

t.test('a refusal is logged whatever answers it, and the origin of the client stays within one line', async (t) => {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, { refusal: 'close' }, { ...serverOptions, disableRequestLogging: true })
  app.setErrorHandler((_error, _request, reply) => { reply.code(403).send('no') })
  app.websocket('/', () => {})
  const port = await listen(app)
  await answer(t, port, '/', { origin: `https://\x80evil\t${'a'.repeat(5_000)}.com` })
  const told = lines.filter(({ msg = '' }) => msg.includes('evil'))
  t.match(told, [{ level: INFO, msg: /^the origin 'https:\/\/.{0,3}x80evil\\ta+'\.{3} \d+ more characters may not connect to \/: / }])
  t.ok(told[0].msg!.length < 500)
})

t.test('setErrorHandler answers a refusal like any other error', async (t) => {
  const app = await createApp(t)
  app.setErrorHandler((error: any, _request, reply) => { reply.code(error.statusCode).send({ mine: error.name }) })
  app.websocket('/', () => {})
  t.match(await refusal(await listen(app), '/', { origin: 'https://evil.com' }), { status: 403, body: '{"mine":"WebSocketHandshakeError"}' })
})

t.test('a client without an origin, which is no browser, may connect', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send(String(ws.headers.origin))
  })
  const client = await app.injectWebSocket('/')
  t.equal(await client.receive(), 'undefined')
  const origin = urlOver('http://localhost')
  const page = await app.injectWebSocket('/', { headers: { origin } })
  t.equal(await page.receive(), origin)
  await t.rejects(app.injectWebSocket('/', { headers: { origin: 'http://evil.com' } }), { name: 'WebSocketUpgradeError', message: /403/ })
})
