import { once } from 'node:events'
import t, { type Test } from 'tap'
import { readsWholeMessages } from '../../lib/protocol/receiver'
import { ChannelWebSocket, guardListeners, SessionWebSocket } from '../../lib/protocol/websocket'
import type { Socket } from 'node:net'
import ws, { type WebSocket } from 'ws'
import { Peer } from '../helpers/peer'
import { connectWebSockets } from '../helpers/websocket-pair'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'

const SENDS: Record<string, (socket: SessionWebSocket) => void> = {
  send: (socket) => socket.send('sent'),
  'send with options and a callback': (socket) => socket.send('sent', { binary: true }, () => {}),
  ping: (socket) => socket.ping('sent'),
  pong: (socket) => socket.pong('sent'),
  'pong, in answer to a ping': (socket) => socket.pong('sent', false, () => {}),
  close: (socket) => socket.close(4001, 'sent')
}

for (const [name, send] of Object.entries(SENDS)) {
  t.test(`${name}: held frames are released first`, async (t) => {
    const { server, stream, client } = await connectWebSockets(t, { WebSocket: SessionWebSocket })
    const events: string[] = []
    const socket = server as SessionWebSocket
    socket.held = { release: () => { stream.write(Buffer.from([0x81, 4, 0x68, 0x65, 0x6c, 0x64])) } }
    client.on('message', (data) => events.push(`message ${String(data)}`))
    client.on('ping', (data) => events.push(`ping ${String(data)}`))
    client.on('pong', (data) => events.push(`pong ${String(data)}`))
    client.on('close', (code, reason) => events.push(`close ${code} ${String(reason)}`))
    send(socket)
    await until(() => events.length === 2)
    const expected = { send: 'message sent', ping: 'ping sent', pong: 'pong sent', close: 'close 4001 sent' }
    t.same(events, ['message held', expected[name.split(/[ ,]/)[0] as keyof typeof expected]])
  })
}

t.test('the receiver of ws reads everything where ws does not call setSocket', async (t) => {
  class Older extends SessionWebSocket {
    // `ws` itself calls its own method here.
    override setSocket (...args: unknown[]): void {
      (ws.prototype as unknown as { setSocket: Function }).setSocket.apply(this, args)
    }
  }
  const { server, client } = await connectWebSockets(t, { WebSocket: Older })
  t.equal(readsWholeMessages(server), false)
  const received = once(server, 'message')
  client.send('whole')
  t.equal(String((await received)[0]), 'whole')
  const closed = once(server, 'close')
  client.close(4001, 'done')
  t.equal((await closed)[0], 4001)
})

t.test('isTerminated says whether this side has dropped the connection', async (t) => {
  const { server, client } = await connectWebSockets(t, { WebSocket: SessionWebSocket })
  const socket = server as SessionWebSocket
  t.equal(socket.isTerminated, false)
  socket.terminate()
  t.equal(socket.isTerminated, true)
  await once(client, 'close')
})

/** The header of a message of 4 GiB, masked. */
const HUGE = Buffer.from([0x82, 0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])

for (const kind of [ChannelWebSocket, SessionWebSocket]) {
  t.test(`a too large message is answered with the limit: ${kind.name}`, async (t) => {
    const { server, client } = await connectWebSockets(t, { WebSocket: kind })
    const failed = once(server, 'error')
    const closed = new Peer(client).closed
    ;(client as unknown as { _socket: Socket })._socket.write(HUGE)
    t.match(await failed, [RangeError])
    const reason = `message larger than ${100 * 1024 * 1024} bytes` // the limit of `ws`
    t.same(await closed, { code: 1009, reason })
    t.equal((server as ChannelWebSocket).oversize, reason)
  })

  t.test(`a close with 1009 by the user stays unchanged: ${kind.name}`, async (t) => {
    const { server, client } = await connectWebSockets(t, { WebSocket: kind })
    const { closed } = new Peer(client)
    server.close(1009)
    t.same(await closed, { code: 1009, reason: '' })
    t.equal((server as ChannelWebSocket).oversize, undefined)
  })
}

/** A connection, and the pongs that come back. */
async function connectPinging (t: Test) {
  const { server, stream, client } = await connectWebSockets(t, { WebSocket: SessionWebSocket, maxPendingAutoPongs: 0 })
  const pongs: string[] = []
  client.on('pong', (data) => pongs.push(data.toString()))
  return { server, stream, client, pongs }
}

/** Sends pings in one write, so that they arrive together. */
function pingTogether (client: WebSocket, count: number): void {
  const { _socket: socket } = client as unknown as { _socket: Socket }
  socket.cork()
  for (let n = 1; n <= count; n++) client.ping(String(n))
  socket.uncork()
}

t.test('pings that come together are all answered in order, up to MAX_PONGS', async (t) => {
  const { client, pongs } = await connectPinging(t)
  pingTogether(client, 50)
  await until(() => pongs.length === 50)
  t.same(pongs, Array.from({ length: 50 }, (_, n) => String(n + 1)))
})

t.test('the last ping of a flood is answered, and the client stays connected', async (t) => {
  const { server, client, pongs } = await connectPinging(t)
  for (let round = 1; round <= 2; round++) {
    pingTogether(client, 5_000)
    await until(() => pongs.at(-1) === '5000')
    t.ok(pongs.length < 1_000, `${pongs.length} pongs`)
    pongs.length = 0
  }
  t.equal(server.readyState, server.OPEN)
})

t.test('for a client that pings and does not read, few pongs wait; when it reads, the last one is answered', async (t) => {
  const { server, stream, client, pongs } = await connectPinging(t)
  client.pause()
  stream.cork() // as if the kernel took nothing
  let arrived = 0
  server.on('ping', () => { arrived++ })
  for (let round = 0; round < 10; round++) pingTogether(client, 1_000)
  await until(() => arrived === 10_000)
  t.ok(server.bufferedAmount < 1_000, `${server.bufferedAmount} bytes`)
  stream.uncork()
  client.resume()
  await until(() => pongs.length === 61)
  t.equal(pongs.at(-1), '1000')
})

t.test('unsolicited pongs are not limited, and do not count as answers to pings', async (t) => {
  const { server, client, pongs } = await connectPinging(t)
  for (let n = 0; n < 200; n++) server.pong(String(n))
  await until(() => pongs.length === 200)
  client.ping('ping')
  await until(() => pongs.length === 201)
  t.equal(pongs.at(-1), 'ping')
})

t.test('without held frames, the socket behaves like a ws socket', async (t) => {
  const { server, client } = await connectWebSockets(t, { WebSocket: SessionWebSocket })
  const peer = new Peer(client)
  server.send('text')
  server.ping()
  server.pong()
  server.send(Buffer.from('bytes'))
  t.equal(await peer.next(), 'text')
  t.same(await peer.next(), Buffer.from('bytes'))
  server.close(4001, 'bye')
  t.same(await peer.closed, { code: 4001, reason: 'bye' })
})

/** A guarded socket, its client, and the errors that its listeners have thrown. */
async function guarded (t: Test): Promise<{ server: WebSocket, client: WebSocket, failures: unknown[] }> {
  const { server, client } = await connectWebSockets(t, { WebSocket: SessionWebSocket })
  const failures: unknown[] = []
  guardListeners(server as never, (error) => failures.push(error))
  return { server, client, failures }
}

t.test('listeners on a guarded socket are called as on any socket: in order, with `this` and all arguments', async (t) => {
  const { server, client, failures } = await guarded(t)
  const calls: unknown[] = []
  server.on('message', function (...args) { calls.push(['a', this === server, String(args[0]), ...args.slice(1)]) })
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
  guardListeners(server as never, () => { t.fail('it is told') })
  server.on('message', FAILURES.throws)
  client.send('x')
  await until(() => failures.length > 0)
  t.equal(failures.length, 1)
})
