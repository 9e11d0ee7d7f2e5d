import { once } from 'node:events'
import t, { type Test } from 'tap'
import { timers } from '../../lib/base/timers'
import { Connection, type Owner, type ConnectionOptions } from '../../lib/connection/connection'
import { messageReceived, messageSent, subscribe } from '../../lib/observe/channels'
import { Peer } from '../helpers/peer'
import { until } from '../helpers/until'
import { BINARY, clientFrame } from '../helpers/frames'
import { compressionOf, connectClientStream, connectStream, countWrites, MAX_PAYLOAD, socketOf, type StreamPairOptions } from '../helpers/endpoint'
import type { Message } from '../../lib/codec/decode'
import type { ConnectionEnd } from '../../lib/base/connection-end'

const OPTIONS: ConnectionOptions = { maxPayload: MAX_PAYLOAD, receiveHighWaterMark: 1000, sendHighWaterMark: 1000, sendTimeout: 5_000, closeTimeout: 5_000 }

/** The server's Connection, and its client. `ends` are the ends that the Connection has reported. */
async function createPair (t: Test, { secure, perMessageDeflate, observer, ...options }: Partial<ConnectionOptions> & StreamPairOptions & Pick<Owner, 'observer'> = {}) {
  const pair = await connectStream(t, { secure, perMessageDeflate })
  const ends: ConnectionEnd[] = []
  const reports: string[] = []
  let resolve: (end: ConnectionEnd) => void
  const ended = new Promise<ConnectionEnd>((_resolve) => { resolve = _resolve })
  const owner: Owner = {
    finish (end) {
      ends.push(end)
      resolve(end)
    },
    reportLimit: (reason) => { reports.push(reason) },
    observer
  }
  const negotiated = { isServer: true, protocol: 'chat', compression: compressionOf(pair) }
  const socket = new Connection(pair.stream, negotiated, { ...OPTIONS, ...options }, owner)
  return { socket, peer: new Peer(pair.client), stream: pair.stream, ended, ends, reports }
}

const text = (message: Message): string => message.toString()

t.test('incoming messages go to the receive queue, and messages in the send queue go out', async (t) => {
  const { socket, peer } = await createPair(t)
  peer.socket.send('in')
  t.equal(await socket.receiveQueue.receive(text), 'in')
  await socket.sendQueue.send('out')
  t.equal(await peer.next(), 'out')
})

t.test('the receive queue pauses the socket', async (t) => {
  const { socket, peer } = await createPair(t)
  peer.socket.send('a'.repeat(1001))
  peer.socket.ping()
  await once(socket.raw, 'ping')
  t.equal(socket.raw.isPaused, true)
  await socket.receiveQueue.receive(text)
  t.equal(socket.raw.isPaused, false)
})

t.test('small messages in pieces do not pause the socket, also with a pool of buffers as large as in Node 24', async (t) => {
  const { poolSize } = Buffer
  t.teardown(() => { Buffer.poolSize = poolSize })
  Buffer.poolSize = 64 * 1024
  for (let bytes = 0; bytes <= poolSize; bytes += 1024) Buffer.allocUnsafe(1024) // uses up the old pool
  const { socket, peer, stream } = await createPair(t)
  const frame = clientFrame(BINARY, 'hello')
  for (const piece of [frame.subarray(0, 8), frame.subarray(8), frame]) {
    const arrived = once(stream, 'data')
    socketOf(peer.socket).write(piece)
    await arrived
  }
  t.equal(socket.raw.isPaused, false)
  for (let i = 0; i < 2; i++) t.equal(await socket.receiveQueue.receive(text), 'hello')
})

t.test('the state of a connection is that of its endpoint', async (t) => {
  const { socket, ended } = await createPair(t)
  t.equal(socket.state, 'open')
  socket.close(1000, '')
  t.equal(socket.state, 'closing')
  await ended
  t.equal(socket.state, 'closed')
})

t.test('the end of the connection is reported once, with code, reason and wasClean', async (t) => {
  const { socket, peer, ended, ends } = await createPair(t)
  t.equal(socket.end, null)
  peer.socket.close(4001, 'bye')
  const end = await ended
  t.equal(socket.end, end)
  t.match(end, { code: 4001, reason: 'bye', wasClean: true })
  t.equal(end.error.cause, undefined)
  t.equal(await socket.receiveQueue.receive(text).catch((error) => error), end.during('receive'))
  t.equal(await socket.sendQueue.send('late').catch((error) => error), end.during('send'))
  t.same(ends, [end])
})

t.test('a connection that ended without a close frame was not clean', async (t) => {
  const { peer, ended } = await createPair(t)
  peer.socket.terminate()
  t.match(await ended, { code: 1006, reason: '', wasClean: false })
})

t.test('the error that broke the connection is the cause of its end', async (t) => {
  const { peer, ended } = await createPair(t)
  socketOf(peer.socket).write(Buffer.from([0xff, 0xff])) // reserved bits, and an unknown opcode
  const { error } = await ended
  t.match(error.cause, { code: /^WS_ERR_/ })
  t.equal((await peer.closed).code, 1002)
})

t.test('close sends the code, and the reason cut to the limit of a close frame', async (t) => {
  const { socket, peer } = await createPair(t)
  socket.close(4001, 'é'.repeat(62))
  t.same(await peer.closed, { code: 4001, reason: 'é'.repeat(61) })
})

t.test('close without a code sends an empty close frame', async (t) => {
  const { socket, peer } = await createPair(t)
  socket.close(null, '')
  t.match(await peer.closed, { code: 1005, reason: '' })
})

t.test('after close, queued messages and those that still come are dropped', async (t) => {
  const { socket, peer, ended } = await createPair(t)
  peer.socket.send('a'.repeat(1001)) // pauses
  peer.socket.send('late')
  peer.socket.ping()
  await once(socket.raw, 'ping')
  socket.close(4001, '')
  const end = await ended
  t.equal(await socket.receiveQueue.receive(text).catch((error) => error), end.during('receive'))
  t.equal(end.code, 4001)
})

t.test('the handler can catch up after an end that the peer began, not after an end that this side began', async (t) => {
  const ends: Record<string, (socket: Connection, peer: Peer) => void> = {
    close: (_, peer) => peer.socket.close(),
    loss: (_, peer) => peer.socket.terminate(),
    terminate: (socket) => socket.terminate(),
    cutOff: (socket) => socket.cutOff(1008, 'too much')
  }
  for (const [name, end] of Object.entries(ends)) {
    const { socket, peer, ended } = await createPair(t)
    peer.socket.send('1')
    await once(socket.raw, 'message')
    end(socket, peer)
    await ended
    t.equal(socket.receiveQueue.isCatchingUp, ['close', 'loss'].includes(name), name)
  }
})

t.test('terminate writes the sent messages, and ends at once', async (t) => {
  const { socket, peer, ended } = await createPair(t)
  socket.sendQueue.send('last words')
  socket.terminate()
  t.match(await ended, { code: 1006, wasClean: false })
  t.same(await peer.rest(), ['last words'])
})

t.test('a peer that drains nothing for sendTimeout is dropped', async (t) => {
  const { socket, peer, ended } = await createPair(t, { sendTimeout: 40 })
  peer.socket.pause()
  for (let n = 0; n < 500; n++) socket.sendQueue.post(Buffer.alloc(64 * 1024))
  t.match(await ended, { code: 1006, wasClean: false })
})

t.test('a ping resolves with the milliseconds to its pong', async (t) => {
  const { socket } = await createPair(t)
  const before = performance.now()
  const time = await socket.ping()
  t.ok(time > 0 && time <= performance.now() - before, String(time))
})

t.test('a pong settles its ping and the pings before, and leaves the pings after', async (t) => {
  const { socket, peer, ended } = await createPair(t)
  const pings: Buffer[] = []
  ;(peer.socket as any)._autoPong = false
  peer.socket.on('ping', (data) => pings.push(data))
  const [first, second, third] = [socket.ping(), socket.ping(), socket.ping()]
  while (pings.length < 3) await once(peer.socket, 'ping')
  peer.socket.pong(pings[1])
  const [a, b] = await Promise.all([first, second])
  t.ok(a >= b)
  peer.socket.close()
  t.equal(await third.catch((error) => error), (await ended).during('ping'))
})

t.test('pongs that answer no ping are ignored', async (t) => {
  const { socket, peer } = await createPair(t)
  for (const data of ['', '0', '1', 'pong']) peer.socket.pong(data)
  peer.socket.send('after them')
  await socket.receiveQueue.receive(text)
  ;(peer.socket as any)._autoPong = false
  let settled = false
  socket.ping().then(() => { settled = true })
  const [data] = await once(peer.socket, 'ping')
  for (const other of ['', '0', '2', '1e3', 'pong']) peer.socket.pong(other)
  peer.socket.send('after them')
  await socket.receiveQueue.receive(text)
  t.equal(settled, false)
  peer.socket.pong(data)
  peer.socket.send('after it')
  await socket.receiveQueue.receive(text)
  t.equal(settled, true)
})

t.test('a ping ends with the connection: begun before it closes, while it closes, and after', async (t) => {
  const { socket, peer, ended } = await createPair(t)
  ;(peer.socket as any)._autoPong = false
  const pings = [socket.ping()]
  socket.close(4001, '')
  pings.push(socket.ping())
  const end = await ended
  pings.push(socket.ping())
  for (const ping of pings) t.equal(await ping.catch((error) => error), end.during('ping'))
})

t.test('cutOff closes with a reason, and leaves the messages that have arrived', async (t) => {
  const { socket, peer, ended, reports } = await createPair(t)
  for (const message of ['first', 'second']) peer.socket.send(message)
  peer.socket.ping()
  await once(socket.raw, 'ping')
  socket.cutOff(1008, 'enough')
  socket.cutOff(1001, 'too late')
  peer.socket.send('late')
  t.same(await peer.closed, { code: 1008, reason: 'enough' })
  t.equal((await ended).code, 1008)
  t.equal(await socket.receiveQueue.receive(text), 'first')
  t.equal(await socket.receiveQueue.receive(text), 'second')
  t.equal(await socket.receiveQueue.receive(text).catch((error) => error), (await ended).during('receive'))
  t.same(reports, ['enough'])
})

t.test('lose drops the connection, and reports the reason', async (t) => {
  const { socket, ended, reports } = await createPair(t)
  socket.lose('gone')
  t.match((await ended).error, { closeCode: 1006, wasClean: false, cause: { message: 'gone' } })
  t.same(reports, ['gone'])
})

t.test('a too large message ends the connection, which reports the reason once', async (t) => {
  const { socket, peer, ended, reports } = await createPair(t)
  socketOf(peer.socket).write(Buffer.from([0x82, 0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
  const { reason } = await peer.closed
  t.equal(reason, `message larger than ${MAX_PAYLOAD} bytes`)
  t.match(await ended, { error: { cause: { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' } } })
  t.same(reports, [reason])
  t.equal(socket.state, 'closed')
})

t.test('a violation that ends no open connection is no limit', async (t) => {
  const { socket, peer, ended, reports } = await createPair(t)
  socket.close(4001, '')
  socketOf(peer.socket).write(Buffer.from([0x82, 0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
  t.equal((await peer.closed).code, 4001)
  await ended
  t.same(reports, [])
})

t.test('raw is made once, with what the handshake has agreed on, and gets what arrives from then on', async (t) => {
  for (const perMessageDeflate of [undefined, {}]) {
    const { socket, peer, ended } = await createPair(t, { perMessageDeflate, idleTimeout: 60_000 })
    peer.socket.send('before')
    t.equal(await socket.receiveQueue.receive(text), 'before')
    const { raw } = socket
    t.equal(socket.raw, raw)
    t.same([raw.protocol, raw.extensions], ['chat', perMessageDeflate === undefined ? '' : 'permessage-deflate'])
    const calls: unknown[] = []
    raw.on('message', (data, isBinary) => calls.push([String(data), isBinary]))
    for (const event of ['ping', 'pong']) raw.on(event, (data) => calls.push([event, String(data)]))
    raw.on('close', (code, reason) => calls.push([code, String(reason), socket.end?.code]))
    peer.socket.send('x'.repeat(300))
    peer.socket.send(Buffer.from('bytes'))
    peer.socket.ping('ping')
    peer.socket.pong('pong')
    peer.socket.close(4001, 'bye')
    await ended
    t.same(calls, [['x'.repeat(300), false], ['bytes', true], ['ping', 'ping'], ['pong', 'pong'], [4001, 'bye', 4001]])
    t.equal(await socket.receiveQueue.receive(text), 'x'.repeat(300))
  }
})

t.test('raw emits the error of a violation', async (t) => {
  const { socket, peer } = await createPair(t)
  const failed = once(socket.raw, 'error')
  socketOf(peer.socket).write(Buffer.from([0xff, 0xff]))
  t.match(await failed, [{ code: 'WS_ERR_UNEXPECTED_RSV_2_3' }])
})

t.test('a beat after the peer has ended its side leaves the bytes that wait', async (t) => {
  const { socket, peer, stream, ended } = await createPair(t)
  socketOf(peer.socket).pause()
  const sending = socket.sendQueue.send(Buffer.alloc(8 * 1024 * 1024))
  socketOf(peer.socket).end()
  await once(stream, 'end')
  socket.beat()
  socketOf(peer.socket).resume()
  t.equal((await peer.next()).length, 8 * 1024 * 1024)
  await sending
  t.match(await ended, { code: 1006, error: { cause: undefined } })
})

t.test('a close frame that the peer has not taken is not sent: the end was not clean', async (t) => {
  const { socket, peer, ended } = await createPair(t, { closeTimeout: 50 })
  socketOf(peer.socket).pause()
  socket.sendQueue.post(Buffer.alloc(8 * 1024 * 1024))
  peer.socket.close(4001, 'bye')
  t.match(await ended, { code: 4001, reason: 'bye', wasClean: false })
})

t.test('a paused client sends signs of life', async (t) => {
  const pair = await connectClientStream(t)
  const ended = new Promise((resolve) => {
    const socket = new Connection(pair.stream, { isServer: false, protocol: '', compression: null }, OPTIONS, { finish: resolve })
    pair.client.once('pong', () => socket.terminate())
  })
  pair.client.send('x'.repeat(1001))
  t.match(await ended, { code: 1006 })
  await until(() => timers.size === 0)
})

t.test('the heartbeat, the idle timeout and the rate limit follow the options, and end with the connection', async (t) => {
  const heartbeat = { interval: 20, timeout: 5_000 }
  const { socket, peer, ended, reports } = await createPair(t, { heartbeat, idleTimeout: 5_000, rateLimit: { messages: 2, interval: 60_000 } })
  t.equal(timers.size, 2)
  t.same(await once(peer.socket, 'ping'), [Buffer.from('0')])
  const roundTrip = socket.ping()
  t.same(await once(peer.socket, 'ping'), [Buffer.from('1')])
  await roundTrip
  t.same(await once(peer.socket, 'ping'), [Buffer.from('1')], 'as that of the session before it')
  for (let n = 0; n < 3; n++) peer.socket.send(String(n))
  t.same(await peer.closed, { code: 1008, reason: 'rate limit exceeded: 2 per 60000 ms' })
  t.match(await ended, { code: 1008 })
  t.equal(await socket.receiveQueue.receive(text), '0')
  t.equal(await socket.receiveQueue.receive(text), '1')
  t.same(reports, ['rate limit exceeded: 2 per 60000 ms'])
  t.equal(timers.size, 0)
})

t.test('frames of one turn leave in one write', async (t) => {
  const { socket, peer, stream } = await createPair(t)
  const writes = countWrites(stream)
  for (let n = 0; n < 10; n++) socket.sendQueue.send(String(n))
  await Promise.resolve()
  socket.sendQueue.send('10')
  for (let n = 0; n <= 10; n++) t.equal(await peer.next(), String(n))
  t.equal(writes(), 1)
})

t.test('a connection counts its messages, and tells them to the observer of its owner while somebody listens', async (t) => {
  const told: unknown[] = []
  const observer = {
    received: (owner: unknown, ...message: unknown[]) => { told.push(['received', owner, ...message]) },
    sent: (owner: unknown, ...message: unknown[]) => { told.push(['sent', owner, ...message]) }
  }
  const { socket, peer } = await createPair(t, { observer: observer as any, rateLimit: { messages: 3, interval: 3_600_000 } })
  const talk = async (): Promise<void> => {
    await peer.send('é')
    await socket.receiveQueue.receive(text)
    await socket.sendQueue.send(Buffer.alloc(3))
    await peer.next()
  }
  await talk()
  t.same(told, [])
  for (const channel of [messageReceived, messageSent]) t.teardown(subscribe(channel as never, () => {}))
  await talk()
  t.same(told, [['received', socket.owner, 2, true], ['sent', socket.owner, 3, false]])
  for (const message of ['1', 'over the limit']) await peer.send(message)
  await peer.closed
  t.same(told.slice(2), [['received', socket.owner, 1, true]])
  t.same(socket.traffic, { received: { messages: 3, bytes: 5 }, sent: { messages: 2, bytes: 6 } })
  t.same([socket.sentCode, socket.hasFailed, socket.isLost], [1008, false, false])
})

t.test('a connection tells how this side has ended it', async (t) => {
  const failed = await createPair(t)
  await failed.peer.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0]))
  await failed.ended
  t.same([failed.socket.sentCode, failed.socket.hasFailed], [1002, true])

  const answered = await createPair(t)
  await answered.peer.close(4000)
  await answered.ended
  t.same([answered.socket.sentCode, answered.socket.hasFailed], [null, false])

  const lost = await createPair(t)
  lost.socket.lose('gone')
  await lost.ended
  t.same([lost.socket.sentCode, lost.socket.isLost], [null, true])
})
