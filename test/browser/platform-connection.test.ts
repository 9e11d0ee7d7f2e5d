import t from 'tap'
import { PlatformConnection } from '../../lib/browser/platform-connection'
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

function create ({ receiveLimit = 1000 } = {}): Scene {
  const socket = new FakeSocket().open()
  const ends: ConnectionEnd['info'][] = []
  const connection = new PlatformConnection(socket, { sendHighWaterMark: 1000, receiveLimit }, { finish: ({ info }) => ends.push(info) })
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
  for (const [readyState, state] of ['connecting', 'open', 'closing', 'closing'].entries()) {
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

t.test('abandon closes, and ends at once as after a lost connection', async (t) => {
  const { socket, connection, ends, receive } = create()
  socket.receive('waits')
  connection.abandon(4408, 'too late')
  t.strictSame(socket.closes, [[4408, 'too late']])
  t.strictSame(ends, [LOST])
  await t.rejects(receive(), { name: 'WebSocketDisconnect', closeCode: 1006 })
  t.equal(runningTimers(), 0)
})
