import t, { type Test } from 'tap'
import { absolute, checked, CLIENT_CHECKS } from '../../lib/browser/client-options'
import { platform } from '../../lib/browser/platform-socket'

const check = (options?: object): object => checked(options, CLIENT_CHECKS)

/** Puts the page at these URLs until the end of `t`. */
function setPage (t: Test, page: Pick<typeof platform, 'document' | 'location'>): void {
  Object.assign(platform, page)
  t.teardown(() => { for (const name of Object.keys(page)) delete (platform as any)[name] })
}

t.test('an unknown option is an error that names the options', async (t) => {
  t.throws(() => check({ conectTimeout: 5 }), { name: 'WebSocketOptionError', message: /^option conectTimeout is 5: use the options .*, connectTimeout, / })
})

t.test('every option is checked', async (t) => {
  const wrong: Record<string, unknown[]> = {
    subprotocols: ['chat', null],
    valueType: ['yaml', 5],
    receiveType: ['yaml'],
    sendType: ['yaml'],
    receiveTimeout: [0, -1, NaN],
    connectTimeout: [0, -1, NaN],
    sendHighWaterMark: [0, -1, NaN],
    receiveLimit: [0, -1, NaN],
    signal: [{}, new AbortController()]
  }
  t.same(Object.keys(wrong), Object.keys(CLIENT_CHECKS))
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) t.throws(() => check({ [name]: value }), { name: 'WebSocketOptionError', message: new RegExp(`^option ${name} is .*: use `) })
  }
  const right = {
    subprotocols: ['a'],
    valueType: 'any',
    receiveType: 'text',
    sendType: 'bytes',
    receiveTimeout: 0.5,
    connectTimeout: Infinity,
    sendHighWaterMark: 1,
    receiveLimit: 1,
    signal: new AbortController().signal
  }
  t.equal(check(right), right)
  t.same(check(undefined), {})
  t.same(check({ valueType: undefined, signal: undefined }), { valueType: undefined, signal: undefined })
})

t.test('URLs of ws: and http: are absolute ws: URLs without a fragment', async (t) => {
  for (const [url, href] of [
    ['ws://example.com', 'ws://example.com/'],
    ['wss://example.com/a?b#c', 'wss://example.com/a?b'],
    ['http://example.com:80/a', 'ws://example.com/a'],
    ['HTTPS://example.com:8443/a', 'wss://example.com:8443/a'],
    ['https://user:secret@example.com/#', 'wss://user:secret@example.com/']
  ]) {
    t.equal(absolute(url), href)
    t.equal(absolute(new URL(url)), href)
  }
})

t.test('a URL is relative to the page, or in a worker to its script', async (t) => {
  await t.test('in a page', async (t) => {
    setPage(t, { document: { baseURI: 'https://example.com/a/b?c' } as never, location: { href: 'https://other.example.com/' } })
    for (const [url, href] of [['/chat', 'wss://example.com/chat'], ['chat', 'wss://example.com/a/chat'], ['?d', 'wss://example.com/a/b?d'], ['//x', 'wss://x/'], ['ws://x', 'ws://x/']]) t.equal(absolute(url), href)
  })
  await t.test('in a worker', async (t) => {
    setPage(t, { location: { href: 'http://example.com/worker.js' } })
    t.equal(absolute('/chat'), 'ws://example.com/chat')
  })
})

t.test('other URLs are an error', async (t) => {
  for (const url of ['/chat', 'ftp://example.com', 'mailto:a@example.com', 'wsx://example.com', 'ws://', 'http://[', '', undefined, null, 5, {}]) {
    t.throws(() => absolute(url as never), { name: 'WebSocketOptionError', message: /^the URL is .*: use ws:, wss:, http: or https:/ }, String(url))
  }
})
