import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { constants, deflateRawSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { connectStreams } from '../../lib/client/duplex-pair'
import { CLOSED, CLOSING, OPEN, type Endpoint } from '../../lib/protocol/endpoint'
import { multicast } from '../../lib/protocol/multicast'
import { PreparedMessage, type Batch } from '../../lib/protocol/prepared-message'
import { compressionOf, connectClientStream, countWrites, createEndpoint, ownEndpoint, socketOf, type Owned, type StreamPair } from '../helpers/endpoint'
import { clientFrame, CLOSE, closePayload, PING, PONG, TEXT } from '../helpers/frames'
import { Peer } from '../helpers/peer'
import { StreamLikeHttp2 } from '../helpers/stream-like-http2'
import { runningTimers } from '../helpers/timers'
import { until } from '../helpers/until'

const MiB = 1024 * 1024

/** Stops the client from reading, and sends more than the kernel takes. */
function congest ({ client, endpoint }: StreamPair & Owned): void {
  socketOf(client).pause()
  endpoint.writer.add(Buffer.alloc(8 * MiB))
  endpoint.writer.flush()
}

t.test('close sends what was sent before, then the close frame, and ends when the peer has answered', async (t) => {
  const before = runningTimers()
  const { endpoint, client, closed } = await createEndpoint(t)
  const peer = new Peer(client)
  t.equal(endpoint.readyState, OPEN)
  endpoint.writer.add('last')
  endpoint.close(4001, 'bye')
  t.equal(endpoint.readyState, CLOSING)
  t.equal(endpoint.isCloseSent, false)
  endpoint.close(4002, 'is too late')
  t.same(await closed, { code: 4001, reason: 'bye' })
  t.equal(endpoint.readyState, CLOSED)
  t.equal(endpoint.isCloseSent, true)
  t.same([await peer.rest(), await peer.closed], [['last'], { code: 4001, reason: 'bye' }])
  t.equal(runningTimers(), before, 'the closeTimeout is over')
})

t.test('a close of the peer is answered with its code and reason', async (t) => {
  for (const [code, reason] of [[4001, 'bye'], [1000, ''], [undefined, '']] as const) {
    const { endpoint, client, closed, violations } = await createEndpoint(t)
    const peer = new Peer(client)
    client.close(code, reason)
    t.same(await closed, { code: code ?? 1005, reason })
    t.same(await peer.closed, { code: code ?? 1005, reason })
    t.equal(endpoint.isCloseSent, true)
    t.same(violations, [])
  }
})

t.test('a client closes in the same ways', async (t) => {
  const ways: Record<string, (owned: Owned, peer: Peer) => void> = {
    'the client': ({ endpoint }) => endpoint.close(4001, 'bye'),
    'the server': (_, peer) => peer.socket.close(4001, 'bye')
  }
  for (const [who, close] of Object.entries(ways)) {
    const { stream, client } = await connectClientStream(t)
    const owned = ownEndpoint(stream, { isServer: false })
    const peer = new Peer(client)
    peer.socket.send('to the client')
    owned.endpoint.writer.add('to the server')
    t.equal(await peer.next(), 'to the server', who)
    close(owned, peer)
    t.same([await owned.closed, await peer.closed], [{ code: 4001, reason: 'bye' }, { code: 4001, reason: 'bye' }])
    t.same(owned.messages, ['to the client'])
    t.equal(owned.ends, 1)
  }
})

t.test('a close frame takes effect at the end of the turn: answers to the messages before it go out', async (t) => {
  const { endpoint, client, messages } = await createEndpoint(t)
  const peer = new Peer(client)
  const states: number[] = []
  endpoint.parser.recipient = {
    async push (message) {
      await null
      states.push(endpoint.readyState)
      endpoint.writer.add(message)
    }
  }
  socketOf(client).write(Buffer.concat([clientFrame(TEXT, 'ask'), clientFrame(CLOSE, closePayload(4001)), clientFrame(TEXT, 'too late')]))
  t.same([await peer.rest(), (await peer.closed).code], [['ask'], 4001])
  t.same([states, messages], [[OPEN], []])
})

t.test('a violation takes effect at the end of the turn, and what follows does not count', async (t) => {
  const { endpoint, client, closed, violations } = await createEndpoint(t, { maxPayload: 10 })
  const peer = new Peer(client)
  endpoint.parser.recipient = { push: async (message) => { endpoint.writer.add(message) } }
  socketOf(client).write(Buffer.concat([clientFrame(TEXT, 'ask'), clientFrame(TEXT, 'x'.repeat(11)), clientFrame(PING, 'late'), clientFrame(CLOSE, closePayload(4001))]))
  t.same([await peer.rest(), await peer.closed], [['ask'], { code: 1009, reason: 'message larger than 10 bytes' }])
  t.match(violations, [{ error: { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' }, closeCode: 1009 }])
  t.equal((await closed).code, 1006, 'a peer that has violated the protocol has not closed')
})

t.test('a violation after this side has begun the close ends the stream', async (t) => {
  const { endpoint, client, closed, violations } = await createEndpoint(t)
  const peer = new Peer(client)
  socketOf(client).pause() // so that it does not answer
  endpoint.close(4001)
  await until(() => endpoint.isCloseSent)
  socketOf(client).write(Buffer.from([0xff, 0xff]))
  await until(() => violations.length === 1)
  t.equal(endpoint.stream.writableEnded, true)
  socketOf(client).resume()
  t.equal((await peer.closed).code, 4001)
  await closed
})

t.test('a violation while the close frame of this side waits: the stream is ended after it', async (t) => {
  const fixture = await createEndpoint(t)
  const { endpoint, client, violations, closed } = fixture
  congest(fixture)
  endpoint.close(4001, 'bye')
  const peer = new Peer(client)
  socketOf(client).write(Buffer.from([0xff, 0xff]))
  await until(() => violations.length === 1)
  t.equal(endpoint.stream.writableEnded, false)
  socketOf(client).resume()
  t.equal((await peer.closed).code, 4001)
  await closed
})

t.test('a stream of HTTP/2 ends the connection of a server once, after both close frames, although the client leaves its side open', async (t) => {
  const before = runningTimers()
  for (const isFirst of [true, false]) {
    const stream = new StreamLikeHttp2((_chunk, left) => left())
    const owned = ownEndpoint(stream)
    const { endpoint, closed } = owned
    if (isFirst) {
      endpoint.close(4001)
      await until(() => endpoint.isCloseSent)
      t.equal(stream.writableEnded, false)
    }
    stream.push(clientFrame(CLOSE, closePayload(4002)))
    t.same(await closed, { code: 4002, reason: '' })
    t.equal(stream.destroyed, false)
    t.equal(endpoint.readyState, CLOSED)
    const hasClosed = once(stream, 'close')
    stream.destroy()
    await hasClosed
    t.equal(owned.ends, 1)
  }
  t.equal(runningTimers(), before)
})

t.test('a peer that does not answer the close frame is dropped after closeTimeout', async (t) => {
  const { endpoint, client, closed } = await createEndpoint(t, { closeTimeout: 30 })
  socketOf(client).pause()
  const begin = performance.now()
  endpoint.close(4001)
  t.same(await closed, { code: 1006, reason: '' })
  t.ok(performance.now() - begin > 25)
  t.equal(endpoint.isTerminated, false)
})

t.test('a peer that has sent a close frame and does not take the answer is dropped after closeTimeout', async (t) => {
  const fixture = await createEndpoint(t, { closeTimeout: 30 })
  congest(fixture)
  fixture.client.close(4001, 'bye')
  t.same(await fixture.closed, { code: 4001, reason: 'bye' })
  t.equal(fixture.endpoint.isCloseSent, false)
})

t.test('a close frame is read although the stream is paused when it has arrived', async (t) => {
  const { endpoint, client, closed } = await createEndpoint(t)
  endpoint.parser.recipient = { push: () => endpoint.pause() }
  socketOf(client).write(Buffer.concat([clientFrame(TEXT, 'x'), clientFrame(CLOSE, closePayload(4001))]))
  t.equal((await closed).code, 4001)
})

t.test('a peer that ends its side without a close frame gets what was sent, and no close frame', async (t) => {
  const fixture = await createEndpoint(t)
  const { endpoint, client, stream, closed } = fixture
  congest(fixture)
  const peer = new Peer(client)
  socketOf(client).end()
  multicast(new PreparedMessage('published'), [{ deliver: (batch: Batch) => { if (endpoint.readyState === OPEN) endpoint.writer.share(batch) } }])
  await once(stream, 'end')
  await until(() => endpoint.readyState === CLOSING)
  socketOf(client).resume()
  t.same((await peer.rest()).map(({ length }) => length), [8 * MiB, 9])
  t.same([await closed, (await peer.closed).code], [{ code: 1006, reason: '' }, 1006])
})

for (const perMessageDeflate of [undefined, {}]) {
  t.test(`what has been published before goes first${perMessageDeflate === undefined ? '' : ', also behind a long message that is being compressed'}`, async (t) => {
    const { endpoint, client } = await createEndpoint(t, { perMessageDeflate })
    const peer = new Peer(client)
    const all = [{ deliver: (batch: Batch) => { endpoint.writer.share(batch) } }]
    const publish = (length: number): void => multicast(new PreparedMessage('x'.repeat(length)), all)
    publish(1)
    endpoint.writer.add('x'.repeat(2))
    publish(3)
    t.equal(endpoint.bufferedAmount, 3 + 4 + 5)
    publish(4)
    endpoint.writer.addFrame(0x81, 'x'.repeat(5))
    endpoint.writer.add(randomBytes(70_000))
    publish(6)
    endpoint.writer.add('x'.repeat(7))
    publish(8)
    for (const length of [1, 2, 3, 4, 5, 70_000, 6, 7, 8]) t.equal((await peer.next()).length, length)
  })
}

t.test('a close frame and the end of the stream in one read are a clean close', async (t) => {
  const { endpoint, client, closed } = await createEndpoint(t)
  const peer = new Peer(client)
  socketOf(client).end(clientFrame(CLOSE, closePayload(4001, 'bye')))
  t.same(await closed, { code: 4001, reason: 'bye' })
  t.equal(endpoint.isCloseSent, true)
  t.equal((await peer.closed).code, 4001)
})

t.test('what a stream has read and not passed on when it closes still counts', async (t) => {
  const [stream, far] = connectStreams('127.0.0.1', false)
  const { endpoint, messages, closed } = ownEndpoint(stream)
  endpoint.pause()
  far.write(Buffer.concat([clientFrame(TEXT, 'unread'), clientFrame(CLOSE, closePayload(4001, 'bye'))]))
  await until(() => stream.readableLength > 0)
  stream.destroy()
  t.same(await closed, { code: 4001, reason: 'bye' })
  t.same(messages, ['unread'])
  t.equal(endpoint.isCloseSent, false)
})

t.test('a stream that closes with an error ends the connection once', async (t) => {
  const [near, far] = connectStreams('127.0.0.1', false)
  const owned = ownEndpoint(near)
  near.destroy(new Error('broken'))
  t.same(await owned.closed, { code: 1006, reason: '' })
  await setImmediate()
  t.equal(owned.ends, 1)
  far.destroy()
})

t.test('terminate writes what was sent and published, then drops the connection', async (t) => {
  const { endpoint, client, closed } = await createEndpoint(t)
  const peer = new Peer(client)
  endpoint.writer.add('sent')
  multicast(new PreparedMessage('published'), [{ deliver: (batch: Batch) => { endpoint.writer.share(batch) } }])
  endpoint.terminate()
  t.same([endpoint.readyState, endpoint.isTerminated], [CLOSING, true])
  endpoint.terminate()
  t.same(await closed, { code: 1006, reason: '' })
  t.same([await peer.rest(), (await peer.closed).code], [['sent', 'published'], 1006])
})

t.test('nothing is done on a closed connection', async (t) => {
  const { endpoint, stream, closed } = await createEndpoint(t)
  endpoint.terminate()
  await closed
  const writes = countWrites(stream)
  endpoint.close(1000)
  endpoint.terminate()
  endpoint.pause()
  endpoint.resume()
  t.same([writes(), endpoint.readyState, endpoint.isPaused], [0, CLOSED, false])
})

t.test('pause stops the reading, and resume goes on', async (t) => {
  const { endpoint, client, messages } = await createEndpoint(t)
  endpoint.pause()
  t.equal(endpoint.isPaused, true)
  client.send('x')
  endpoint.ping('') // its pong comes after the message
  for (let n = 0; n < 5; n++) await setImmediate()
  t.same([messages, endpoint.reads], [[], 0])
  endpoint.resume()
  await until(() => messages.length === 1)
  t.equal(endpoint.isPaused, false)
})

t.test('reads counts the reads of all kinds', async (t) => {
  const { endpoint, client, messages } = await createEndpoint(t)
  client.send('x')
  await until(() => messages.length === 1)
  t.equal(endpoint.reads, 1)
  t.equal(endpoint.place, undefined)
  client.send(Buffer.alloc(4 * MiB))
  await until(() => messages.length === 2)
  t.ok(endpoint.reads > 2)
})

/** A connection, the pongs that come back, and a function that sends pings in one write. */
async function connectPinging (t: Test) {
  const fixture = await createEndpoint(t)
  const pongs: string[] = []
  fixture.client.on('pong', (data) => pongs.push(data.toString()))
  const pingTogether = (count: number): void => {
    socketOf(fixture.client).write(Buffer.concat(Array.from({ length: count }, (_, n) => clientFrame(PING, String(n + 1)))))
  }
  return { ...fixture, pongs, pingTogether }
}

t.test('pings and pongs reach the owner, and pings are answered', async (t) => {
  const { endpoint, client, controls, pongs } = await connectPinging(t)
  client.ping('1')
  client.pong('2')
  await until(() => pongs.length === 1)
  t.same([controls, pongs], [[[PING, '1'], [PONG, '2']], ['1']])
  endpoint.pong()
  await until(() => pongs.length === 2)
  t.equal(pongs[1], '')
})

t.test('pings that come together are all answered in order', async (t) => {
  const { pongs, pingTogether } = await connectPinging(t)
  pingTogether(60)
  await until(() => pongs.length === 60)
  t.same(pongs, Array.from({ length: 60 }, (_, n) => String(n + 1)))
})

t.test('the last ping of a flood is answered, and the client stays connected', async (t) => {
  const { endpoint, pongs, pingTogether } = await connectPinging(t)
  for (let round = 1; round <= 2; round++) {
    pingTogether(5_000)
    await until(() => pongs.at(-1) === '5000')
    t.ok(pongs.length < 1_000, `${pongs.length} pongs`)
    pongs.length = 0
  }
  t.equal(endpoint.readyState, OPEN)
})

t.test('for a client that pings and does not read, at most 60 pongs wait; when it reads, the last ping is answered', async (t) => {
  const { endpoint, stream, controls, pongs, pingTogether } = await connectPinging(t)
  stream.cork() // as if the kernel took nothing
  for (let round = 0; round < 10; round++) pingTogether(1_000)
  await until(() => controls.length === 10_000)
  t.ok(endpoint.bufferedAmount < 60 * 10, `${endpoint.bufferedAmount} bytes`)
  stream.uncork()
  await until(() => pongs.length === 61)
  t.equal(pongs.at(-1), '1000')
})

t.test('after the close has begun, no ping is answered', async (t) => {
  const { endpoint, stream, controls, client, pongs, pingTogether } = await connectPinging(t)
  const peer = new Peer(client)
  stream.cork()
  pingTogether(61)
  await until(() => controls.length === 61)
  endpoint.close(4001)
  pingTogether(1)
  await until(() => controls.length === 62)
  stream.uncork()
  t.equal((await peer.closed).code, 4001)
  t.equal(pongs.length, 60)
})

/** A compressed message that is decompressed in another thread. */
const LONG = deflateRawSync(randomBytes(100_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
const LONG_FRAME = Buffer.concat([Buffer.from([0xc2, 0x80 | 127, 0, 0, 0, 0, 0, LONG.length >> 16, LONG.length >> 8 & 255, LONG.length & 255, 0, 0, 0, 0]), LONG])

/** Resolves when the endpoint decompresses a long message. */
function isBusy (endpoint: Endpoint): Promise<void> {
  return new Promise((resolve) => {
    endpoint.onBusy = () => {
      Object.getPrototypeOf(endpoint).onBusy.call(endpoint)
      resolve()
    }
  })
}

t.test('while a long message is decompressed, nothing is read; then the reading goes on, unless it was paused', async (t) => {
  for (const isPaused of [false, true]) {
    const { endpoint, client, stream, messages } = await createEndpoint(t, { perMessageDeflate: {} })
    const busy = isBusy(endpoint)
    socketOf(client).write(LONG_FRAME)
    await busy
    t.equal(stream.isPaused(), true)
    if (isPaused) endpoint.pause()
    else endpoint.resume()
    t.equal(stream.isPaused(), true)
    await until(() => messages.length === 1)
    t.equal(stream.isPaused(), isPaused)
    endpoint.terminate()
  }
})

t.test('the connection ends when the last message is decompressed', async (t) => {
  const { endpoint, client, messages, closed } = await createEndpoint(t, { perMessageDeflate: {} })
  const busy = isBusy(endpoint)
  socketOf(client).write(LONG_FRAME)
  await busy
  endpoint.terminate()
  const { code } = await closed
  t.same([code, messages.length], [1006, 1])
})

t.test('what follows a long message when the stream closes counts, too', async (t) => {
  const [stream, far] = connectStreams('127.0.0.1', false)
  const agreement = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
  const { endpoint, messages, closed } = ownEndpoint(stream, { compression: compressionOf({ agreement }) })
  const busy = isBusy(endpoint)
  far.write(LONG_FRAME)
  await busy
  far.write(clientFrame(CLOSE, closePayload(4001, 'bye')))
  await until(() => stream.readableLength > 0 || messages.length > 0)
  endpoint.terminate()
  t.same(await closed, { code: 4001, reason: 'bye' })
  t.equal(messages.length, 1)
})

t.test('compressed messages behind a pause are lost if the connection breaks, and the connection ends', async (t) => {
  const { endpoint, client, messages, closed } = await createEndpoint(t, { perMessageDeflate: {} })
  endpoint.pause()
  endpoint.stream.resume() // as with a read that was under way
  const { reads } = endpoint
  client.send('x'.repeat(5_000))
  await until(() => endpoint.reads > reads)
  t.equal(messages.length, 0)
  endpoint.terminate()
  t.equal((await closed).code, 1006)
  endpoint.resume()
  t.equal(messages.length, 0)
})

t.test('a long message that cannot be decompressed is a violation', async (t) => {
  const { client, violations } = await createEndpoint(t, { perMessageDeflate: {} })
  const peer = new Peer(client)
  const payload = Buffer.alloc(70_000, 0xff)
  const header = Buffer.from([0xc2, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0])
  socketOf(client).write(Buffer.concat([header, payload]))
  t.equal((await peer.closed).code, 1007)
  t.equal(violations.length, 1)
})

t.test('the closeTimeout does not fire after the end', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const [near, far] = connectStreams('127.0.0.1', false)
  const owned = ownEndpoint(near)
  owned.endpoint.close(1000)
  far.destroy()
  await owned.closed
  mock.timers.tick(10_000)
  t.equal(owned.ends, 1)
})
