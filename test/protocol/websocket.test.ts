import { on, once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import WebSocket, { createWebSocketStream } from 'ws'
import { Deferred } from '../../lib/base/deferred'
import { Connection, type ConnectionOptions } from '../../lib/connection/connection'
import { CLOSED, CLOSING, OPEN } from '../../lib/protocol/endpoint'
import { guardListeners, type SessionWebSocket } from '../../lib/protocol/websocket'
import { compressionOf, connectStream, countWrites, MAX_PAYLOAD, socketOf, type StreamPairOptions } from '../helpers/endpoint'
import { BINARY, clientFrame, CLOSE, closePayload, CONTINUATION, PING, TEXT } from '../helpers/frames'
import { Peer } from '../helpers/peer'
import { connectWebSockets } from '../helpers/websocket-pair'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'

const MiB = 1024 * 1024

const OPTIONS: ConnectionOptions = { maxPayload: MAX_PAYLOAD, receiveHighWaterMark: 16 * MiB, sendHighWaterMark: MiB, sendTimeout: 5_000, closeTimeout: 5_000 }

/** The raw socket of a server's connection, and its client. */
async function createRaw (t: Test, options: StreamPairOptions & Partial<ConnectionOptions> = {}) {
  const pair = await connectStream(t, options)
  const negotiated = { isServer: true, protocol: 'chat', compression: compressionOf(pair) }
  const end = new Deferred<void>()
  const connection = new Connection(pair.stream, negotiated, { ...OPTIONS, ...options }, { finish: () => end.resolve() })
  return { ...pair, connection, raw: connection.raw, peer: new Peer(pair.client), ended: end.promise }
}

t.test('the raw socket is a WebSocket of ws', async (t) => {
  const { raw } = await createRaw(t)
  t.ok(raw instanceof WebSocket)
  t.match(raw, { _isServer: true, readyState: OPEN, OPEN, CLOSING, CLOSED, protocol: 'chat', extensions: '', url: undefined, isPaused: false, bufferedAmount: 0, binaryType: 'nodebuffer' })
})

t.test('createWebSocketStream works', async (t) => {
  const { raw, client, peer } = await createRaw(t)
  const duplex = createWebSocketStream(raw as never)
  client.send('in, ')
  client.send(Buffer.from('and in'))
  setImmediate(() => client.close())
  t.equal((await buffer(duplex)).toString(), 'in, and in')
  duplex.destroy()
  await peer.closed
})

t.test('createWebSocketStream writes, ends and pushes back', async (t) => {
  const { raw, client, peer } = await createRaw(t)
  const duplex = createWebSocketStream(raw as never)
  for (let n = 0; n < 10; n++) client.send(Buffer.alloc(20_000, n))
  await until(() => raw.isPaused)
  duplex.end('out')
  t.same(await peer.next(), Buffer.from('out'))
  t.equal((await buffer(duplex)).length, 200_000)
  t.equal((await peer.closed).code, 1005)
})

t.test('the attributes and listeners of browsers work', async (t) => {
  const { raw, client, ended } = await createRaw(t)
  const events: unknown[] = []
  const socket = raw as unknown as WebSocket
  socket.onmessage = ({ type, data, target }) => events.push([type, data, target === socket])
  socket.addEventListener('message', ({ data }) => events.push(data))
  socket.addEventListener('message', () => events.push('once'), { once: true })
  socket.onclose = ({ code, reason, wasClean }) => events.push([code, reason, wasClean])
  client.send('text')
  client.send(Buffer.from('bytes'))
  client.close(4001, 'bye')
  await ended
  t.same(events, [['message', 'text', true], 'text', 'once', ['message', Buffer.from('bytes'), true], Buffer.from('bytes'), [4001, 'bye', (events.at(-1) as any)[2]]])
})

t.test('events.on and events.once work', async (t) => {
  const { raw, client } = await createRaw(t)
  const messages = on(raw, 'message', { close: ['close'] } as any)
  client.send('1')
  t.same(await once(raw, 'message'), [Buffer.from('1'), false])
  client.send(Buffer.from('2'))
  const closed = once(raw, 'close')
  client.close(4001, 'bye')
  const all = []
  for await (const message of messages) all.push(message)
  t.same(all, [[Buffer.from('1'), false], [Buffer.from('2'), true]])
  t.same(await closed, [4001, Buffer.from('bye')])
})

t.test('binaryType decides what a listener gets for bytes, also if it changes within a read', async (t) => {
  const { raw, client } = await createRaw(t)
  const types = ['nodebuffer', 'arraybuffer', 'fragments', 'blob', 'unknown', 'toString']
  const got: any[] = []
  raw.on('message', (data, isBinary) => {
    got.push([data, isBinary])
    raw.binaryType = types[got.length]
  })
  const frames = types.map((type) => clientFrame(BINARY, type))
  socketOf(client).write(Buffer.concat([...frames, clientFrame(TEXT, 'text')]))
  await until(() => got.length === 7)
  const [node, array, fragments, blob, unknown, inherited, text] = got.map(([data]) => data)
  t.same(node, Buffer.from('nodebuffer'))
  t.ok(array instanceof ArrayBuffer)
  t.same(Buffer.from(array), Buffer.from('arraybuffer'))
  t.same(fragments, [Buffer.from('fragments')])
  t.equal(await blob.text(), 'blob')
  for (const [other, content] of [[unknown, 'unknown'], [inherited, 'toString']]) t.equal(await other.text(), content, 'the type stays')
  t.same(text, Buffer.from('text'), 'a text is not concerned')
  t.same(got.map(([, isBinary]) => isBinary), [true, true, true, true, true, true, false])
})

const VIOLATIONS: Record<string, Buffer> = {
  WS_ERR_UNEXPECTED_RSV_2_3: Buffer.from([0xb1, 0x80, 0, 0, 0, 0]),
  WS_ERR_EXPECTED_MASK: Buffer.from([0x81, 0]),
  WS_ERR_INVALID_OPCODE: clientFrame(CONTINUATION, ''),
  WS_ERR_INVALID_UTF8: clientFrame(TEXT, Buffer.from([0xff])),
  WS_ERR_INVALID_CLOSE_CODE: clientFrame(CLOSE, closePayload(1005)),
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: clientFrame(TEXT, 'x'.repeat(1001))
}

for (const [code, frame] of Object.entries(VIOLATIONS)) {
  t.test(`a violation is an error with its code, ${code}, before the close`, async (t) => {
    const { raw, client, ended } = await createRaw(t, { maxPayload: 1000 })
    const events: unknown[] = []
    raw.on('error', (error: NodeJS.ErrnoException) => events.push(error.code))
    raw.on('close', (code) => events.push(code))
    socketOf(client).write(frame)
    await ended
    await null // the event comes after the end
    t.same(events, [code, 1006])
  })
}

t.test('an error without a listener does nothing', async (t) => {
  const { client, ended } = await createRaw(t)
  socketOf(client).write(VIOLATIONS.WS_ERR_EXPECTED_MASK)
  await ended
})

t.test('data of any kind is sent as ws sends it', async (t) => {
  const bytes = Buffer.from('bytes')
  const { buffer: memory } = new Uint8Array(bytes)
  const data: [unknown, string | Buffer][] = [
    ['text', 'text'], ['', ''], [bytes, bytes], [memory, bytes], [new DataView(memory, 1, 2), Buffer.from('yt')], [new Uint16Array([0x4142]), Buffer.from('BA')],
    [5, '5'], [0, '0'], [undefined, Buffer.alloc(0)], [null, Buffer.alloc(0)], [[65, 66], Buffer.from('AB')],
    [new Blob(['blob']), Buffer.from('blob')], [new Blob([]), Buffer.alloc(0)], ['after blobs', 'after blobs']
  ]
  const own = await createRaw(t)
  const theirs = await connectWebSockets(t)
  const oracle = new Peer(theirs.client)
  for (const [value, expected] of data) {
    own.raw.send(value)
    theirs.server.send(value as never)
    t.same(await own.peer.next(), expected)
    t.same(await oracle.next(), typeof value === 'number' ? String(value) : expected)
  }
  for (const socket of [own.raw, theirs.server] as any[]) t.throws(() => socket.send({}), TypeError)
})

t.test('binary says whether the data is sent as bytes', async (t) => {
  const { raw, peer } = await createRaw(t)
  raw.send('text', { binary: true })
  raw.send(Buffer.from('bytes'), { binary: false })
  raw.send(new Blob(['blob']), { binary: false })
  t.same([await peer.next(), await peer.next(), await peer.next()], [Buffer.from('text'), 'bytes', 'blob'])
})

t.test('fin sends a message in fragments, and frames of control between them', async (t) => {
  const { raw, client, peer } = await createRaw(t, { perMessageDeflate: {} })
  const pings: string[] = []
  client.on('ping', (data) => pings.push(data.toString()))
  raw.send('x'.repeat(300), { fin: false })
  raw.ping('between')
  raw.send(Buffer.from('y'), { fin: false })
  raw.send('z')
  raw.send('next')
  raw.send(Buffer.from('1'), { fin: false })
  raw.send('2', { fin: true })
  t.same([await peer.next(), await peer.next(), await peer.next()], ['x'.repeat(300) + 'yz', 'next', Buffer.from('12')])
  t.same(pings, ['between'])
})

t.test('compress: false sends a message as it is', async (t) => {
  const { raw, stream, peer } = await createRaw(t, { perMessageDeflate: {} })
  t.equal(raw.extensions, 'permessage-deflate')
  const { bytesWritten } = stream
  raw.send('x'.repeat(1000), { compress: false })
  await peer.next()
  t.equal(stream.bytesWritten - bytesWritten, 1004)
  raw.send('x'.repeat(1000))
  await peer.next()
  t.ok(stream.bytesWritten - bytesWritten < 1100)
})

t.test('mask masks a frame, which a client refuses', async (t) => {
  for (const send of [(raw: SessionWebSocket) => raw.send('x', { mask: true }), (raw: SessionWebSocket) => raw.ping('x', true), (raw: SessionWebSocket) => raw.pong('x', true)]) {
    const { raw, client } = await createRaw(t)
    const failed = once(client, 'error')
    send(raw)
    t.match(await failed, [{ code: 'WS_ERR_UNEXPECTED_MASK' }])
  }
})

t.test('callbacks are called when the data has been written, in order', async (t) => {
  const { raw } = await createRaw(t)
  const calls: string[] = []
  const note = (name: string) => (error?: Error | null): void => { calls.push(error == null ? name : error.message) }
  raw.send('x', note('send'))
  raw.send('x', {}, note('send with options'))
  raw.send(new Blob(['x']), note('blob'))
  raw.ping(note('ping'))
  raw.ping('x', note('ping with data'))
  raw.ping('x', false, note('ping with all'))
  raw.pong(note('pong'))
  raw.pong(5, note('pong with data'))
  raw.pong(new Blob(['x']), false, note('pong with all'))
  await until(() => calls.length === 9)
  t.same(calls, ['send', 'send with options', 'blob', 'ping', 'ping with data', 'ping with all', 'pong', 'pong with data', 'pong with all'])
})

t.test('pings and pongs carry data of any kind, up to 125 bytes', async (t) => {
  const { raw, client } = await createRaw(t)
  const got: string[] = []
  for (const event of ['ping', 'pong'] as const) client.on(event, (data) => got.push(`${event} ${String(data)}`))
  for (const verb of ['ping', 'pong'] as const) {
    for (const data of ['x', Buffer.from('y'), 5, undefined, 'z'.repeat(125)]) raw[verb](data)
    t.throws(() => raw[verb]('z'.repeat(126)), new RangeError('The data size must not be greater than 125 bytes'))
  }
  await until(() => got.length === 10)
  t.same(got, ['ping', 'pong'].flatMap((verb) => [`${verb} x`, `${verb} y`, `${verb} 5`, `${verb} `, `${verb} ${'z'.repeat(125)}`]))
})

t.test('frames keep their place among those of the session, whose held frames they take with them, and bufferedAmount counts held frames', async (t) => {
  const { raw, connection, stream, peer } = await createRaw(t)
  const writes = countWrites(stream)
  connection.sendQueue.send('1')
  t.equal(raw.bufferedAmount, 3)
  raw.send('2')
  t.same([raw.bufferedAmount, writes()], [0, 1])
  connection.sendQueue.send('3')
  t.equal(raw.bufferedAmount, 3)
  t.same([await peer.next(), await peer.next(), await peer.next()], ['1', '2', '3'])
  t.equal(raw.bufferedAmount, 0)
})

t.test('what is sent after a blob waits for it, and counts as buffered', async (t) => {
  const { raw, client, peer } = await createRaw(t)
  const pings: string[] = []
  client.on('ping', (data) => pings.push(data.toString()))
  raw.send(new Blob(['12345']))
  raw.send('678')
  raw.ping('9')
  raw.send(new Blob(['10']))
  t.equal(raw.bufferedAmount, 11)
  raw.close(4001)
  t.same(await peer.rest(), [Buffer.from('12345'), '678', Buffer.from('10')])
  t.same([(await peer.closed).code, pings], [4001, ['9']])
  await until(() => raw.readyState === CLOSED)
  t.equal(raw.bufferedAmount, 0)
})

t.test('a blob whose connection closes meanwhile is not sent after the close frame', async (t) => {
  const { raw, connection, peer } = await createRaw(t)
  const errors: Error[] = []
  raw.send(new Blob(['late']), (error) => errors.push(error))
  raw.send('later', (error) => errors.push(error))
  connection.close(4001, '')
  t.same([await peer.rest(), (await peer.closed).code], [[], 4001])
  t.match(errors, [{ message: /not open/ }, { message: /not open/ }])
  t.equal(raw.bufferedAmount, 9)
})

/** A blob that cannot be read. */
class BrokenBlob extends Blob {
  override arrayBuffer (): Promise<never> { return Promise.reject(new Error('broken')) }
}

t.test('a blob that cannot be read drops the connection, and is no unhandled rejection', async (t) => {
  for (const isCalled of [false, true]) {
    const errors: unknown[] = []
    const callback = isCalled ? (error?: Error): void => { errors.push(error) } : undefined
    const { raw, peer } = await createRaw(t)
    const failed = once(raw, 'error')
    t.same(await unhandledRejections(async () => {
      raw.send(new Blob(['read']))
      raw.send(new BrokenBlob([]), callback)
      raw.send('after it', callback)
      t.match(await failed, [{ message: 'broken' }])
      t.same([await peer.rest(), (await peer.closed).code], [[Buffer.from('read')], 1006])
    }), [])
    t.match(errors, !isCalled ? [] : [{ message: 'broken' }, { message: /not open/ }])
  }
})

t.test('close checks its arguments', async (t) => {
  const { raw, peer } = await createRaw(t)
  for (const code of [0, 999, 1005, 1006, 1015, 2999, 5000, '1000', null] as any[]) {
    t.throws(() => raw.close(code), new TypeError('First argument must be a valid error code number'), String(code))
  }
  t.throws(() => raw.close(1000, 'x'.repeat(124)), new RangeError('The message must not be greater than 123 bytes'))
  t.throws(() => raw.close(1000, Buffer.alloc(124)), RangeError)
  t.equal(raw.readyState, OPEN)
  raw.close(4001, Buffer.from('é'.repeat(61)))
  t.equal(raw.readyState, CLOSING)
  raw.close(0)
  t.same(await peer.closed, { code: 4001, reason: 'é'.repeat(61) })
})

t.test('close without a code sends an empty close frame', async (t) => {
  const { raw, peer } = await createRaw(t)
  raw.close()
  t.same(await peer.closed, { code: 1005, reason: '' })
})

t.test('terminate delivers what was sent', async (t) => {
  const { raw, connection, peer } = await createRaw(t)
  raw.send('1')
  connection.sendQueue.send('2')
  raw.terminate()
  t.same([await peer.rest(), (await peer.closed).code], [['1', '2'], 1006])
})

t.test('on a connection that is not open, nothing is sent: the callback gets an error, and the bytes count, as in ws', async (t) => {
  const { raw, peer, ended } = await createRaw(t)
  const theirs = await connectWebSockets(t)
  const theirEnd = once(theirs.server, 'close')
  const clients = [socketOf(peer.socket), socketOf(theirs.client)]
  for (const state of ['CLOSING', 'CLOSED']) {
    if (state === 'CLOSING') {
      for (const client of clients) client.pause() // so that they do not answer
      for (const socket of [raw, theirs.server]) socket.close(1000)
      await until(() => raw.bufferedAmount === 0)
    } else {
      for (const client of clients) client.resume()
      await Promise.all([ended, theirEnd])
    }
    const results = [raw, theirs.server].map(async (socket: any) => {
      const before = socket.bufferedAmount
      const errors: unknown[] = []
      socket.send('12', (error: Error) => errors.push(error.message))
      t.same(errors, [], 'not at once')
      socket.send(Buffer.from('345'), {}, (error: Error) => errors.push(error.message))
      socket.send('6')
      socket.send(new Blob(['7']), (error: Error) => errors.push(error.message))
      socket.ping('8', (error: Error) => errors.push(error.message))
      socket.pong('x'.repeat(200), false, (error: Error) => errors.push(error.message))
      socket.ping()
      await until(() => errors.length === 5)
      return [socket.bufferedAmount - before, errors]
    })
    const [own, oracle] = await Promise.all(results)
    t.same(own, [208, Array(5).fill(`WebSocket is not open: readyState ${state === 'CLOSING' ? 2 : 3} (${state})`)])
    t.same(own, oracle)
  }
})

t.test('pause, resume and isPaused', async (t) => {
  const { raw, client } = await createRaw(t)
  const messages: string[] = []
  raw.on('message', (data) => messages.push(String(data)))
  raw.pause()
  t.equal(raw.isPaused, true)
  client.send('x')
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  t.same(messages, [])
  raw.resume()
  t.equal(raw.isPaused, false)
  await until(() => messages.length === 1)
})

t.test('pings and pongs of the client are events, with bytes that last', async (t) => {
  const { raw, client } = await createRaw(t)
  const got: Buffer[] = []
  for (const event of ['ping', 'pong']) raw.on(event, (data) => got.push(data))
  socketOf(client).write(Buffer.concat([clientFrame(PING, 'ping'), clientFrame(PING, 'next')]))
  client.pong('pong')
  await until(() => got.length === 3)
  t.same(got.map(String), ['ping', 'next', 'pong'])
})

/** A guarded socket, its client, and the errors that its listeners have thrown. */
async function guarded (t: Test): Promise<{ server: SessionWebSocket, client: WebSocket, failures: unknown[] }> {
  const { raw: server, client } = await createRaw(t)
  const failures: unknown[] = []
  guardListeners(server, (error) => failures.push(error))
  return { server, client, failures }
}

t.test('listeners on a guarded socket are called as on any socket: in order, with `this` and all arguments', async (t) => {
  const { server, client, failures } = await guarded(t)
  const calls: unknown[] = []
  server.on('message', function (this: unknown, ...args) { calls.push(['a', this === server, String(args[0]), ...args.slice(1)]) })
  server.once('message', (data) => { calls.push(['b', String(data)]) })
  server.prependListener('message', (data) => { calls.push(['c', String(data)]) })
  client.send('1')
  await once(server, 'message')
  client.send('2')
  await once(server, 'message')
  t.same(calls, [['c', '1'], ['a', true, '1', false], ['b', '1'], ['c', '2'], ['a', true, '2', false]])
  t.equal(server.listenerCount('message'), 2)
  t.equal(server.emit('message', Buffer.from('3'), false), true)
  t.equal(server.emit('nobody listens to this'), false)
  t.same(failures, [])
})

const FAILURES: Record<string, () => unknown> = {
  throws: () => { throw new Error('from the listener') },
  rejects: async () => { throw new Error('from the listener') }
}

for (const [how, listener] of Object.entries(FAILURES)) {
  t.test(`a listener that ${how} fails the connection, and listeners then get only the end`, async (t) => {
    const { server, client, failures } = await guarded(t)
    const calls: string[] = []
    server.on('ping', listener)
    server.on('ping', () => { calls.push('ping') })
    server.on('message', (data) => { calls.push(String(data)) })
    server.on('error', () => { calls.push('error') })
    server.on('close', () => { calls.push('close') })
    t.same(await unhandledRejections(async () => {
      client.send('1')
      client.ping()
      await until(() => failures.length > 0)
      client.send('2')
      client.ping()
      client.close()
      await once(server, 'close')
    }), [])
    server.emit('error', new Error('emitted'))
    t.same(calls, ['1', 'ping', 'close', 'error'])
    t.match(failures, [{ message: 'from the listener' }])
    t.equal(failures.length, 1)
  })
}

t.test('an error of a `close` listener is reported, too, and the other listeners are called', async (t) => {
  const { server, client, failures } = await guarded(t)
  let isClosed = false
  server.on('close', FAILURES.throws)
  server.on('close', () => { isClosed = true })
  client.close()
  await until(() => isClosed)
  t.match(failures, [{ message: 'from the listener' }])
})

t.test('a socket is guarded once', async (t) => {
  const { server, client, failures } = await guarded(t)
  guardListeners(server, () => { t.fail('it is told') })
  server.on('message', FAILURES.throws)
  client.send('x')
  await until(() => failures.length > 0)
  t.equal(failures.length, 1)
})
