import { getEventListeners, once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http, { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import https, { Agent as SecureAgent } from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { WebSocketServer, type ServerOptions } from 'ws'
import { Deferred } from '../../lib/base/deferred'
import { WebSocketUpgradeError } from '../../lib/base/errors'
import { openHandshake, type HandshakeSettings, type Opened } from '../../lib/client/client-handshake'
import { connectStreams } from '../../lib/client/duplex-pair'
import { acceptKey } from '../../lib/protocol/accept-key'
import { serverFrame, TEXT } from '../helpers/frames'
import { listen } from '../helpers/listen'
import { serveTcp, upgradeResponse } from '../helpers/tcp'
import { runningTimers } from '../helpers/timers'

const key = readFileSync(join(__dirname, '..', 'fixtures/key.pem'))
const cert = readFileSync(join(__dirname, '..', 'fixtures/cert.pem'))

/** Completes the handshake of `request`. */
function accept (request: IncomingMessage, socket: Duplex): void {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${acceptKey(request.headers['sec-websocket-key']!)}`]
  socket.on('error', () => {}).write(`${lines.join('\r\n')}\r\n\r\n`)
}

/** A server that completes every handshake, and the requests that it has got. */
async function serveAccepting (t: Test, path?: string): Promise<{ port: number, requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = http.createServer().on('upgrade', (request, socket) => {
    requests.push(request)
    accept(request, socket)
  })
  return { port: await listen(t, server, path), requests }
}

/** A TCP server that answers with the bytes of `answer`. `closed` resolves when the first connection has ended. */
async function serveAnswer (t: Test, answer: (request: string) => string): Promise<{ url: string, asked: Promise<Socket>, closed: Promise<void> }> {
  const asked = new Deferred<Socket>()
  const closed = new Deferred<void>()
  const port = await serveTcp(t, (socket, request) => {
    socket.on('close', () => closed.resolve())
    socket.write(answer(request))
    asked.resolve(socket)
  })
  return { url: `ws://127.0.0.1:${port}/`, asked: asked.promise, closed: closed.promise }
}

/** Opens a handshake. The stream is destroyed at the end of `t`. */
async function open (t: Test, url: string, settings: HandshakeSettings = {}, createConnection?: () => Duplex): Promise<Opened> {
  const opened = await openHandshake(url, settings, createConnection)
  t.teardown(() => opened.stream.destroy())
  return opened
}

/** The error that `opening` rejects with. */
async function failureOf (t: Test, opening: Promise<unknown>): Promise<any> {
  const error = await opening.then(() => { throw new Error('it was accepted') }, (error) => error)
  t.type(error, WebSocketUpgradeError)
  return error
}

/** An agent that calls `run` for a request, in the next turn of the event loop. */
const agentOf = (run: (request: ClientRequest) => void): any => ({ addRequest: (request: ClientRequest) => setImmediate(request).then(run) })

/** A response to `request` as `upgrade` gives it. */
const switching = (request: ClientRequest): any => ({ headers: { upgrade: 'websocket', 'sec-websocket-accept': acceptKey(request.getHeader('sec-websocket-key') as string) } })

t.test('a handshake with a server of ws gives the stream, the subprotocol and the extensions', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true, handleProtocols: () => 'b' } as ServerOptions)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const connected = once(server, 'connection')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/path?a=1`
  const { stream, head, response, protocol, extensions } = await open(t, url, { subprotocols: ['a', 'b'], extensions: 'permessage-deflate' })
  const [socket, request] = await connected
  t.match(request, { url: '/path?a=1', headers: { 'sec-websocket-protocol': 'a,b', 'sec-websocket-version': '13', host: /^127\.0\.0\.1:\d+$/ } })
  t.equal(Buffer.from(request.headers['sec-websocket-key'], 'base64').length, 16)
  t.match({ protocol, extensions, head }, { protocol: 'b', extensions: 'permessage-deflate', head: { length: 0 } })
  t.equal(response.statusCode, 101)
  socket.send('hello', { compress: false })
  const [bytes] = await once(stream, 'data')
  t.same(bytes, serverFrame(TEXT, 'hello'))
})

t.test('without subprotocols and extensions, none are offered', async (t) => {
  const { port, requests } = await serveAccepting(t)
  const { protocol, extensions } = await open(t, `ws://127.0.0.1:${port}`, { subprotocols: [] })
  t.match({ protocol, extensions }, { protocol: '', extensions: undefined })
  t.notOk('sec-websocket-protocol' in requests[0].headers)
  t.notOk('sec-websocket-extensions' in requests[0].headers)
  t.equal(requests[0].url, '/')
})

t.test('bytes behind the response are in head', async (t) => {
  const { url } = await serveAnswer(t, (request) => `${upgradeResponse(request)}early`)
  t.equal((await open(t, url)).head.toString(), 'early')
})

t.test('the user replaces no header of the handshake', async (t) => {
  const { port, requests } = await serveAccepting(t)
  const headers = {
    connection: 'close', UPGRADE: 'h2c', 'sec-websocket-key': 'x', 'Sec-Websocket-Version': 8, 'sec-websocket-extensions': 'x', 'SEC-WEBSOCKET-PROTOCOL': 'x', 'X-One': '1', 'x-two': ['2', '3'], 'x-number': 4, 'x-none': undefined
  }
  const opening = openHandshake(`ws://127.0.0.1:${port}/`, { headers, subprotocols: ['a'], extensions: 'e' })
  t.match(await failureOf(t, opening), { cause: { message: 'Server sent no subprotocol' } })
  const got = requests[0].headers
  t.match(got, { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-extensions': 'e', 'sec-websocket-protocol': 'a', 'x-one': '1', 'x-two': '2, 3', 'x-number': '4' })
  t.equal(Buffer.from(got['sec-websocket-key']!, 'base64').length, 16)
  t.notOk('x-none' in got)
})

t.test('credentials of the URL become Authorization, unless the user sets it', async (t) => {
  const { port, requests } = await serveAccepting(t)
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  await open(t, `ws://us%3Aer:p%C3%A4ss@127.0.0.1:${port}/`)
  await open(t, `ws://user@127.0.0.1:${port}/`)
  await open(t, `ws://:100%@127.0.0.1:${port}/`)
  await open(t, `ws://user@127.0.0.1:${port}/`, { headers: { authorization: 'Bearer x' } })
  await open(t, `ws://127.0.0.1:${port}/`)
  t.same(requests.map(({ headers }) => headers.authorization), [basic('us:er:päss'), basic('user:'), basic(':100%'), 'Bearer x', undefined])
})

t.test('Host has the port unless it is the default port, and addresses of IPv6 in brackets', async (t) => {
  /** The head of the request that is sent to `url`. */
  async function requestTo (url: string, headers = {}): Promise<string> {
    const sent = new Deferred<string>()
    const stream = new Duplex({ read () {}, write (chunk, _encoding, done) { sent.resolve(String(chunk)); done() } })
    const opening = failureOf(t, openHandshake(url, { headers }, () => stream))
    const request = await sent.promise
    stream.destroy(new Error('enough'))
    await opening
    return request
  }
  const hosts = {
    'ws://example.com': 'example.com',
    'ws://example.com:80/': 'example.com',
    'ws://example.com:443/': 'example.com:443',
    'http://example.com': 'example.com',
    'wss://example.com/': 'example.com',
    'https://example.com:80': 'example.com:80',
    'wss://[::1]:8000/': '[::1]:8000',
    'ws+unix:/tmp/socket:/': 'localhost'
  }
  for (const [url, host] of Object.entries(hosts)) t.match(await requestTo(url), `\r\nHost: ${host}\r\n`)
  t.match(await requestTo('ws://example.com/', { host: 'other.example' }), '\r\nhost: other.example\r\n')
})

t.test('ws+unix: the path of the socket, and behind a colon that of the request', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'handshake-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'socket')
  const { requests } = await serveAccepting(t, path)
  await open(t, `ws+unix:${path}:/path:1?a=1`)
  await open(t, `ws+unix:${path}`)
  await open(t, `ws+unix:${path}:/agent`, { agent: new Agent() })
  t.same(requests.map(({ url }) => url), ['/path:1?a=1', '/', '/agent'])
})

t.test('a URL, a header or an agent that cannot be used is an option error', async (t) => {
  const url = 'ws://127.0.0.1:1/'
  const wrong: [url: string, settings: HandshakeSettings, message: string | RegExp][] = [
    ['nonsense', {}, 'connect: Invalid URL: nonsense'],
    ['', {}, 'connect: Invalid URL: '],
    ['ws://127.0.0.1:70000/', {}, /Invalid URL/],
    ['ftp://127.0.0.1/', {}, 'connect: The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"'],
    ['ws+unix:', {}, 'connect: The URL\'s pathname is empty'],
    ['ws://127.0.0.1/#fragment', {}, 'connect: The URL contains a fragment identifier'],
    [url, { headers: { 'a b': '1' } }, /^connect: .*a b/],
    [url, { headers: { a: '1\r\nb: 2' } }, /^connect: Invalid character in header content/],
    ['wss://127.0.0.1:1/', { agent: new Agent() }, /^connect: .*https:/]
  ]
  for (const [url, settings, message] of wrong) await t.rejects(openHandshake(url, settings), { name: 'WebSocketOptionError', message })
})

t.test('a refusal ends the connection', async (t) => {
  const heads: Record<string, { head: string, error: object }> = {
    'with a body': { head: 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\nX-A: 1\r\n\r\nno!', error: { statusCode: 401, body: 'no!', responseHeaders: { 'x-a': '1' } } },
    'that redirects': { head: 'HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n', error: { statusCode: 302, body: '', responseHeaders: { location: '/elsewhere' } } },
    'by success': { head: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', error: { statusCode: 200, body: 'ok' } },
    'by a 101 without Upgrade': { head: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n', error: { statusCode: 101 } },
    'by a 101 without Connection': { head: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n', error: { statusCode: 101 } },
    'behind a provisional response': { head: 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', error: { statusCode: 403 } }
  }
  for (const [name, { head, error }] of Object.entries(heads)) {
    const { url, closed } = await serveAnswer(t, () => head)
    t.match(await failureOf(t, openHandshake(url, {})), error, name)
    await closed
  }
})

t.test('the body of a refusal that breaks off is the part that has come', async (t) => {
  const { url, asked } = await serveAnswer(t, () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnot all')
  asked.then((socket) => socket.end())
  t.match(await failureOf(t, openHandshake(url, {})), { statusCode: 403, body: 'not all' })
})

t.test('a refusal whose body cannot be read keeps its status', async (t) => {
  for (const pieces of [['no entry'], ['4\r\nwhat\r\n', 'no entry']]) { // http-proxy 1.18.1 sends a body without its chunks
    const { url, asked, closed } = await serveAnswer(t, () => 'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n')
    asked.then((socket) => { for (const piece of pieces) socket.write(piece) })
    t.match(await failureOf(t, openHandshake(url, {})), { statusCode: 403, body: pieces.length === 1 ? '' : 'what' })
    await closed
  }
})

t.test('a body without end is read up to a limit, and the connection ends', async (t) => {
  const { url, asked, closed } = await serveAnswer(t, () => 'HTTP/1.1 403 Forbidden\r\n\r\n')
  asked.then((socket) => {
    const chunk = 'a'.repeat(1_000_000)
    const write = (): void => { while (socket.writable && socket.write(chunk)); }
    socket.on('drain', write)
    write()
  })
  const { body } = await failureOf(t, openHandshake(url, {}))
  t.ok(body.length >= 16 * 1024 * 1024 && body.length < 18 * 1024 * 1024, `${body.length} bytes`)
  await closed
})

t.test('a wrong response ends the connection', async (t) => {
  const answers: Record<string, (request: string) => string> = {
    'Invalid Upgrade header': (request) => upgradeResponse(request).replace('Upgrade: websocket', 'Upgrade: websocket, h2c'),
    'Invalid Sec-WebSocket-Accept header': (request) => upgradeResponse(request.replace(/key: ./i, 'key: _')),
    'Server sent a subprotocol but none was requested': (request) => upgradeResponse(request, 'Sec-WebSocket-Protocol: a\r\n'),
    'Server sent a Sec-WebSocket-Extensions header but no extension was requested': (request) => upgradeResponse(request, 'Sec-WebSocket-Extensions: permessage-deflate\r\n')
  }
  for (const [message, answer] of Object.entries(answers)) {
    const { url, closed } = await serveAnswer(t, answer)
    t.match(await failureOf(t, openHandshake(url, {})), { message: 'the handshake failed', statusCode: undefined, cause: { message } })
    await closed
  }
  for (const headers of ['Sec-WebSocket-Protocol: c\r\n', 'Sec-WebSocket-Protocol: a, b\r\n', 'Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n']) {
    const { url, closed } = await serveAnswer(t, (request) => upgradeResponse(request, headers))
    t.match(await failureOf(t, openHandshake(url, { subprotocols: ['a', 'b'] })), { cause: { message: 'Server sent an invalid subprotocol' } })
    await closed
  }
})

t.test('the name of the protocol and the headers may be in any case of letters', async (t) => {
  const { url } = await serveAnswer(t, (request) => upgradeResponse(request).replace('Upgrade: websocket', 'upgrade: WebSocket').replace('Sec-WebSocket-A', 'SEC-WEBSOCKET-A'))
  await open(t, url)
})

t.test('a connection that breaks before the response rejects', async (t) => {
  const ends: [answer: string, code: string, end: (socket: Socket) => void][] = [
    ['', 'ECONNRESET', (socket) => socket.end()],
    ['', 'ECONNRESET', (socket) => socket.resetAndDestroy()],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: web', 'ECONNRESET', (socket) => socket.end()],
    ['garbage\r\n\r\n', 'HPE_INVALID_CONSTANT', () => {}]
  ]
  for (const [answer, code, end] of ends) {
    const { url, asked, closed } = await serveAnswer(t, () => answer)
    asked.then(end)
    t.match(await failureOf(t, openHandshake(url, {})), { message: `the handshake failed: ${code}`, cause: { code } })
    await closed
  }
  t.match(await failureOf(t, openHandshake('ws://127.0.0.1:1/', {})), { message: 'the handshake failed: ECONNREFUSED', cause: { message: /127\.0\.0\.1:1$/ } })
})

t.test('a connection that cannot be made rejects', async (t) => {
  const error = new Error('no stream')
  t.equal((await failureOf(t, openHandshake('ws://localhost/', {}, () => { throw error }))).cause, error)
  t.match(await failureOf(t, openHandshake('ws://127.0.0.1:1/', { agent: agentOf((request) => request.emit('error', error)) })), { message: 'the handshake failed', cause: error })
})

t.test('handshakeTimeout limits the time to the response and through the body of a refusal', async (t) => {
  const timers = runningTimers()
  const late = { message: 'the handshake failed: no answer within 50 ms (handshakeTimeout)', statusCode: undefined }
  for (const [head, handshakeTimeout, error] of [
    ['', 50, late],
    ['HTTP/1.1 101 Switching Protocols\r\nX-Long: ', 50, late],
    ['HTTP/1.1 100 Continue\r\n\r\n', 50, late],
    ['HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf', 500, { statusCode: 403, body: 'half' }]
  ] as const) {
    const { url, closed } = await serveAnswer(t, () => head)
    t.match(await failureOf(t, openHandshake(url, { handshakeTimeout })), error)
    await closed
  }
  t.match(await failureOf(t, openHandshake('ws://127.0.0.1:1/', { handshakeTimeout: 50, agent: agentOf(() => {}) })), late, 'an agent that makes no connection')
  const { port } = await serveAccepting(t)
  await open(t, `ws://127.0.0.1:${port}/`, { handshakeTimeout: 60_000 })
  t.equal(runningTimers(), timers, 'no timer is left')
})

t.test('an abort ends the handshake, whatever part of the response has come', async (t) => {
  for (const head of ['', 'HTTP/1.1 101 Switching Protocols\r\n', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf']) {
    const controller = new AbortController()
    const reason = new Error(head)
    const { url, asked, closed } = await serveAnswer(t, () => head)
    const opening = openHandshake(url, { signal: controller.signal, handshakeTimeout: 60_000 }).catch((error) => error)
    await asked
    await setImmediate()
    controller.abort(reason)
    t.equal(await opening, reason)
    await closed
    t.same(getEventListeners(controller.signal, 'abort'), [])
  }
})

t.test('an abort before the handshake makes no connection, and one right after the start ends the connection', async (t) => {
  const reason = new Error('enough')
  const none = openHandshake('ws://localhost/', { signal: AbortSignal.abort(reason) }, () => { throw new Error('it connects') })
  t.equal(await none.catch((error) => error), reason)
  const controller = new AbortController()
  const [near, far] = connectStreams('127.0.0.1', false)
  const opening = openHandshake('ws://localhost/', { signal: controller.signal }, () => near)
  controller.abort(reason)
  t.equal(await opening.catch((error) => error), reason)
  far.resume()
  await once(far, 'end')
})

t.test('an abort does not end an open connection, even in the turn of the response', async (t) => {
  const controller = new AbortController()
  const { url, asked } = await serveAnswer(t, upgradeResponse)
  const [near] = connectStreams('127.0.0.1', false)
  const agent = agentOf((request) => {
    request.emit('upgrade', switching(request), near, Buffer.alloc(0))
    controller.abort()
  })
  t.equal((await open(t, url, { agent, signal: controller.signal })).stream.destroyed, false)
  const second = new AbortController()
  const { stream } = await open(t, url, { signal: second.signal })
  t.same(getEventListeners(second.signal, 'abort'), [])
  second.abort()
  ;(await asked).write('hello')
  t.equal(String((await once(stream, 'data'))[0]), 'hello')
})

t.test('a response that comes after an abort ends the connection', async (t) => {
  const controller = new AbortController()
  const [near] = connectStreams('127.0.0.1', false)
  const agent = agentOf((request) => {
    controller.abort('enough')
    request.emit('upgrade', switching(request), near, Buffer.alloc(0))
  })
  t.equal(await openHandshake('ws://localhost/', { agent, signal: controller.signal }).catch((error) => error), 'enough')
  t.ok(near.destroyed)
})

t.test('a signal that throws in addEventListener is an option error, and the connection ends', async (t) => {
  const signal: any = { aborted: false, addEventListener () { throw new Error('from the signal') }, removeEventListener () {} }
  const [near] = connectStreams('127.0.0.1', false)
  await t.rejects(openHandshake('ws://localhost/', { signal }, () => near), { name: 'WebSocketOptionError', message: 'signal cannot be listened to: from the signal' })
  await once(near, 'close')
})

t.test('an error of the stream before the caller listens ends nothing else', async (t) => {
  const [near] = connectStreams('127.0.0.1', false)
  const agent = agentOf((request) => {
    request.emit('upgrade', switching(request), near, Buffer.alloc(0))
    near.destroy(new Error('broken'))
  })
  const { stream } = await open(t, 'ws://localhost/', { agent })
  await setImmediate()
  t.equal(stream, near)
  t.match(stream.errored, { message: 'broken' })
})

t.test('a stream of the caller carries the handshake, also for wss:', async (t) => {
  for (const url of ['ws://localhost/path', 'wss://localhost/path']) {
    const server = http.createServer((_request, response) => { response.writeHead(404).end('nowhere') })
    const connection = () => {
      const [near, far] = connectStreams('127.0.0.1', url.startsWith('wss'))
      server.emit('connection', far)
      return near
    }
    t.match(await failureOf(t, openHandshake(url, {}, connection)), { statusCode: 404, body: 'nowhere' })
    server.on('upgrade', (request, socket) => {
      accept(request, socket)
      socket.write(request.url)
    })
    const { stream, head } = await open(t, url, {}, connection)
    t.equal(String(head.length > 0 ? head : (await once(stream, 'data'))[0]), '/path')
  }
})

t.test('the stream has no timeout and no delay', async (t) => {
  const { port } = await serveAccepting(t)
  const { stream } = await open(t, `ws://127.0.0.1:${port}/`, { agent: new Agent({ timeout: 60_000 }) })
  t.equal((stream as Socket).timeout, 0)
  const calls: string[] = []
  const near = Object.assign(connectStreams('127.0.0.1', false)[0], {
    setTimeout: (ms: number) => { calls.push(`timeout ${ms}`) },
    setNoDelay: (...args: unknown[]) => { calls.push(`no delay ${args}`) }
  })
  await open(t, 'ws://localhost/', { agent: agentOf((request) => request.emit('upgrade', switching(request), near, Buffer.alloc(0))) })
  t.same(calls, ['timeout 0', 'no delay '])
})

t.test('an agent makes the connection, and keeps it after a refusal', async (t) => {
  const { port } = await serveAccepting(t)
  const made: string[] = []
  const agent: any = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  agent.createConnection = (options: net.NetConnectOpts) => {
    made.push('http')
    return net.connect(options)
  }
  await open(t, `ws://127.0.0.1:${port}/`, { agent })
  t.same(made, ['http'])
  const refusing = await listen(t, http.createServer((_request, response) => { response.writeHead(403).end('no') }))
  for (let i = 0; i < 3; i++) {
    t.match(await failureOf(t, openHandshake(`ws://127.0.0.1:${refusing}/`, { agent })), { statusCode: 403, body: 'no' })
    await setImmediate()
  }
  t.same(made, ['http', 'http'], 'one connection for three refusals')
})

t.test('agent: false makes a connection of its own', async (t) => {
  const { port } = await serveAccepting(t)
  await open(t, `ws://127.0.0.1:${port}/`, { agent: false })
})

/** An https server that asks for a client certificate, and the names that clients have asked it for. */
async function serveTls (t: Test): Promise<{ port: number, seen: [authorized: boolean, servername: unknown][] }> {
  const seen: [boolean, unknown][] = []
  const server = https.createServer({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: false })
  server.on('secureConnection', (socket: TLSSocket) => seen.push([socket.authorized, (socket as any).servername]))
  server.on('upgrade', accept)
  return { port: await listen(t, server), seen }
}

t.test('TLS options are used, with an agent and without', async (t) => {
  const { port, seen } = await serveTls(t)
  const url = `wss://127.0.0.1:${port}/`
  const trusted = { ca: cert, servername: 'localhost' }
  await open(t, url, { ...trusted, cert, key })
  await open(t, url, { ...trusted, cert, key, agent: new SecureAgent() })
  await open(t, url, { rejectUnauthorized: false })
  await open(t, `https://localhost:${port}/`, { ca: cert })
  t.same(seen, [[true, 'localhost'], [true, 'localhost'], [false, false], [false, 'localhost']])
})

t.test('a certificate that does not fit is refused', async (t) => {
  const { port } = await serveTls(t)
  const url = `wss://127.0.0.1:${port}/`
  t.match(await failureOf(t, openHandshake(url, {})), { cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  t.match(await failureOf(t, openHandshake(url, { ca: cert, servername: 'other.example' })), { message: 'the handshake failed: ERR_TLS_CERT_ALTNAME_INVALID' })
  const names: string[] = []
  await open(t, url, { ca: cert, servername: 'other.example', checkServerIdentity: (name: string): undefined => { names.push(name) } })
  t.same(names, ['other.example'])
  const plain = await serveAccepting(t)
  t.type((await failureOf(t, openHandshake(`wss://127.0.0.1:${plain.port}/`, {}))).cause, Error)
})
