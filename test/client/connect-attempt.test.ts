import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { openHandshake } from '../../lib/client/client-handshake'
import { WebSocketUpgradeError } from '../../lib/base/errors'
import { createApp, listen as listenApp } from '../helpers/app'
import { HTTP2_SERVERS, TLS } from '../helpers/http2-servers'
import { listen } from '../helpers/listen'
import type { HandshakeSettings, Opened } from '../../lib/client/attempt'

const OVER_HTTP2 = { http2: true, rejectUnauthorized: false }

/** A server that takes extended CONNECT. `answer` gets each stream. */
function serverOf (answer: (stream: ServerHttp2Stream, headers: any) => void, isAnnounced = true): Http2Server {
  const server = createServer({ settings: { enableConnectProtocol: isAnnounced } }, () => {}) // without a listener to requests, Node emits no 'connect'
  server.on('connect', (request) => {
    request.stream.on('error', () => {})
    answer(request.stream, request.headers)
  })
  return server
}

async function open (t: Test, url: string, settings: HandshakeSettings = {}): Promise<Opened> {
  const opened = await openHandshake(url, { ...OVER_HTTP2, ...settings })
  t.teardown(() => opened.stream.destroy())
  return opened
}

async function failureOf (t: Test, opening: Promise<unknown>): Promise<any> {
  const error = await opening.then(() => { throw new Error('it was accepted') }, (error) => error)
  t.type(error, WebSocketUpgradeError)
  return error
}

t.test('the request is an extended CONNECT, with the headers of the user that HTTP/2 has', async (t) => {
  const seen: any[] = []
  const port = await listen(t, serverOf((stream, headers) => {
    seen.push(headers)
    stream.respond({ ':status': 200, 'sec-websocket-protocol': 'b', 'sec-websocket-extensions': 'e', 'set-cookie': ['a=1', 'b=2'] })
  }))
  const headers = { Connection: 'close', upgrade: 'h2c', TE: 'x', 'sec-websocket-key': 'x', 'sec-websocket-version': 8, 'X-One': '1', 'x-two': ['2', '3'], 'x-none': undefined }
  const { response, protocol, extensions, head } = await open(t, `ws://ada:pa%20ss@127.0.0.1:${port}/path?a=1`, { subprotocols: ['a', 'b'], extensions: 'e', headers })
  t.match({ protocol, extensions, head }, { protocol: 'b', extensions: 'e', head: { length: 0 } })
  t.same(Object.keys(response.headers).sort(), ['date', 'sec-websocket-extensions', 'sec-websocket-protocol', 'set-cookie'])
  t.match(seen[0], {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': `127.0.0.1:${port}`,
    ':path': '/path?a=1',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'a,b',
    'sec-websocket-extensions': 'e',
    authorization: `Basic ${Buffer.from('ada:pa ss').toString('base64')}`,
    'x-one': '1',
    'x-two': '2, 3'
  })
  for (const name of ['connection', 'upgrade', 'te', 'sec-websocket-key', 'x-none', 'host']) t.notOk(name in seen[0], name)
  await open(t, `ws://127.0.0.1:${port}/`, { headers: { Host: 'chat.example.com' }, subprotocols: ['b'], extensions: 'e' })
  t.match(seen[1], { ':authority': 'chat.example.com', host: undefined })
})

t.test('the authority leaves out the port of the scheme, and is localhost for a Unix socket', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'http2-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'socket')
  const seen: any[] = []
  await listen(t, serverOf((stream, headers) => {
    seen.push(headers[':authority'])
    stream.respond({ ':status': 200 })
  }), path)
  await open(t, `ws+unix:${path}:/`)
  for (const url of ['ws://localhost/', 'ws://[::1]/', 'ws://[::1]:81/', 'wss://localhost:443/', 'wss://localhost:80/']) {
    const { stream } = await openHandshake(url, OVER_HTTP2, () => net.connect(path))
    stream.destroy()
  }
  t.same(seen, ['localhost', 'localhost', '[::1]', '[::1]:81', 'localhost', 'localhost:80'])
})

t.test('a header that Node refuses is an error at once', async (t) => {
  for (const headers of [{ 'a b': '1' }, { 'x-a': 'a\nb' }, { 'x-a': ['1', '\0'] }, { host: '\n' }]) {
    await t.rejects(openHandshake('ws://127.0.0.1:1', { ...OVER_HTTP2, headers }), { name: 'WebSocketOptionError', message: /^connect: / })
  }
})

t.test('a refusal has its status, headers and body, and the connection ends', async (t) => {
  const server = serverOf((stream) => {
    stream.respond({ ':status': 401, 'www-authenticate': 'Basic' })
    stream.end('who are you?')
  })
  const closed = once(server, 'session').then(async ([session]) => { await once(session as ServerHttp2Session, 'close') })
  const error = await failureOf(t, open(t, `ws://127.0.0.1:${await listen(t, server)}`))
  t.match(error, { statusCode: 401, responseHeaders: { 'www-authenticate': 'Basic' }, body: 'who are you?', message: 'the server refused the handshake: 401 Unauthorized' })
  t.notOk(':status' in error.responseHeaders)
  await closed
})

t.test('a response that accepts what was not asked for fails', async (t) => {
  const port = await listen(t, serverOf((stream) => stream.respond({ ':status': 204, 'sec-websocket-protocol': 'a' }, { endStream: false } as object)))
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${port}`)), { cause: { message: 'Server sent a subprotocol but none was requested' } })
})

t.test('a reset, and a connection that ends, fail the handshake', async (t) => {
  for (const code of [0, 2, 7, 8]) {
    const port = await listen(t, serverOf((stream) => stream.close(code)))
    t.match(await failureOf(t, open(t, `ws://127.0.0.1:${port}`)), { message: /^the handshake failed: / }, String(code))
  }
  const port = await listen(t, serverOf((stream) => stream.session!.destroy()))
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${port}`)), { message: /^the handshake failed: / })
  const quiet = serverOf(() => {}).on('session', (session) => session.destroy())
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${await listen(t, quiet)}`)), { message: /^the handshake failed/ })
})

t.test('a server that does not offer WebSockets over HTTP/2, or no HTTP/2, is an error that says so', async (t) => {
  const unannounced = await listen(t, serverOf(() => {}, false))
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${unannounced}`)), { message: /takes no WebSockets over HTTP\/2 .*connect without http2/ })
  const https = await listen(t, createHttpsServer(TLS))
  t.match(await failureOf(t, open(t, `wss://127.0.0.1:${https}`)), { message: /^the handshake failed: ERR_SSL_/ })
  const noProtocol = await listen(t, createTlsServer(TLS))
  t.match(await failureOf(t, open(t, `wss://127.0.0.1:${noProtocol}`)), { message: /does not speak HTTP\/2: connect without http2/ })
  const http = await listen(t, createHttpServer())
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${http}`)), { message: /^the handshake failed: / })
  t.match(await failureOf(t, open(t, 'ws://127.0.0.1:1')), { message: 'the handshake failed: ECONNREFUSED' })
})

t.test('handshakeTimeout ends a handshake without an answer, and keeps the part of a body that has come', async (t) => {
  const silent = await listen(t, serverOf(() => {}))
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${silent}`, { handshakeTimeout: 50 })), { message: /no answer within 50 ms/ })
  const half = await listen(t, serverOf((stream) => {
    stream.respond({ ':status': 403 })
    stream.write('not all')
  }))
  t.match(await failureOf(t, open(t, `ws://127.0.0.1:${half}`, { handshakeTimeout: 200 })), { statusCode: 403, body: 'not all' })
})

t.test('an aborted signal ends the handshake', async (t) => {
  const port = await listen(t, serverOf(() => {}))
  const controller = new AbortController()
  const opening = openHandshake(`ws://127.0.0.1:${port}`, { ...OVER_HTTP2, signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.rejects(opening, { message: 'enough' })
})

t.test('the connection ends with its stream, whoever ends it, and with a server that does not close it', async (t) => {
  const app = await createApp(t, {}, HTTP2_SERVERS['with TLS'])
  app.websocket('/', async (ws) => { await (await ws.accept()).closed })
  const port = await listenApp(app)
  const sockets: net.Socket[] = []
  app.server.on('connection', (socket) => sockets.push(socket))
  for (const end of ['end', 'destroy'] as const) {
    const { stream } = await open(t, `wss://127.0.0.1:${port}`)
    stream.resume()[end]()
    await once(sockets.at(-1)!, 'close')
  }
  const relay = net.createServer({ allowHalfOpen: true }, (socket) => {
    const onward = net.connect(closing, '127.0.0.1')
    socket.on('error', () => {}).on('data', (data) => onward.write(data)) // passes on everything but the end
    onward.on('error', () => {}).on('data', (data) => socket.write(data))
    sockets.push(socket)
    t.teardown(() => onward.destroy())
  })
  const closing = await listen(t, serverOf((stream) => stream.respond({ ':status': 200 })))
  const { stream } = await open(t, `ws://127.0.0.1:${await listen(t, relay)}`)
  stream.destroy()
  await once(sockets.at(-1)!, 'end')
})

t.test('a stream that is reset while it is paused has ended, with any code', async (t) => {
  for (const code of [0, 8]) {
    const streams: ServerHttp2Stream[] = []
    const port = await listen(t, serverOf((stream) => {
      streams.push(stream)
      stream.respond({ ':status': 200 })
      stream.write('bytes')
    }))
    const { stream } = await open(t, `ws://127.0.0.1:${port}`)
    stream.pause()
    streams[0].close(code)
    await once(stream, 'close')
  }
})
