import t, { type Test } from 'tap'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { WebSocketDisconnect } from '../lib/errors'
import { Outbox, type OutboxOptions } from '../lib/outbox'
import { Publication } from '../lib/publication'
import { SessionWebSocket } from '../lib/raw'
import { createApp } from './helpers/app'
import { connectSockets, type Sockets } from './helpers/sockets'
import { unhandledRejections } from './helpers/unhandled'
import { until } from './helpers/until'

const MARK = 64 * 1024
const MiB = 1024 * 1024

interface Fixture extends Sockets {
  outbox: Outbox
  /** How often the outbox has dropped its client. */
  stalls: number
}

/** An outbox on the server's end of a connection, wired as `Socket` wires it. */
async function setUp (t: Test, { secure = false, ...options }: Partial<OutboxOptions> & { secure?: boolean } = {}): Promise<Fixture> {
  const sockets = await connectSockets(t, { secure, WebSocket: SessionWebSocket })
  const { server, stream } = sockets
  const outbox = new Outbox(server, stream, { sendHighWaterMark: MARK, sendTimeout: 30_000, ...options })
  const terminate = server.terminate.bind(server)
  server.terminate = () => {
    fixture.stalls++
    terminate()
  }
  server.on('error', () => {})
  server.on('close', (code: number, reason: Buffer) => outbox.end(new WebSocketDisconnect(code, reason.toString(), code !== 1006)))
  const fixture = { ...sockets, outbox, stalls: 0 }
  return fixture
}

/** Counts the writes to a socket, each of one frame or of many. */
function countWrites (stream: Sockets['stream']): () => number {
  let writes = 0
  const { _write, _writev } = stream
  stream._write = function (...args) {
    writes++
    _write.apply(this, args)
  }
  stream._writev = function (...args) {
    writes++
    _writev!.apply(this, args)
  }
  return () => writes
}

function timers (): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
}

/** The next `count` messages at the client, as text. */
async function receive ({ client }: Sockets, count: number): Promise<string[]> {
  const messages: string[] = []
  await new Promise<void>((resolve) => {
    client.on('message', (data: Buffer) => {
      messages.push(data.toString())
      if (messages.length === count) resolve()
    })
  })
  return messages
}

/** Lets the client read nothing, and sends more than the kernel takes. Returns the send that waits. */
function congest ({ client, outbox }: Fixture): { sending: Promise<void> } {
  client.pause()
  return { sending: outbox.send(Buffer.alloc(8 * MiB)) }
}

/** Whether `promise` is still pending when the turn is over. */
async function isPending (promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return await Promise.race([promise, setImmediate(pending)]) === pending
}

t.test('a string leaves as a text frame, bytes as a binary one', async (t) => {
  const { outbox, client } = await setUp(t)
  const messages: unknown[] = []
  const second = new Promise<void>((resolve) => client.on('message', (data: Buffer, isBinary) => {
    messages.push([data.toString(), isBinary])
    if (messages.length === 4) resolve()
  }))
  for (const payload of ['tëxt', Buffer.from('bytes'), new Uint8Array([65, 66]), '']) await outbox.send(payload)
  await second
  t.strictSame(messages, [['tëxt', false], ['bytes', true], ['AB', true], ['', false]])
})

t.test('what is sent in one turn leaves in one write, in its order', async (t) => {
  const fixture = await setUp(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 100)
  const sent = Array.from({ length: 100 }, (_, i) => `message ${i}`)
  for (const message of sent) fixture.outbox.send(message)
  t.strictSame(await received, sent)
  t.equal(writes(), 1)
})

t.test('sends that are awaited one after the other leave in one write as well', async (t) => {
  const fixture = await setUp(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 100)
  for (let i = 0; i < 100; i++) await fixture.outbox.send(`message ${i}`)
  t.equal(writes(), 0)
  await received
  t.equal(writes(), 1)
})

t.test('what a callback sends leaves in one write with what the promises after it send', async (t) => {
  const fixture = await setUp(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 3)
  globalThis.setImmediate(async () => { // no promise is pending when this is called
    await fixture.outbox.send('a')
    await fixture.outbox.send('b')
    await fixture.outbox.send('c')
  })
  t.strictSame(await received, ['a', 'b', 'c'])
  t.equal(writes(), 1)
})

t.test('what is sent in the next turn leaves in the next write', async (t) => {
  const fixture = await setUp(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 6)
  for (let turn = 1; turn <= 3; turn++) {
    await fixture.outbox.send('a')
    await fixture.outbox.send('b')
    await setImmediate()
    t.equal(writes(), turn)
  }
  t.strictSame(await received, ['a', 'b', 'a', 'b', 'a', 'b'])
})

t.test('flushing writes what is held back at once', async (t) => {
  const fixture = await setUp(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 2)
  fixture.outbox.send('a')
  t.equal(writes(), 0)
  fixture.outbox.flush()
  t.equal(writes(), 1)
  fixture.outbox.flush()
  fixture.outbox.send('b')
  await received
  t.equal(writes(), 2)
})

t.test('below the mark a send resolves before anything is written', async (t) => {
  const { outbox, stream } = await setUp(t)
  const writes = countWrites(stream)
  await outbox.send(Buffer.alloc(MARK - 1))
  t.equal(writes(), 0)
  t.ok(outbox.bufferedAmount >= MARK - 1)
})

t.test('from the mark on a send resolves when it has been written', async (t) => {
  const { outbox, stream } = await setUp(t)
  const writes = countWrites(stream)
  await outbox.send(Buffer.alloc(MARK))
  t.equal(writes(), 1)
  t.equal(outbox.bufferedAmount, 0)
})

t.test('what was sent before in the same turn counts', async (t) => {
  const { outbox, stream } = await setUp(t)
  const writes = countWrites(stream)
  await outbox.send(Buffer.alloc(MARK / 2))
  t.equal(writes(), 0)
  await outbox.send(Buffer.alloc(MARK / 2))
  t.equal(writes(), 1)
})

t.test('of a text its bytes are counted, not its characters', async (t) => {
  const { outbox, stream } = await setUp(t)
  const writes = countWrites(stream)
  await outbox.send('a'.repeat(MARK / 2)) // three bytes a character would be above the mark
  t.equal(writes(), 0)
  await setImmediate()
  t.equal(writes(), 1)
  await outbox.send('\u20ac'.repeat(MARK / 3 + 1))
  t.equal(writes(), 2)
})

t.test('while the client drains nothing a send waits, however small it is, and resolves when the client reads', async (t) => {
  const fixture = await setUp(t)
  const { sending } = congest(fixture)
  const small = fixture.outbox.send('small')
  t.ok(await isPending(sending))
  t.ok(await isPending(small))
  t.ok(fixture.outbox.bufferedAmount > MARK)
  fixture.client.resume()
  await Promise.all([sending, small])
  t.equal(fixture.outbox.bufferedAmount, 0)
})

t.test('a loop that awaits its sends keeps no more than the mark and one message, whatever the client does', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client } = fixture
  const message = Buffer.alloc(16 * 1024)
  const count = 1000 // far more than the kernel takes
  let sent = 0
  let most = 0
  client.pause()
  const loop = (async () => {
    while (sent < count) {
      await outbox.send(message)
      sent++
      most = Math.max(most, outbox.bufferedAmount)
    }
  })()
  await until(() => outbox.bufferedAmount >= MARK)
  t.ok(sent < count, `it waits after ${sent} messages`)
  const received = receive(fixture, count)
  client.resume()
  await loop
  t.equal((await received).length, count)
  t.ok(most <= MARK + message.length + 1024, `at most ${most} bytes were kept`)
})

t.test('sends that wait resolve in their order, large and small', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client } = fixture
  const { sending } = congest(fixture)
  const order: number[] = []
  const sizes = [1, MARK * 3, 10, MARK, 0, MARK - 1, MARK * 10, 5]
  const sends = sizes.map((size, i) => outbox.send(Buffer.alloc(size)).then(() => order.push(i)))
  client.resume()
  await Promise.all([sending, ...sends])
  t.strictSame(order, sizes.map((_size, i) => i))
})

t.test('what is sent while the connection is congested arrives in its order', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client } = fixture
  const received = receive(fixture, 4)
  congest(fixture)
  outbox.send('a')
  await setImmediate()
  outbox.send('b'.repeat(MARK))
  outbox.send('c')
  client.resume()
  const [first, ...rest] = await received
  t.equal(first.length, 8 * MiB)
  t.strictSame(rest, ['a', 'b'.repeat(MARK), 'c'])
})

t.test('posting tells whether there is still room, and waits for nothing', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client } = fixture
  const received = receive(fixture, 4)
  t.equal(outbox.post('a'), true)
  t.equal(outbox.post(Buffer.alloc(MARK)), false)
  t.equal(outbox.post('b'), false)
  await outbox.send('c')
  t.strictSame((await received).map((message) => message.length), [1, MARK, 1, 1])
  client.close()
})

t.test('a client that drains nothing of what was posted has stalled as well', async (t) => {
  const fixture = await setUp(t, { sendTimeout: 100 })
  const { client, outbox, server } = fixture
  client.pause()
  outbox.post(Buffer.alloc(8 * MiB))
  await once(server, 'close')
  t.equal(fixture.stalls, 1)
})

for (const secure of [false, true]) {
  const transport = secure ? 'TLS' : 'TCP'

  t.test(`over ${transport}, a client that drains nothing for the send timeout has stalled, and what waits is given its end`, async (t) => {
    const fixture = await setUp(t, { sendTimeout: 200, secure })
    const start = performance.now()
    const { sending } = congest(fixture)
    const small = fixture.outbox.send('small')
    await t.rejects(sending, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    await t.rejects(small, { name: 'WebSocketDisconnect' })
    const elapsed = performance.now() - start
    t.equal(fixture.stalls, 1)
    t.ok(elapsed > 190, `${elapsed} ms`)
    t.ok(elapsed < 5000, `${elapsed} ms`)
  })

  t.test(`over ${transport}, a client that slowly reads one huge message has not stalled`, async (t) => {
    const sendTimeout = 300
    const fixture = await setUp(t, { sendTimeout, secure })
    const { client, outbox } = fixture
    const start = performance.now()
    const sending = outbox.send(Buffer.alloc(32 * MiB))
    client.pause()
    const reading = setInterval(() => { // reads at most 2 MiB: as much as Node reads in one turn
      client.resume()
      globalThis.setImmediate(() => client.pause())
    }, 50)
    t.teardown(() => clearInterval(reading))
    await sending
    const elapsed = performance.now() - start
    t.equal(fixture.stalls, 0)
    t.ok(elapsed > 1.5 * sendTimeout, `${elapsed} ms`)
  })
}

t.test('over a stream that is no socket, a client that drains nothing has stalled as well', async (t) => {
  const app = await createApp(t)
  let end: Promise<unknown>
  app.websocket('/', { websocket: { sendTimeout: 100 } }, async (ws) => {
    await ws.accept()
    end = ws.send(Buffer.alloc(MiB)).catch((error) => error)
    await end
  })
  const client = await app.injectWebSocket('/')
  client.raw.pause()
  t.match(await end!, { name: 'WebSocketDisconnect', closeCode: 1006 })
})

t.test('without a limit to the time it watches nothing', async (t) => {
  const fixture = await setUp(t, { sendTimeout: Infinity })
  const before = timers()
  const { sending } = congest(fixture)
  t.equal(timers(), before)
  fixture.client.resume()
  await sending
})

t.test('it watches while something waits, and no longer', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client, server } = fixture
  const before = timers()
  await outbox.send('a')
  t.equal(timers(), before, 'nothing waits')
  for (let round = 0; round < 2; round++) {
    const { sending } = congest(fixture)
    outbox.send('a')
    t.equal(timers(), before + 1, 'a send waits')
    client.resume()
    await sending
    await outbox.send(Buffer.alloc(MARK))
    t.equal(timers(), before, 'all have been written')
  }
  congest(fixture)
  t.equal(timers(), before + 1)
  server.terminate()
  await once(server, 'close')
  t.equal(timers(), before, 'the connection has ended')
})

for (const [who, drop] of [['client', ({ client }: Fixture) => client.terminate()], ['server', ({ server }: Fixture) => server.terminate()]] as const) {
  t.test(`a send that waits rejects with the end of the connection when the ${who} drops it`, async (t) => {
    const fixture = await setUp(t)
    const { sending } = congest(fixture)
    const small = fixture.outbox.send('small')
    await setImmediate()
    const later = fixture.outbox.send('later')
    drop(fixture)
    const ends = await Promise.all([sending, small, later].map((send) => send.catch((error) => error)))
    for (const end of ends) t.match(end, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })
}

t.test('after the end every send rejects with it', async (t) => {
  const { outbox, server, client } = await setUp(t)
  client.close(4000, 'bye')
  await once(server, 'close')
  const [first, second] = await Promise.all([outbox.send('a').catch((error) => error), outbox.send('b').catch((error) => error)])
  t.match(first, { name: 'WebSocketDisconnect', closeCode: 4000, reason: 'bye', wasClean: true })
  t.equal(first, second)
})

t.test('on a connection that is closing nothing is sent, and a send rejects when it has ended', async (t) => {
  const { outbox, server, client } = await setUp(t)
  const messages: string[] = []
  client.on('message', (data: Buffer) => messages.push(data.toString()))
  await outbox.send('before')
  server.close(1000)
  const sending = outbox.send('after')
  t.ok(await isPending(sending))
  await t.rejects(sending, { name: 'WebSocketDisconnect', closeCode: 1000 })
  t.strictSame(messages, ['before'])
})

t.test('on a connection that is closing a send does not resolve when those before it do', async (t) => {
  const fixture = await setUp(t)
  const { outbox, server, client } = fixture
  const { sending } = congest(fixture)
  server.close(1000)
  const late = outbox.send('late')
  client.resume()
  await sending
  await t.rejects(late, { name: 'WebSocketDisconnect', closeCode: 1000 })
})

t.test('what was sent before a close is delivered before it', async (t) => {
  const fixture = await setUp(t)
  const received = receive(fixture, 2)
  const { sending } = congest(fixture)
  const small = fixture.outbox.send('last')
  fixture.server.close(1000)
  fixture.client.resume()
  await Promise.all([sending, small])
  t.equal((await received)[1], 'last')
})

t.test('sends that nobody awaits are no unhandled rejections, however they end', async (t) => {
  const fixture = await setUp(t)
  const { outbox, server } = fixture
  t.strictSame(await unhandledRejections(async () => {
    congest(fixture)
    await setImmediate()
    outbox.send('waits')
    server.terminate()
    outbox.send('closing')
    await once(server, 'close')
    outbox.send('closed')
  }), [])
})

t.test('what is published is shared while fewer than the given bytes wait, those of this turn included', async (t) => {
  const fixture = await setUp(t)
  const { outbox, client } = fixture
  const received = receive(fixture, 3)
  const publication = new Publication('x'.repeat(100))
  t.equal(outbox.share(publication, 250), true)
  await outbox.send('first')
  t.equal(outbox.share(publication, 250), true)
  t.equal(outbox.share(publication, 250), false)
  await setImmediate()
  t.equal(outbox.bufferedAmount, 0)
  t.strictSame((await received).map((message) => message.length), [100, 5, 100])
  client.close()
})

t.test('what is published can be forced on a connection, whose client has stalled if it drains nothing of it', async (t) => {
  const fixture = await setUp(t, { sendTimeout: 100 })
  const { client, outbox, server } = fixture
  client.pause()
  const publication = new Publication(Buffer.alloc(8 * MiB))
  t.equal(outbox.share(publication, MARK), false)
  outbox.forceShare(publication)
  const waiting = outbox.send('small')
  await once(server, 'close')
  t.equal(fixture.stalls, 1)
  await t.rejects(waiting, { name: 'WebSocketDisconnect' })
})

t.test('nothing is shared with a connection that is closing', async (t) => {
  const fixture = await setUp(t)
  const { outbox, server, client } = fixture
  const messages: string[] = []
  client.on('message', (data: Buffer) => messages.push(data.toString()))
  const publication = new Publication('published')
  t.equal(outbox.share(publication, MARK), true)
  server.close(1000)
  t.equal(outbox.share(publication, MARK), false)
  await once(server, 'close')
  t.strictSame(messages, ['published'])
})

t.test('it counts the turns in which something is sent: alone, with more, or published', async (t) => {
  const { outbox } = await setUp(t)
  t.equal(outbox.turns, 0)
  outbox.send('a')
  outbox.send('b')
  await setImmediate()
  t.equal(outbox.turns, 1)
  outbox.share(new Publication('c'), MARK)
  await setImmediate()
  outbox.forceShare(new Publication('d'))
  await setImmediate()
  t.equal(outbox.turns, 3)
})
