import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { ConnectionEnd } from '../../lib/base/connection-end'
import { PlatformSendQueue } from '../../lib/browser/platform-send-queue'
import { FakeSocket } from '../helpers/fake-socket'
import { stopTimers } from '../helpers/stopped-timers'
import { runningTimers } from '../helpers/timers'

const END = new ConnectionEnd(4001, 'bye', true)

function create (): { socket: FakeSocket, queue: PlatformSendQueue } {
  const socket = new FakeSocket().open()
  return { socket, queue: new PlatformSendQueue(socket, 1000) }
}

/** Resolves with `'pending'` if `promise` does not settle within this turn and the next. */
async function stateOf (promise: Promise<void>): Promise<string> {
  return await Promise.race([promise.then(() => 'resolved', () => 'rejected'), setImmediate('pending')])
}

t.test('send resolves at once while at most highWaterMark bytes are buffered', async (t) => {
  const { socket, queue } = create()
  socket.bufferedAmount = 1000
  t.equal(await stateOf(queue.send('a')), 'resolved')
  t.equal(queue.bufferedAmount, 1000)
  socket.bufferedAmount = 1001
  const waiting = [queue.send('b'), queue.send('c')]
  for (const sent of waiting) t.equal(await stateOf(sent), 'pending')
  t.same(socket.sent, ['a', 'b', 'c'], 'the messages are sent at once')
  socket.bufferedAmount = 1000
  await Promise.all(waiting)
})

t.test('sends that wait resolve when the bytes have drained, and later ones wait anew', async (t) => {
  const { socket, queue } = create()
  for (let round = 0; round < 2; round++) {
    socket.bufferedAmount = 5000
    const sent = queue.send('a')
    t.equal(await stateOf(sent), 'pending')
    socket.bufferedAmount = 0
    await sent
  }
  t.equal(runningTimers(), 0)
})

t.test('sends on a socket that is closing are not sent, wait for the end, and reject', async (t) => {
  const pass = stopTimers(t)
  const { socket, queue } = create()
  socket.bufferedAmount = 5000
  const before = queue.send('a')
  socket.readyState = 2
  const after = queue.send('b')
  socket.bufferedAmount = 0
  pass(1_000) // many looks at the buffered bytes
  for (const sent of [before, after]) t.equal(await stateOf(sent), 'pending')
  queue.end(END, { isCatchingUp: false })
  for (const sent of [before, after]) await t.rejects(sent, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  t.same(socket.sent, ['a'])
})

t.test('sends that wait resolve at an end before which messages wait, and so do later ones in another task', async (t) => {
  const { socket, queue } = create()
  socket.readyState = 2
  const waiting = queue.send('a')
  const taker = { isCatchingUp: true }
  queue.end(END, taker)
  await waiting
  let hasResolved = false
  const late = queue.send('b').then(() => { hasResolved = true })
  for (let n = 0; n < 10; n++) await null
  t.equal(hasResolved, false)
  await late
  taker.isCatchingUp = false
  await t.rejects(queue.send('c'), { name: 'WebSocketDisconnect', closeCode: 4001 })
  t.same(socket.sent, [])
})

t.test('an end without waiting sends settles nothing', async (t) => {
  for (const isCatchingUp of [true, false]) {
    const { queue } = create()
    queue.end(END, { isCatchingUp })
  }
  t.equal(runningTimers(), 0)
})

t.test('bytes in memory that a WebSocket does not take are copied, other bytes are not', async (t) => {
  const { socket, queue } = create()
  const plain = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(4), 1, 2)
  const resizable = new Uint8Array(new (ArrayBuffer as any)(4, { maxByteLength: 8 }), 1, 2)
  for (const bytes of [plain, shared, resizable]) {
    bytes.set([2, 3])
    await queue.send(bytes)
  }
  t.equal(socket.sent[0], plain)
  for (const sent of socket.sent as Uint8Array[]) t.same([...sent], [2, 3])
  for (const { buffer } of socket.sent.slice(1) as any[]) t.same([buffer.constructor.name, buffer.byteLength, buffer.resizable], ['ArrayBuffer', 2, false])
})
