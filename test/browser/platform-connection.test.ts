import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PlatformConnection, type PlatformConnectionOptions } from '../../lib/browser/platform-connection'
import { FakeSocket } from '../helpers/fake-socket'
import { stopTimers } from '../helpers/stopped-timers'
import { runningTimers } from '../helpers/timers'
import type { ConnectionEnd } from '../../lib/base/connection-end'

interface Scene {
  socket: FakeSocket
  connection: PlatformConnection
  /** The ends that the owner has been told. */
  ends: ConnectionEnd['info'][]
  receive (): Promise<unknown>
}

function create (options: PlatformConnectionOptions = { receiveLimit: 1000, sendHighWaterMark: 1000 }): Scene {
  const socket = new FakeSocket().open()
  const ends: ConnectionEnd['info'][] = []
  const connection = new PlatformConnection(socket, options, { finish: ({ info }) => ends.push(info) })
  return { socket, connection, ends, receive: () => connection.receiveQueue.receive((message) => message) }
}

const LOST = { code: 1006, reason: '', wasClean: false }

t.test('text arrives as text, and bytes as a Uint8Array over the memory of the platform', async (t) => {
  const { socket, receive } = create()
  const memory = Uint8Array.of(1, 2, 3).buffer
  socket.receive('text')
  socket.receive(memory)
  t.equal(await receive(), 'text')
  const bytes = await receive() as Uint8Array
  t.equal(bytes.constructor, Uint8Array)
  t.equal(bytes.buffer, memory)
})

t.test('state and protocol are those of the socket', async (t) => {
  const { socket, connection } = create()
  socket.protocol = 'chat.v1'
  t.equal(connection.protocol, 'chat.v1')
  for (const [readyState, state] of [[1, 'open'], [2, 'closing'], [3, 'closing']] as const) {
    socket.readyState = readyState
    t.equal(connection.state, state)
  }
  socket.end(1000)
  t.equal(connection.state, 'closed')
})

t.test('the owner is told once how the connection has ended', async (t) => {
  const { socket, connection, ends } = create()
  t.equal(connection.end, null)
  socket.end(4001, 'bye')
  socket.end(4002)
  t.strictSame(ends, [{ code: 4001, reason: 'bye', wasClean: true }])
  t.strictSame(connection.end!.info, ends[0])
})

t.test('an end with the code 0, as in Deno, is an end without a close frame', async (t) => {
  const { socket, ends } = create()
  socket.end(0, '', false)
  t.strictSame(ends, [LOST])
})

t.test('close passes the code and the reason, cut to what fits a frame', async (t) => {
  const { socket, connection } = create()
  connection.close(4001, 'é'.repeat(100))
  t.strictSame(socket.closes, [[4001, 'é'.repeat(61)]])
  const other = create()
  other.connection.close(null, '')
  t.strictSame(other.socket.closes, [[]])
  socket.end(4001)
  other.socket.end(1005)
  t.equal(runningTimers(), 0)
})

t.test('a close that nobody answers is forced after 5 s, and a later event changes nothing', async (t) => {
  const pass = stopTimers(t)
  const { socket, connection, ends } = create()
  connection.close(1000, '')
  pass(3_000)
  connection.close(1000, '')
  pass(1_999)
  t.equal(connection.state, 'closing')
  pass(1)
  t.equal(connection.state, 'closed')
  socket.end(1000)
  t.strictSame(ends, [LOST])
})

t.test('a connection that fails ends with the event close, or after 5 s where there is none', async (t) => {
  const pass = stopTimers(t)
  const [told, untold] = [create(), create()]
  told.socket.fail()
  untold.socket.fail()
  told.socket.end(1006, 'for a reason', false)
  t.strictSame(told.ends, [{ code: 1006, reason: 'for a reason', wasClean: false }])
  pass(4_999)
  t.strictSame(untold.ends, [])
  pass(1)
  t.strictSame(untold.ends, [LOST])
})

t.test('after its own close, the connection takes neither waiting messages nor later ones', async (t) => {
  const { socket, connection, receive } = create()
  socket.receive('waits')
  const [first, second] = [receive(), receive()]
  t.equal(await first, 'waits')
  socket.receive('taken')
  t.equal(await second, 'taken')
  socket.receive('waits again')
  connection.close(4001, '')
  socket.receive('late')
  const third = receive()
  socket.end(4001)
  await t.rejects(third, { name: 'WebSocketDisconnect', closeCode: 4001 })
  await t.rejects(connection.sendQueue.send('late'), { name: 'WebSocketDisconnect' })
})

t.test('before an end that the server began, messages can be taken, and meanwhile send has no effect', async (t) => {
  const { socket, connection, receive } = create()
  socket.receive('1')
  socket.end(1000)
  await connection.sendQueue.send('saved')
  t.equal(await receive(), '1')
  await t.rejects(receive(), { name: 'WebSocketDisconnect', closeCode: 1000 })
  await t.rejects(connection.sendQueue.send('late'), { name: 'WebSocketDisconnect', closeCode: 1000 })
  t.strictSame(socket.sent, [])
})

t.test('above receiveLimit, the connection is closed with 4008; the waiting messages can be taken, later ones are dropped', async (t) => {
  const { socket, receive } = create({ receiveLimit: 400 })
  socket.receive('a'.repeat(200))
  socket.receive(new ArrayBuffer(200))
  t.strictSame(socket.closes, [], 'at the limit')
  socket.receive('')
  t.strictSame(socket.closes, [[4008, 'more messages wait than receiveLimit allows']], 'an empty message takes memory, too')
  socket.receive('late')
  for (const length of [200, 200, 0]) t.equal((await receive() as string).length, length)
  const next = receive()
  socket.end(4008, 'more messages wait than receiveLimit allows')
  await t.rejects(next, { name: 'WebSocketDisconnect', closeCode: 4008 })
})

t.test('finish ends the connection at once, as after a lost connection', async (t) => {
  const { socket, connection, ends, receive } = create()
  socket.receive('waits')
  connection.close(4408, 'too late')
  connection.finish()
  t.strictSame(socket.closes, [[4408, 'too late']])
  t.strictSame(ends, [LOST])
  await t.rejects(receive(), { name: 'WebSocketDisconnect', closeCode: 1006 })
  t.equal(runningTimers(), 0)
})

/** Resolves with `'pending'` if `promise` does not settle within this turn and the next. */
async function stateOf (promise: Promise<void>): Promise<string> {
  return await Promise.race([promise.then(() => 'resolved', () => 'rejected'), setImmediate('pending')])
}

t.test('send resolves at once while at most highWaterMark bytes are buffered', async (t) => {
  const { socket, connection } = create()
  socket.bufferedAmount = 1000
  t.equal(await stateOf(connection.send('a')), 'resolved')
  t.equal(connection.bufferedAmount, 1000)
  socket.bufferedAmount = 1001
  const waiting = [connection.send('b'), connection.send('c')]
  for (const sent of waiting) t.equal(await stateOf(sent), 'pending')
  t.same(socket.sent, ['a', 'b', 'c'], 'the messages are sent at once')
  socket.bufferedAmount = 1000
  await Promise.all(waiting)
})

t.test('sends that wait resolve when the bytes have drained, and later ones wait anew', async (t) => {
  const { socket, connection } = create()
  for (let round = 0; round < 2; round++) {
    socket.bufferedAmount = 5000
    const sent = connection.send('a')
    t.equal(await stateOf(sent), 'pending')
    socket.bufferedAmount = 0
    await sent
  }
  t.equal(runningTimers(), 0)
})

t.test('sends on a socket that is closing are not sent, wait for the end, and reject', async (t) => {
  const pass = stopTimers(t)
  const { socket, connection } = create()
  socket.bufferedAmount = 5000
  const before = connection.send('a')
  socket.readyState = 2
  const after = connection.send('b')
  socket.bufferedAmount = 0
  pass(1_000) // many looks at the buffered bytes
  for (const sent of [before, after]) t.equal(await stateOf(sent), 'pending')
  socket.end(4001, 'bye')
  for (const sent of [before, after]) await t.rejects(sent, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  t.same(socket.sent, ['a'])
})

t.test('sends that wait resolve at an end before which messages wait, and so do later ones in another task', async (t) => {
  const { socket, connection, receive } = create()
  socket.receive('1')
  socket.readyState = 2
  const waiting = connection.send('a')
  socket.end(4001)
  await waiting
  let hasResolved = false
  const late = connection.send('b').then(() => { hasResolved = true })
  for (let n = 0; n < 10; n++) await null
  t.equal(hasResolved, false)
  await late
  t.equal(await receive(), '1')
  await t.rejects(receive())
  await t.rejects(connection.send('c'), { name: 'WebSocketDisconnect', closeCode: 4001 })
  t.same(socket.sent, [])
})

t.test('by default, 64 KiB may be buffered and 1 MiB may wait to be taken', async (t) => {
  const { socket, connection } = create({})
  socket.bufferedAmount = 65_536
  t.equal(await stateOf(connection.send('a')), 'resolved')
  socket.bufferedAmount++
  t.equal(await stateOf(connection.send('a')), 'pending')
  for (const bytes of [1_048_576, 1]) {
    t.same(socket.closes, [])
    socket.receive(new ArrayBuffer(bytes))
  }
  t.match(socket.closes, [[4008]])
  socket.end(4008)
})

t.test('bytes in memory that a WebSocket does not take are copied, other bytes are not', async (t) => {
  const { socket, connection } = create()
  const plain = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(4), 1, 2)
  const resizable = new Uint8Array(new (ArrayBuffer as any)(4, { maxByteLength: 8 }), 1, 2)
  for (const bytes of [plain, shared, resizable]) {
    bytes.set([2, 3])
    await connection.send(bytes)
  }
  t.equal(socket.sent[0], plain)
  for (const sent of socket.sent as Uint8Array[]) t.same([...sent], [2, 3])
  for (const { buffer } of socket.sent.slice(1) as any[]) t.same([buffer.constructor.name, buffer.byteLength, buffer.resizable], ['ArrayBuffer', 2, false])
})
