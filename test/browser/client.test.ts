import t from 'tap'
import { PlatformClient } from '../../lib/browser/client'
import { FakeSocket } from '../helpers/fake-socket'

function create (options: object = {}): { socket: FakeSocket, client: PlatformClient } {
  const socket = new FakeSocket().open()
  return { socket, client: new PlatformClient(socket, options) }
}

t.test('by default, a client receives text and sends any value', async (t) => {
  const { socket, client } = create()
  socket.receive('{}')
  t.equal(await client.receive(), '{}')
  await client.send({ a: 1 })
  t.same(socket.sent, ['{"a":1}'])
  socket.receive(new ArrayBuffer(1))
  await t.rejects(client.receive(), { name: 'WebSocketDecodeError' })
})

t.test('valueType sets both types, receiveType and sendType one', async (t) => {
  const both = create({ valueType: 'json' })
  both.socket.receive('[1]')
  t.same(await both.client.receive(), [1])
  await both.client.send('text')
  const each = create({ valueType: 'json', receiveType: 'integer', sendType: 'boolean' })
  each.socket.receive('5')
  t.equal(await each.client.receive(), 5)
  await each.client.send(true)
  await t.rejects(each.client.send('text'), { name: 'WebSocketEncodeError' })
  t.same([...both.socket.sent, ...each.socket.sent], ['"text"', 'true'])
})

t.test('receiveTimeout limits each receive without a timeout of its own', async (t) => {
  const { socket, client } = create({ receiveTimeout: 5 })
  await t.rejects(client.receive(), { name: 'WebSocketTimeoutError', message: 'no message within 5 ms' })
  const patient = client.receive({ timeout: 10_000 })
  await t.rejects(client.receive(), { name: 'WebSocketTimeoutError' })
  socket.receive('text')
  t.equal(await patient, 'text')
})

t.test('state is that of the connection', async (t) => {
  const { socket, client } = create()
  t.equal(client.state, 'open')
  const closing = client.close(4001, 'bye')
  t.equal(client.state, 'closing')
  t.same(socket.closes, [[4001, 'bye']])
  socket.end(4001, 'bye')
  await closing
  t.equal(client.state, 'closed')
})

t.test('signal aborts at the end, with the disconnect as its reason', async (t) => {
  const { socket, client } = create()
  const { signal } = client
  t.ok(signal instanceof AbortSignal)
  t.equal(signal.aborted, false)
  socket.end(4001, 'bye')
  t.equal(signal.aborted, true)
  t.match(signal.reason, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye' })
})
