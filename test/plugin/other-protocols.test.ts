import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import websocket from '../../lib/index'
import { asksForWebSocket, handBack, upgradeOnly } from '../../lib/plugin/other-protocols'
import { Deferred } from '../../lib/base/deferred'
import { listen } from '../helpers/app'
import { connectTcp, ByteClient, upgradeRequest } from '../helpers/tcp'

const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
const https = { key: fixture('key.pem'), cert: fixture('cert.pem') }
const SERVERS = { http: {}, https: { https }, 'https that takes HTTP/2, too': { http2: true, https: { allowHTTP1: true, ...https } } }

const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n'

/** An app that echoes its requests, with or without the plugin. */
async function serve (t: Test, server: object, hasPlugin: boolean): Promise<number> {
  const app = Fastify(server)
  t.teardown(() => app.close())
  if (hasPlugin) await app.register(websocket)
  app.route({
    method: ['POST', 'PUT', 'PATCH'],
    url: '/',
    handler: async (request) => ({ method: request.method, body: request.body, length: request.headers['content-length'], upgrade: request.headers.upgrade, end: true })
  })
  app.get('/', async (request) => ({ x: request.headers['x-bytes'], end: true }))
  return await listen(app)
}

/** The responses of the server at `port` to a request that is sent packet by packet, and to a second one if the connection goes on. */
async function answers (t: Test, port: number, isSecure: boolean, packets: string[]): Promise<string> {
  const client = isSecure ? new ByteClient(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })) : await connectTcp(t, port)
  t.teardown(() => client.stream.destroy())
  client.stream.setNoDelay(true)
  for (const packet of packets) {
    await new Promise<void>((resolve) => client.stream.write(Buffer.from(packet, 'latin1'), () => setImmediate(resolve)))
  }
  await client.until('"end":true}').catch(() => {}) // the connection ends without it
  client.write(LAST)
  return (await client.ended).replace(/^date: .*\r\n/gim, '')
}

const head = (method: string, headers: string): string => `${method} / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n`
const LAST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
const BODY = JSON.stringify({ a: 'b'.repeat(100_000) })
const chunked = (body: string, size: number): string => (body.match(new RegExp(`.{1,${size}}`, 'gs')) ?? []).map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('') + '0\r\n\r\n'

const REQUESTS: Record<string, string[]> = {
  'a body of known length': [head('POST', `${H2C}Content-Length: 9\r\n`) + '{"a":"b"}'],
  'a chunked body': [head('PUT', `${H2C}Transfer-Encoding: chunked\r\n`) + chunked('{"a":"b"}', 4)],
  'a body in a packet of its own': [head('PATCH', `${H2C}Content-Length: 9\r\n`), '{"a":"b"}'],
  'a large body in many packets': [head('POST', `${H2C}Content-Length: ${BODY.length}\r\n`), ...BODY.match(/.{1,10000}/gs)!],
  'a large chunked body': [head('POST', `${H2C}Transfer-Encoding: chunked\r\n`) + chunked(BODY, 1000)],
  'a head in many packets': [...head('POST', `${H2C}Content-Length: 9\r\n`).match(/.{1,20}/gs)!, '{"a":"b"}'],
  'Expect: 100-continue': [head('POST', `${H2C}Expect: 100-continue\r\nContent-Length: 9\r\n`), '{"a":"b"}'],
  'a body that is too large': [head('POST', `${H2C}Content-Length: ${2 ** 21}\r\n`)],
  'a body that is no JSON': [head('POST', `${H2C}Content-Length: 1\r\n`) + '{'],
  'no body': [head('POST', H2C)],
  'Connection: Upgrade only': [head('POST', 'Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n') + '{"a":"b"}'],
  'Connection in two lines': [head('POST', 'Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n') + '{"a":"b"}'],
  'Connection: close': [head('POST', 'Connection: close, Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n') + '{"a":"b"}'],
  'HTTP/1.0': ['POST / HTTP/1.0\r\nContent-Type: application/json\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\n{"a":"b"}'],
  'bytes that are no ASCII in a header': [`GET / HTTP/1.1\r\nHost: x\r\nX-Bytes: \xe9\xff\r\n${H2C}\r\n`]
}

for (const [name, server] of Object.entries(SERVERS)) {
  t.test(`a request that offers another protocol is answered by ${name} as without the plugin`, async (t) => {
    const [plain, port] = [await serve(t, server, false), await serve(t, server, true)]
    for (const [what, parts] of Object.entries(REQUESTS)) {
      const expected = await answers(t, plain, name !== 'http', parts)
      t.match(expected, /^HTTP\/1\.1 \d/)
      t.equal(await answers(t, port, name !== 'http', parts), expected, what)
    }
  })
}

t.test('a request of curl that offers h2c is answered', async (t) => {
  const curl = promisify(execFile)
  const port = await serve(t, {}, true)
  for (const options of [['--data', '{"a":1}'], ['--data', '{"a":1}', '--request', 'PUT'], ['--data', '{"a":1}', '--header', 'Transfer-Encoding: chunked']]) {
    const { stdout } = await curl('curl', ['--silent', '--http2', '--max-time', '5', '--header', 'Content-Type: application/json', ...options, `http://127.0.0.1:${port}/`])
    t.match(JSON.parse(stdout), { body: { a: 1 }, upgrade: 'h2c' })
  }
})

t.test('a request for another protocol behind an unanswered request is answered after it', async (t) => {
  const goOn = new Deferred<void>()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  const started = new Deferred<void>()
  app.get('/slow', async () => {
    started.resolve()
    await goOn.promise
    return 'slow'
  })
  app.post('/', async (request) => request.body)
  const client = await connectTcp(t, await listen(app))
  client.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n' + head('POST', 'Connection: close, upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n') + '{"a":')
  await started.promise
  client.write('"b"}')
  goOn.resolve()
  t.match(await client.ended, /slow.*\{"a":"b"\}$/s)
})

t.test('other listeners to upgrades get the requests for another protocol', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  app.server.on('upgrade', ({ headers }, stream) => { stream.end(`HTTP/1.1 101 ${headers.upgrade}\r\n\r\n`) })
  const client = await connectTcp(t, await listen(app))
  t.equal(await client.write(upgradeRequest('/', { headers: { upgrade: 'theirs' } })).ended, 'HTTP/1.1 101 theirs\r\n\r\n')
})

t.test('shouldUpgradeCallback of the user applies if Node has it', async (t) => {
  const app = Fastify({ http: { shouldUpgradeCallback: ({ url }: { url: string }) => url !== '/never' } as object })
  t.teardown(() => app.close())
  await app.register(websocket)
  app.websocket('/*', async (ws) => { await ws.accept() })
  const port = await listen(app)
  t.match(await (await connectTcp(t, port)).write(upgradeRequest('/ws')).ended, / 101 /)
  if (!('shouldUpgradeCallback' in app.server)) return
  t.match(await (await connectTcp(t, port)).write(upgradeRequest('/never', { headers: { connection: 'upgrade, close' } })).ended, / 426 /)
})

// A server of a Node with shouldUpgradeCallback, and of one without, whichever Node runs the test.

interface Asked { shouldUpgradeCallback?: (request: any) => boolean, emit (): boolean }

t.test('upgradeOnly sets shouldUpgradeCallback of a server that has it', async (t) => {
  const server: Asked = { shouldUpgradeCallback (this: unknown, { any }) { return this === server && any }, emit: () => true }
  const { shouldUpgradeCallback } = server
  const undo = upgradeOnly(server, ({ url }) => url === '/ws')
  t.same([{ any: true, url: '/ws' }, { any: false, url: '/ws' }, { any: true, url: '/' }].map((request) => server.shouldUpgradeCallback!(request)), [true, false, false])
  undo()
  t.equal(server.shouldUpgradeCallback, shouldUpgradeCallback)
})

t.test('a shouldUpgradeCallback that has replaced the one of the plugin stays', async (t) => {
  const theirs = (): boolean => true
  const server: Asked = { shouldUpgradeCallback: () => true, emit: () => true }
  const undo = upgradeOnly(server, () => true)
  server.shouldUpgradeCallback = theirs
  undo()
  t.equal(server.shouldUpgradeCallback, theirs)
})

t.test('upgradeOnly does not set shouldUpgradeCallback of a server without it', async (t) => {
  const server: Asked = { emit: () => true }
  upgradeOnly(server, () => true)()
  t.notOk('shouldUpgradeCallback' in server)
})

t.test('handBack gives a request back without the option that makes it an upgrade', async (t) => {
  const given: Buffer[] = []
  const events: unknown[][] = []
  const stream = { unshift: (bytes: Buffer) => given.push(bytes) }
  const request = { method: 'POST', url: '/a?b', httpVersion: '1.1', rawHeaders: ['Host', 'x', 'CONNECTION', 'keep-alive, UPGRADE ,x', 'Upgrade', 'h2c', 'connection', 'upgrade'] }
  const emit = (...event: unknown[]): boolean => events.push(event) > 0
  handBack({ emit }, request as never, stream as never, Buffer.from('body'))
  handBack({ emit, setSecureContext () {} } as never, request as never, stream as never, Buffer.from('body'))
  t.same(events, [['connection', stream], ['secureConnection', stream]])
  t.equal(given.join(''), 'POST /a?b HTTP/1.1\r\nHost: x\r\nCONNECTION: keep-alive,x\r\nUpgrade: h2c\r\nconnection: \r\n\r\nbody'.repeat(2))
})

t.test('only the value websocket, in whatever case, asks for a WebSocket connection', async (t) => {
  for (const [upgrade, asks] of [['websocket', true], [' WebSocket ', true], ['h2c, websocket', false], ['websocket2', false], [undefined, false]] as const) {
    t.equal(asksForWebSocket({ headers: { upgrade } } as never), asks)
  }
})
