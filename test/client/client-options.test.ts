import { Agent } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkUrl, connectSettings, injectSettings, tlsOptions } from '../../lib/client/client-options'
import { show } from '../../lib/base/show'
import { revoked, throwing, unreadable } from '../helpers/hostile'

const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

const cert = readFileSync(join(__dirname, '..', 'fixtures/cert.pem'))
const key = readFileSync(join(__dirname, '..', 'fixtures/key.pem'))
const { signal } = new AbortController()

interface Kind { good: unknown[], bad: unknown[] }

const TYPE = { good: ['text', 'bytes', 'json', 'integer', 'number', 'boolean', 'any'], bad: ['string', '', null, 1, ['text']] }
const BYTES = { good: [1, 64 * 1024], bad: [0, -1, 1.5, NaN, Infinity, '1024', null] }
const MILLISECONDS = { good: [1, 0.5, 2 ** 31 - 1], bad: [0, -1, NaN, Infinity, 2 ** 31, '1000', null] }
const ANY_PEM = { good: [cert], bad: [5, true, () => {}, Symbol('pem')] }

const BOTH: Record<string, Kind> = {
  headers: {
    good: [{}, { a: 'b', c: ['d', 'e'], f: 5, g: undefined }, Object.create(null)],
    bad: [null, 'a: b', 5, [], [['a', 'b']], new Map(), new Headers(), { a: null }, { a: true }, { a: {} }, { a: [1, null] }, { a: Symbol('b') }]
  },
  subprotocols: { good: [[], ['a'], ['a', 'b']], bad: [null, 'a', [''], ['a b'], ['a', 'a'], [5], {}] },
  valueType: TYPE,
  receiveType: TYPE,
  sendType: TYPE,
  receiveTimeout: { good: [0, 1, 2 ** 31, Infinity], bad: [-1, NaN, '1', null] },
  maxPayload: { good: [1, 2 ** 31 - 1], bad: [0, 2 ** 31, 2 ** 32, Infinity, '1mb', null] },
  receiveHighWaterMark: BYTES,
  sendHighWaterMark: BYTES,
  sendTimeout: MILLISECONDS,
  closeTimeout: MILLISECONDS,
  perMessageDeflate: { good: [true, false, {}, { threshold: 0 }], bad: [null, 1, 'true', [], { level: 9 }, { zlibDeflateOptions: { level: 99 } }] },
  http2: { good: [true, false], bad: [null, 1, 'true', {}] }
}

const CONNECT: Record<string, Kind> = {
  ...BOTH,
  handshakeTimeout: MILLISECONDS,
  signal: { good: [signal, AbortSignal.abort()], bad: [null, {}, { aborted: false }, new AbortController(), true] },
  agent: { good: [new Agent(), false, { addRequest () {} }], bad: [null, true, {}, 'http', 5] },
  rejectUnauthorized: { good: [true, false], bad: [null, 0, 'false'] },
  servername: { good: ['', 'localhost'], bad: [null, 5, {}] },
  checkServerIdentity: { good: [() => undefined], bad: [null, true, {}] },
  ca: ANY_PEM,
  cert: ANY_PEM,
  key: { good: [key], bad: [5, true, cert] },
  pfx: { good: [undefined], bad: [5, 'no pfx'] },
  passphrase: { good: ['secret'], bad: [5, {}] },
  crl: { good: [[]], bad: [5, 'no crl'] },
  ciphers: { good: ['ECDHE-RSA-AES128-GCM-SHA256'], bad: [5, 'no cipher'] },
  sigalgs: { good: ['RSA-PSS+SHA256'], bad: [5, ''] },
  ecdhCurve: { good: ['auto'], bad: [5, 'no curve'] },
  minVersion: { good: ['TLSv1.2'], bad: ['TLSv9', 5] },
  maxVersion: { good: ['TLSv1.3'], bad: ['TLSv9', 5] },
  secureProtocol: { good: ['TLS_method'], bad: ['SSLv2_method', 5] },
  secureOptions: { good: [0], bad: ['none'] }
}

const INJECT: Record<string, Kind> = {
  ...BOTH,
  query: { good: ['a=1', '', {}, { a: 'b', c: 1, d: true, e: ['f', 2], g: undefined }], bad: [null, 5, ['a'], new URLSearchParams('a=1'), { a: null }, { a: {} }, { a: Symbol('b') }] },
  cookies: { good: [{}, { a: 'b', c: undefined }], bad: [null, 'a=b', [], { a: 1 }, { a: ['b'] }, { a: null }] },
  remoteAddress: { good: ['203.0.113.7'], bad: [null, 5, {}] }
}

for (const [owner, settings, options] of [['connect', connectSettings, CONNECT], ['injectWebSocket', injectSettings, INJECT]] as const) {
  t.test(`${owner} accepts each of its options with any valid value`, async (t) => {
    for (const [name, { good }] of Object.entries(options)) {
      for (const value of good) t.doesNotThrow(() => settings({ [name]: value }), `${name}: ${show(value)}`)
    }
  })

  t.test(`${owner} refuses each of its options with an invalid value, and names the option`, async (t) => {
    for (const [name, { bad }] of Object.entries(options)) {
      for (const value of bad) t.throws(() => settings({ [name]: value }), { ...OPTION_ERROR, message: new RegExp(`^(unknown .* in )?options? ${name}`) }, `${name}: ${show(value)}`)
    }
  })

  t.test(`${owner} refuses an unknown option, and names it and the known options`, async (t) => {
    for (const name of ['valuetype', 'protocol', 'toString', '__proto__', 'origin', 'followRedirects', 'host']) {
      t.throws(() => settings(Object.fromEntries([[name, 1]])), { ...OPTION_ERROR, message: `unknown option ${name} of ${owner}: the options are ` })
    }
    t.throws(() => settings({ unknown: 1 }), { message: Object.keys(options).filter((name) => name in BOTH).join(', ') })
    t.doesNotThrow(() => settings({ unknown: undefined }))
  })

  t.test(`${owner} works without options, and refuses options that are no object or throw when read`, async (t) => {
    t.doesNotThrow(() => settings(undefined))
    t.doesNotThrow(() => settings({}))
    for (const value of [null, 5, 'text', [], () => {}, revoked(), throwing(), unreadable('headers')]) t.throws(() => settings(value), { ...OPTION_ERROR, message: `the options of ${owner} ` })
    for (const name of Object.keys(options).filter((name) => options[name].bad.length > 0)) {
      for (const value of [revoked(), throwing()]) t.throws(() => settings({ [name]: value }), OPTION_ERROR, name)
    }
  })
}

t.test('connect and injectWebSocket refuse the options of each other', async (t) => {
  for (const name of ['handshakeTimeout', 'signal', 'agent', 'ca', 'rejectUnauthorized']) t.throws(() => injectSettings({ [name]: 1 }), { message: `unknown option ${name} of injectWebSocket` })
  for (const name of ['query', 'cookies', 'remoteAddress']) t.throws(() => connectSettings({ [name]: 1 }), { message: `unknown option ${name} of connect` })
})

t.test('a set option replaces the default, an undefined one does not', async (t) => {
  const defaults = { maxPayload: 1_048_576, receiveHighWaterMark: 65_536, sendHighWaterMark: 65_536, sendTimeout: 30_000, closeTimeout: 5_000, perMessageDeflate: false }
  t.strictSame(connectSettings({ maxPayload: undefined, handshakeTimeout: undefined }), { ...defaults, handshakeTimeout: 10_000 })
  t.strictSame(injectSettings({ receiveTimeout: undefined }), { ...defaults, receiveTimeout: 5_000 })
  t.match(connectSettings({ maxPayload: 5, signal, handshakeTimeout: 1 }), { maxPayload: 5, signal, handshakeTimeout: 1 })
  t.match(injectSettings({ receiveTimeout: Infinity, query: 'a' }), { receiveTimeout: Infinity, query: 'a' })
})

t.test('the TLS options keep their names', async (t) => {
  t.strictSame(tlsOptions(connectSettings({ ca: cert, servername: 'a', rejectUnauthorized: false, maxPayload: 5 })), { ca: cert, servername: 'a', rejectUnauthorized: false })
})

t.test('a certificate without its key, or with another key, is refused before connecting', async (t) => {
  t.throws(() => connectSettings({ cert: 'no certificate', key }), { ...OPTION_ERROR, message: /^options cert, key of connect: / })
})

t.test('a URL is a string or a URL', async (t) => {
  t.equal(checkUrl('it', 'anything'), 'anything')
  t.equal(checkUrl('it', new URL('ws://localhost/a')), 'ws://localhost/a')
  for (const url of [undefined, null, 5, {}, [], Symbol('url'), Object.create(null), { href: 'ws://localhost' }, revoked(), throwing()]) {
    t.throws(() => checkUrl('it', url), { ...OPTION_ERROR, message: /^the URL of it is .*: use a string$/ })
  }
})

t.test('an agent, which makes connections of HTTP/1.1, cannot stand beside http2: true', async (t) => {
  const agent = { addRequest () {} }
  t.throws(() => connectSettings({ http2: true, agent }), { name: 'WebSocketOptionError', message: /^option agent of connect .*leave out http2$/ })
  for (const options of [{ http2: true, agent: false }, { http2: false, agent }]) t.doesNotThrow(() => connectSettings(options))
})
