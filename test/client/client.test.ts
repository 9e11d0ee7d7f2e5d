import { getEventListeners, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, type ClientRequest } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { connect, open } from '../../lib/client/client'
import { connectSettings, injectSettings } from '../../lib/client/client-options'
import { WebSocketUpgradeError } from '../../lib/base/errors'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { serverFrame, TEXT } from '../helpers/frames'
import { serveTcp, upgradeResponse } from '../helpers/tcp'
import type { ConnectOptions } from '../../types/client'

const key = readFileSync(join(__dirname, '..', 'fixtures/key.pem'))
const cert = readFileSync(join(__dirname, '..', 'fixtures/cert.pem'))

/** The error that `connecting` rejects with. */
async function failure (t: Test, connecting: Promise<unknown>): Promise<any> {
  const error = await connecting.then(() => { throw new Error('it was accepted') }, (error) => error)
  t.type(error, WebSocketUpgradeError)
  t.equal(error.code, 'FST_WS_UPGRADE')
  return error
}

t.test('connect resolves with a client of the server', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept({ headers: { 'x-answer': '42', 'set-cookie': ['a=1', 'b=2'] } })
    await ws.send(`${await ws.receive()}!`)
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`)
  t.equal(client.state, 'open')
  t.match(client.headers, { 'x-answer': '42', 'set-cookie': ['a=1', 'b=2'] })
  t.equal(await client.pair('hello'), 'hello!')
  await client.closed
  t.equal(client.state, 'closed')
})

t.test('connect takes a URL, and http: for ws:', async (t) => {
  const app = await createApp(t)
  app.websocket('/path', async (ws, request) => {
    await ws.accept()
    await ws.send(request.url)
  })
  const port = await listen(app)
  for (const url of [new URL(`ws://127.0.0.1:${port}/path?a=1`), `http://127.0.0.1:${port}/path?a=1`]) {
    const client = await connect(url)
    t.equal(await client.receive(), '/path?a=1')
  }
})

t.test('headers are sent, except undefined ones', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    await ws.sendJson([request.headers['x-one'], request.headers['x-two'], 'x-none' in request.headers])
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { headers: { 'x-one': '1', 'X-Two': ['2', '3'], 'x-none': undefined } })
  t.same(await client.receiveJson(), ['1', '2, 3', false])
})

t.test('subprotocols are offered in order', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept({ subprotocol: 'b' })
    await ws.send(ws.headers['sec-websocket-protocol'])
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { subprotocols: ['a', 'b'] })
  t.equal(client.protocol, 'b')
  t.equal(await client.receive(), 'a,b')
})

t.test('connect rejects if the server takes none of the subprotocols', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  const { cause, statusCode } = await failure(t, connect(`ws://127.0.0.1:${await listen(app)}/`, { subprotocols: ['a'] }))
  t.match(cause.message, /subprotocol/)
  t.equal(statusCode, undefined)
})

t.test('types are set as for a session', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const url = `ws://127.0.0.1:${await listen(app)}/`
  const json = await connect(url, { valueType: 'json' })
  t.same(await json.pair({ a: 1 }), { a: 1 })
  const mixed = await connect(url, { valueType: 'json', receiveType: 'text' })
  t.same(await mixed.pair({ a: 1 }), '{"a":1}')
  const numbers = await connect(url, { receiveType: 'integer', sendType: 'boolean', perMessageDeflate: undefined })
  await t.rejects(numbers.send(1), { name: 'WebSocketEncodeError' })
  await numbers.sendText('1')
  t.equal(await numbers.receive(), 1)
})

t.test('a receive without a timeout waits for receiveTimeout', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.expect('now')
    await ws.send('message')
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { receiveTimeout: 1 })
  const timeout = { name: 'WebSocketTimeoutError' }
  await t.rejects(client.receive(), timeout)
  await t.rejects(client.receive('text'), timeout)
  await t.rejects(client.receive({ type: 'text' }), timeout)
  await t.rejects(client.expect('text'), timeout)
  await t.rejects(client.messages().next(), timeout)
  await t.rejects(client.receiveEvent(), timeout)
  t.equal(await client.pair('now', { timeout: 5_000 }), 'message')
})

t.test('messages in the packet of the response are kept', async (t) => {
  const port = await serveTcp(t, (socket, request) => {
    socket.end(Buffer.concat([Buffer.from(upgradeResponse(request)), serverFrame(TEXT, '1'), serverFrame(TEXT, '2')]))
  })
  const client = await connect(`ws://127.0.0.1:${port}/`)
  await client.closed
  t.equal(await client.receive(), '1')
  t.equal(await client.receive(), '2')
  await t.rejects(client.receive(), { name: 'WebSocketDisconnect', closeCode: 1006 })
})

t.test('an invalid URL, header, subprotocol or type is an option error', async (t) => {
  const url = 'ws://127.0.0.1:1/'
  const connecting = [
    connect('nonsense'), connect(''), connect('/path'), connect('ftp://127.0.0.1/'), connect('ws://127.0.0.1/#fragment'), connect('ws://127.0.0.1:70000/'),
    connect(url, null as never), connect(null as never), connect(undefined as never), connect({} as never),
    connect(url, { headers: { 'a b': '1' } }), connect(url, { headers: { a: '1\r\nb: 2' } }),
    connect(url, { subprotocols: ['a b'] }), connect(url, { subprotocols: ['a', 'a'] }),
    connect(url, { valueType: 'string' as never }), connect(url, { receiveType: 'string' as never }), connect(url, { sendType: 'string' as never })
  ]
  for (const promise of connecting) await t.rejects(promise, { name: 'WebSocketOptionError' })
})

t.test('the error of a refusal has the status, the headers and the body', async (t) => {
  const app = await createApp(t)
  app.websocket('/json', async (ws) => { await ws.deny(401, { error: 'who are you?' }, { 'www-authenticate': 'Basic' }) })
  app.websocket('/text', async (ws) => { await ws.deny(503, 'grüße', { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' }) })
  app.websocket('/large', async (ws) => { await ws.deny(403, 'a'.repeat(3_000_000)) })
  app.websocket('/empty', async (ws) => { await ws.deny() })
  const url = `ws://127.0.0.1:${await listen(app)}`

  const json = await failure(t, connect(`${url}/json`))
  t.match(json, { statusCode: 401, responseHeaders: { 'www-authenticate': 'Basic', 'content-type': /^application\/json/ }, message: /401 Unauthorized/ })
  t.same(JSON.parse(json.body), { error: 'who are you?' })
  t.match(await failure(t, connect(`${url}/text`)), { statusCode: 503, responseHeaders: { 'retry-after': '1' }, body: 'grüße' })
  t.equal((await failure(t, connect(`${url}/large`))).body, 'a'.repeat(3_000_000))
  t.match(await failure(t, connect(`${url}/empty`)), { statusCode: 403, body: '' })
  t.match(await failure(t, connect(`${url}/nowhere`)), { statusCode: 404 })
})

t.test('a redirect is a refusal', async (t) => {
  const app = await createApp(t)
  app.get('/', { websocket: true, preHandler: (_request, reply) => { reply.redirect('/elsewhere') } }, async () => {})
  t.match(await failure(t, connect(`ws://127.0.0.1:${await listen(app)}/`)), { statusCode: 302, responseHeaders: { location: '/elsewhere' } })
})

t.test('the body of a refusal that breaks off is the part that has come', async (t) => {
  const port = await serveTcp(t, (socket) => { socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnot all') })
  t.match(await failure(t, connect(`ws://127.0.0.1:${port}/`)), { statusCode: 403, body: 'not all' })
})

t.test('the body of a refusal is read up to a limit', async (t) => {
  let written = 0
  const port = await serveTcp(t, (socket) => {
    const write = (): void => {
      while (socket.write('a'.repeat(1_000_000))) written++
      written++
    }
    socket.on('drain', write)
    socket.write('HTTP/1.1 403 Forbidden\r\n\r\n')
    write()
  })
  const { body } = await failure(t, connect(`ws://127.0.0.1:${port}/`))
  t.ok(body.length >= 16 * 1024 * 1024 && body.length < 18 * 1024 * 1024, `${body.length} bytes of ${written} MB`)
})

t.test('a port without a listener rejects', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  const error = await failure(t, connect(`ws://127.0.0.1:${port}/`))
  t.match(error, { message: /ECONNREFUSED/, cause: { code: 'ECONNREFUSED' }, body: '', responseHeaders: {} })
  t.equal(error.statusCode, undefined)
})

t.test('an error without a message is named by its code', async (t) => {
  // The error of Node has no message if Node has tried several addresses of a name.
  const error = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
  const stream = new Duplex({ read () {}, write () { this.destroy(error) } })
  const { message, cause } = await failure(t, open('ws://localhost/', connectSettings({}), () => stream))
  t.match(message, /ECONNREFUSED/)
  t.equal(cause, error)
})

t.test('an error of this package that ends the stream stays unchanged', async (t) => {
  const error = new WebSocketUpgradeError('not here')
  const stream = new Duplex({ read () {}, write () { this.destroy(error) } })
  t.equal(await failure(t, open('ws://localhost/', connectSettings({}), () => stream)), error)
})

t.test('invalid responses reject', async (t) => {
  const answers: Record<string, (request: string) => string> = {
    'no HTTP': () => 'garbage\r\n\r\n',
    nothing: () => '',
    'half a head': () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n',
    'another key': (request) => upgradeResponse(request.replace(/key: ./i, 'key: _')),
    'a subprotocol that was not offered': (request) => upgradeResponse(request, 'Sec-WebSocket-Protocol: a\r\n'),
    'an extension that was not offered': (request) => upgradeResponse(request, 'Sec-WebSocket-Extensions: permessage-deflate\r\n'),
    'another protocol': (request) => upgradeResponse(request).replace('Upgrade: websocket', 'Upgrade: other')
  }
  for (const [name, answer] of Object.entries(answers)) {
    const port = await serveTcp(t, (socket, request) => { socket.end(answer(request)) })
    const { statusCode, cause } = await failure(t, connect(`ws://127.0.0.1:${port}/`))
    t.equal(statusCode, undefined, name)
    t.type(cause, Error)
  }
})

t.test('a server that resets the connection makes connect reject', async (t) => {
  const port = await serveTcp(t, (socket) => { socket.resetAndDestroy() })
  t.match(await failure(t, connect(`ws://127.0.0.1:${port}/`)), { cause: { code: 'ECONNRESET' } })
})

t.test('handshakeTimeout limits the whole handshake', async (t) => {
  const dripping = (t: Test, head: string) => serveTcp(t, (socket) => {
    socket.write(head)
    const timer = setInterval(() => socket.write('a'), 5)
    socket.on('close', () => clearInterval(timer))
    t.teardown(() => clearInterval(timer))
  })
  const timeout = { message: /within 50 ms \(handshakeTimeout\)/, statusCode: undefined }
  const silent = await serveTcp(t, () => {})
  t.match(await failure(t, connect(`ws://127.0.0.1:${silent}/`, { handshakeTimeout: 50 })), timeout, 'no answer')
  const head = await dripping(t, 'HTTP/1.1 101 Switching Protocols\r\nX-Long: ')
  t.match(await failure(t, connect(`ws://127.0.0.1:${head}/`, { handshakeTimeout: 50 })), timeout, 'a head without end')
  const body = await dripping(t, 'HTTP/1.1 403 Forbidden\r\n\r\n')
  t.match(await failure(t, connect(`ws://127.0.0.1:${body}/`, { handshakeTimeout: 500 })), { statusCode: 403, body: /^a*$/ }, 'a body without end')
})

t.test('the message of a failure names no address, and the cause does', async (t) => {
  const app = await createApp(t, {}, { https: { key, cert } } as object)
  app.websocket('/', async (ws) => { await ws.accept() })
  const port = await listen(app)
  const refusing = await serveTcp(t, (socket) => { socket.end('HTTP/1.1 401 See http://10.0.0.5:443\r\nContent-Length: 0\r\n\r\n') })
  const silent = await serveTcp(t, () => {})
  const agentOf = (error: Error): any => ({ addRequest: (request: ClientRequest) => setImmediate().then(() => request.emit('error', error)) })
  const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND internal.example'), { code: 'ENOTFOUND' })
  const failures: Record<string, [url: string, options: ConnectOptions, message: string, cause?: RegExp]> = {
    refused: ['ws://127.0.0.1:1/', {}, 'the handshake failed: ECONNREFUSED', /127\.0\.0\.1:1$/],
    unknown: ['ws://internal.example/', { agent: agentOf(unknown) }, 'the handshake failed: ENOTFOUND', /internal\.example$/],
    'another name': [`wss://127.0.0.1:${port}/`, { ca: cert, servername: 'internal.example' }, 'the handshake failed: ERR_TLS_CERT_ALTNAME_INVALID', /internal\.example/],
    'words of the server': [`ws://127.0.0.1:${refusing}/`, {}, 'the server refused the handshake: 401 Unauthorized'],
    'no words': [`ws://127.0.0.1:${silent}/`, { handshakeTimeout: 20 }, 'the handshake failed: no answer within 20 ms (handshakeTimeout)'],
    'an agent': ['ws://internal.example/', { agent: agentOf(new Error('the proxy at 10.0.0.5 says no')) }, 'the handshake failed', /10\.0\.0\.5/]
  }
  for (const [name, [url, options, message, why = /^$/]] of Object.entries(failures)) {
    const error = await failure(t, connect(url, options))
    t.equal(error.message, message, name)
    t.match(error.cause?.message ?? '', why)
  }
})

t.test('a status without a name is given as a number', async (t) => {
  const port = await serveTcp(t, (socket) => { socket.end('HTTP/1.1 499 Whatever\r\nContent-Length: 0\r\n\r\n') })
  t.equal((await failure(t, connect(`ws://127.0.0.1:${port}/`))).message, 'the server refused the handshake: 499')
})

t.test('without a handshakeTimeout, as over a stream of the caller, there is no limit', async (t) => {
  const timers = t.capture(globalThis, 'setTimeout', setTimeout)
  const controller = new AbortController()
  const connecting = open('ws://localhost/', injectSettings({ signal: undefined }), () => new Duplex({ read () {}, write () { controller.abort() } }))
  await once(controller.signal, 'abort')
  t.same(timers().filter(({ args: [, ms] }) => ms === 10_000), [])
  timers.restore()
  connecting.catch(() => {})
})

t.test('signal: an aborted signal rejects, and no connection is made', async (t) => {
  const port = await serveTcp(t, () => { t.fail('it connects') })
  const reason = new Error('enough')
  t.equal(await connect(`ws://127.0.0.1:${port}/`, { signal: AbortSignal.abort(reason) }).catch((error) => error), reason)
})

t.test('signal: an abort ends the handshake, whatever part of the response has come', async (t) => {
  const heads = { nothing: '', 'half a head': 'HTTP/1.1 101 Switching Protocols\r\n', 'half a refusal': 'HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf' }
  for (const [name, head] of Object.entries(heads)) {
    const reason = new Error(name)
    const controller = new AbortController()
    const asked = new Deferred<Socket>()
    const port = await serveTcp(t, (socket) => {
      socket.write(head)
      asked.resolve(socket)
    })
    const connecting = connect(`ws://127.0.0.1:${port}/`, { signal: controller.signal }).catch((error) => error)
    const socket = await asked.promise
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await setImmediate()
    controller.abort(reason)
    t.equal(await connecting, reason)
    await closed
    t.same(getEventListeners(controller.signal, 'abort'), [], 'nothing listens to it any more')
  }
})

t.test('signal: the reason may be any value, and a reason getter may throw', async (t) => {
  const port = await serveTcp(t, () => {})
  const unreadable = Object.assign(new EventTarget(), { aborted: false })
  Object.defineProperty(unreadable, 'reason', { get () { throw new Error('from the getter') } })
  const connecting = connect(`ws://127.0.0.1:${port}/`, { signal: unreadable as never })
  unreadable.dispatchEvent(new Event('abort'))
  await t.rejects(connecting, { message: 'from the getter' })
  const controller = new AbortController()
  const second = connect(`ws://127.0.0.1:${port}/`, { signal: controller.signal })
  controller.abort('a string')
  t.equal(await second.catch((error) => error), 'a string')
})

t.test('signal: an abort does not end an open connection', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const controller = new AbortController()
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { signal: controller.signal })
  t.same(getEventListeners(controller.signal, 'abort'), [])
  controller.abort()
  t.equal(await client.pair('still here'), 'still here')
})

t.test('signal: a refusal and a missing server leave no listener on the signal', async (t) => {
  const app = await createApp(t)
  const { signal } = new AbortController()
  await failure(t, connect(`ws://127.0.0.1:${await listen(app)}/`, { signal }))
  await failure(t, connect('ws://127.0.0.1:1/', { signal }))
  await t.rejects(connect('nonsense', { signal }), { name: 'WebSocketOptionError' })
  t.same(getEventListeners(signal, 'abort'), [])
})

t.test('signal: a signal that throws in addEventListener is an option error', async (t) => {
  const signal = { aborted: false, addEventListener () { throw new Error('from the signal') }, removeEventListener () { throw new Error('from the signal') } }
  await t.rejects(connect('ws://127.0.0.1:1/', { signal: signal as never }), { name: 'WebSocketOptionError', message: 'signal cannot be listened to: from the signal' })
})

/** A server that asks for a client certificate, and sends the names of the client and of the server back. */
async function serveCertified (t: Test): Promise<number> {
  const app = await createApp(t, {}, { https: { key, cert, ca: cert, requestCert: true } } as object)
  app.websocket('/', async (ws, request) => {
    await ws.accept()
    const { subject } = (request.raw.socket as tls.TLSSocket).getPeerCertificate()
    await ws.sendJson({ authorized: (request.raw.socket as tls.TLSSocket).authorized, name: subject.CN, servername: (request.raw.socket as any).servername })
  })
  return await listen(app)
}

t.test('TLS: a client certificate, an authority and a server name are used', async (t) => {
  const url = `wss://127.0.0.1:${await serveCertified(t)}/`
  const trusted = { ca: cert, servername: 'localhost' }
  const seen = { authorized: true, name: 'localhost', servername: 'localhost' }
  t.same(await (await connect(url, { ...trusted, cert, key })).receiveJson(), seen)
  t.same(await (await connect(url, { rejectUnauthorized: false, servername: 'localhost', cert, key })).receiveJson(), seen)
  await failure(t, connect(url, trusted)) // without a client certificate
  t.match(await failure(t, connect(url, { servername: 'localhost', cert, key })), { cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
})

t.test('TLS: checkServerIdentity of the user checks the name of the server', async (t) => {
  const url = `wss://127.0.0.1:${await serveCertified(t)}/`
  const names: string[] = []
  const checkServerIdentity = (name: string): undefined => { names.push(name) }
  await connect(url, { ca: cert, cert, key, servername: 'other.example', checkServerIdentity })
  t.same(names, ['other.example'])
})

t.test('an agent makes the connection', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send('hello')
  })
  const port = await listen(app)
  const made: string[] = []
  const agent = new Agent()
  const { createConnection } = agent as any
  ;(agent as any).createConnection = (...args: unknown[]) => {
    made.push('http')
    return createConnection.apply(agent, args)
  }
  t.equal(await (await connect(`ws://127.0.0.1:${port}/`, { agent })).receive(), 'hello')
  t.same(made, ['http'])
  t.equal(await (await connect(`ws://127.0.0.1:${port}/`, { agent: false })).receive(), 'hello')

  const secure = new SecureAgent({ ca: cert, servername: 'localhost', cert, key })
  t.match(await (await connect(`wss://127.0.0.1:${await serveCertified(t)}/`, { agent: secure })).receiveJson(), { authorized: true })
  await t.rejects(connect('wss://127.0.0.1:1/', { agent }), { name: 'WebSocketOptionError', message: /https:/ })
})

t.test('TLS: a certificate without a trusted authority is refused', async (t) => {
  const app = await createApp(t, {}, { https: { key, cert } } as object)
  app.websocket('/', async (ws) => { await ws.accept() })
  t.match(await failure(t, connect(`wss://127.0.0.1:${await listen(app)}/`)), { cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
})

t.test('TLS: a server without TLS makes connect reject', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  t.type((await failure(t, connect(`wss://127.0.0.1:${await listen(app)}/`))).cause, Error)
})

t.test('TLS: a connection works over a stream that trusts the certificate', async (t) => {
  const app = await createApp(t, {}, { https: { key, cert } } as object)
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.send(ws.url.href)
  })
  const port = await listen(app)
  const client = await open(`wss://localhost:${port}/path/..`, connectSettings({}), () => tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: cert }))
  t.equal(await client.receive(), `wss://localhost:${port}/`)
})

t.test('an error of a listener on signal is a warning', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  const url = `ws://127.0.0.1:${await listen(app)}/`
  for (const thrown of [new Error('from a listener'), 'from a listener', undefined]) {
    const warning = once(process, 'warning')
    const client = await connect(url)
    client.signal.addEventListener('abort', () => { throw thrown })
    t.match((await warning)[0].message, thrown === undefined ? 'undefined' : 'from a listener')
  }
})

t.test('messages are compressed where the server takes the offer, also with options of ws', async (t) => {
  const app = await createApp(t, { perMessageDeflate: true })
  app.websocket('/', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const url = `ws://127.0.0.1:${await listen(app)}/`
  for (const [perMessageDeflate, extensions] of [[true, 'permessage-deflate'], [{ threshold: 0 }, 'permessage-deflate'], [false, '']] as const) {
    const client = await connect(url, { perMessageDeflate })
    t.equal(client.raw!.extensions, extensions)
    t.equal(await client.pair('x'.repeat(1000)), 'x'.repeat(1000))
    await client.close()
  }
})

t.test('a server without compression is taken, and one that answers what was not offered is not', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { perMessageDeflate: true })
  t.equal(client.raw!.extensions, '')
  const left = new Deferred<void>()
  const port = await serveTcp(t, (socket, request) => {
    socket.on('close', () => left.resolve())
    socket.write(upgradeResponse(request, 'Sec-WebSocket-Extensions: permessage-deflate; nonsense=1\r\n'))
  })
  const { cause } = await failure(t, connect(`ws://127.0.0.1:${port}/`, { perMessageDeflate: true }))
  t.equal(cause.message, 'Invalid Sec-WebSocket-Extensions header')
  await left.promise
})
