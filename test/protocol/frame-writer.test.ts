import t, { type Test } from 'tap'
import { setImmediate } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import { SessionWebSocket } from '../../lib/protocol/websocket'
import { createWriter, type OnWritten, type Writer } from '../../lib/protocol/frame-writer'
import { Peer } from '../helpers/peer'
import { connectWebSockets, type WebSocketPair } from '../helpers/websocket-pair'
import type { Payload } from '../../lib/codec/encode'

const KiB = 1024

interface Fixture extends WebSocketPair {
  writer: Writer
  peer: Peer
  /** How often bytes were handed to the kernel. */
  writes: () => number
}

const KINDS = {
  'frames of its own': { WebSocket: SessionWebSocket },
  'the frames of ws, where messages are compressed': { WebSocket: SessionWebSocket, perMessageDeflate: true },
  'the frames of ws, on a socket of another class': { WebSocket }
}

async function setUp (t: Test, options: object): Promise<Fixture> {
  const sockets = await connectWebSockets(t, options)
  const { stream } = sockets
  let writes = 0
  for (const name of ['_write', '_writev'] as const) {
    const original = stream[name] as (...args: unknown[]) => void
    stream[name] = function (this: unknown, ...args: unknown[]) {
      writes++
      original.apply(this, args)
    }
  }
  return { ...sockets, writer: createWriter(sockets.server, stream), peer: new Peer(sockets.client), writes: () => writes }
}

function give (writer: Writer, message: Payload | PreparedMessage, onWritten?: OnWritten): number {
  return message instanceof PreparedMessage ? writer.share(message, onWritten) : writer.add(message, onWritten)
}

function written (writer: Writer, message: Payload | PreparedMessage): Promise<void> {
  return new Promise((resolve, reject) => give(writer, message, (error) => error ? reject(error) : resolve()))
}

for (const [kind, options] of Object.entries(KINDS)) {
  t.test(`${kind}: messages of any length arrive in order, whichever way they were added`, async (t) => {
    const { writer, peer } = await setUp(t, options)
    const payloads: Payload[] = []
    const lengths = [0, 1, 125, 126, 5000, 16 * KiB, 16 * KiB + 1, 64 * KiB, 70 * KiB, 3]
    for (let round = 0; round < 3; round++) {
      for (const [i, length] of lengths.entries()) {
        const payload = (i + round) % 2 === 0 ? String(i).repeat(length) : Buffer.alloc(length, i)
        payloads.push(payload)
        const message = (i + round) % 3 === 0 ? new PreparedMessage(payload) : payload
        give(writer, message, (i + round) % 4 === 0 ? () => {} : undefined)
      }
    }
    writer.flush()
    for (const payload of payloads) t.same(await peer.next(), payload)
  })

  t.test(`${kind}: no message leaves before the flush, and all leave in one write`, async (t) => {
    if ('perMessageDeflate' in options) return t.pass('ws compresses in turns of its own')
    const { writer, peer, writes } = await setUp(t, options)
    writer.add('text')
    writer.share(new PreparedMessage('published'))
    writer.add('x'.repeat(20 * KiB))
    writer.add(Buffer.from('bytes'))
    await setImmediate()
    t.equal(writes(), 0)
    writer.flush()
    t.equal(writes(), 1)
    t.same([await peer.next(), await peer.next(), (await peer.next()).length, await peer.next()], ['text', 'published', 20 * KiB, Buffer.from('bytes')])
    writer.flush()
    t.equal(writes(), 1, 'nothing is left')
  })

  t.test(`${kind}: large bytes with a callback are not copied: a change before the write is sent`, async (t) => {
    const { writer, peer } = await setUp(t, options)
    const bytes = Buffer.alloc(20 * KiB, 1)
    const done = written(writer, bytes)
    if (!('perMessageDeflate' in options)) bytes.fill(2) // ws begins to compress at once
    writer.flush()
    await done
    t.same(await peer.next(), bytes)
  })

  t.test(`${kind}: bytes without a callback are copied`, async (t) => {
    const { writer, peer } = await setUp(t, options)
    for (const length of [10, 20 * KiB]) {
      const bytes = Buffer.alloc(length, 1)
      writer.add(bytes)
      bytes.fill(2)
      writer.flush()
      t.ok((await peer.next() as Buffer).equals(Buffer.alloc(length, 1)))
    }
  })

  t.test(`${kind}: the callback is called when the message has been written`, async (t) => {
    const { writer, peer } = await setUp(t, options)
    writer.add('first')
    const done = [written(writer, 'text'), written(writer, new PreparedMessage('published'))]
    writer.flush()
    await Promise.all(done)
    t.same([await peer.next(), await peer.next(), await peer.next()], ['first', 'text', 'published'])
  })

  t.test(`${kind}: a frame that ws sends keeps its place`, async (t) => {
    const { writer, server, peer } = await setUp(t, options)
    writer.add('a')
    server.send('b')
    writer.add('c')
    writer.share(new PreparedMessage('d'))
    server.send('e')
    writer.share(new PreparedMessage('f'))
    server.close(4001)
    writer.flush()
    t.same(await peer.rest(), ['a', 'b', 'c', 'd', 'e', 'f'])
    t.equal((await peer.closed).code, 4001)
  })
}

for (const [kind, options] of Object.entries(KINDS)) {
  t.test(`${kind}: bufferedAmount counts the bytes that the kernel has not got yet`, async (t) => {
    const { writer, peer } = await setUp(t, options)
    t.equal(writer.bufferedAmount, 0)
    let bytes = 0
    for (const message of ['12345', Buffer.from('678'), 'x'.repeat(20 * KiB), 'end', new PreparedMessage('published')]) {
      bytes += give(writer, message)
      t.ok(writer.bufferedAmount >= bytes, `${writer.bufferedAmount} of ${bytes}`)
      t.ok(writer.bufferedAmount <= bytes + 30)
    }
    writer.flush()
    for (let n = 0; n < 5; n++) await peer.next()
    t.equal(writer.bufferedAmount, 0)
  })
}

t.test('connections that send alternately in one turn of the event loop each send their own frames in order', async (t) => {
  const fixtures = [await setUp(t, KINDS['frames of its own']), await setUp(t, KINDS['frames of its own']), await setUp(t, KINDS['frames of its own'])]
  const published = Array.from({ length: 20 }, (_, n) => new PreparedMessage(`published ${n}`))
  for (let n = 0; n < 20; n++) {
    for (const [i, { writer }] of fixtures.entries()) {
      writer.add(`${i} ${n}`)
      writer.share(published[n])
    }
  }
  for (const { writer } of fixtures) writer.flush()
  for (const [i, { peer, writes }] of fixtures.entries()) {
    for (let n = 0; n < 20; n++) {
      t.equal(await peer.next(), `${i} ${n}`)
      t.equal(await peer.next(), `published ${n}`)
    }
    t.equal(writes(), 1)
  }
})

t.test('frames that exceed the pool go on in a new pool', async (t) => {
  const { writer, peer, writes } = await setUp(t, KINDS['frames of its own'])
  const messages = Array.from({ length: 1000 }, (_, n) => `${n} `.padEnd(1000, 'x'))
  for (const message of messages) writer.add(message)
  writer.flush()
  t.equal(writes(), 1)
  for (const message of messages) t.equal(await peer.next(), message)
})

t.test('messages that exceed a batch go on in the next batch', async (t) => {
  const { writer, peer, writes } = await setUp(t, KINDS['frames of its own'])
  const messages = Array.from({ length: 30 }, (_, n) => new PreparedMessage(`${n} `.padEnd(10_000, 'x')))
  for (const message of messages) writer.share(message)
  writer.flush()
  t.equal(writes(), 1)
  for (const message of messages) t.equal(await peer.next(), message.payload)
})

t.test('all subscribers of the same messages get the same bytes', async (t) => {
  const fixtures = [await setUp(t, KINDS['frames of its own']), await setUp(t, KINDS['frames of its own'])]
  const given: unknown[] = []
  for (const { stream } of fixtures) {
    const { write } = stream
    stream.write = function (this: unknown, ...args: any[]) {
      given.push(args[0])
      return write.apply(this as never, args as never)
    } as typeof write
  }
  const messages = ['a', 'b', 'c'].map((text) => new PreparedMessage(text))
  for (const prepared of messages) for (const { writer } of fixtures) writer.share(prepared)
  for (const { writer } of fixtures) writer.flush()
  t.equal(given.length, 2)
  t.equal(given[0], given[1])
  for (const { peer } of fixtures) t.same([await peer.next(), await peer.next(), await peer.next()], ['a', 'b', 'c'])
})

t.test('an ended connection does not disturb the others', async (t) => {
  const [gone, other] = [await setUp(t, KINDS['frames of its own']), await setUp(t, KINDS['frames of its own'])]
  gone.server.on('error', () => {})
  gone.writer.add('lost')
  gone.server.terminate()
  other.writer.add('sent')
  gone.writer.flush()
  other.writer.flush()
  t.equal(await other.peer.next(), 'sent')
})

t.test('frames that the kernel has not taken stay intact while other frames are written into the pool', async (t) => {
  const [slow, fast] = [await setUp(t, KINDS['frames of its own']), await setUp(t, KINDS['frames of its own'])]
  slow.client.pause()
  let sent = 0
  for (let turn = 0; turn < 3000 && slow.stream.writableLength < 100 * KiB; turn++) {
    for (let n = 0; n < 10; n++) slow.writer.add(`slow ${sent++} `.padEnd(1000, 's'))
    slow.writer.flush()
    fast.writer.add(`fast ${turn}`.padEnd(5000, 'f'))
    fast.writer.flush()
  }
  t.ok(slow.stream.writableLength >= 100 * KiB, 'the kernel takes no more')
  for (let turn = 0; turn < 300; turn++) {
    fast.writer.add(`fast, later ${turn}`.padEnd(5000, 'f'))
    fast.writer.flush()
  }
  slow.client.resume()
  for (let n = 0; n < sent; n++) {
    const message = await slow.peer.next()
    if (message !== `slow ${n} `.padEnd(1000, 's')) return t.fail(`message ${n} is ${String(message).slice(0, 40)}`)
  }
  t.pass(`${sent} messages`)
})

t.test('a stream that passes the same bytes on keeps them intact', async (t) => {
  const { PassThrough } = await import('node:stream')
  const { server } = await setUp(t, KINDS['frames of its own'])
  const stream = new PassThrough()
  const writer = createWriter(server, stream)
  const chunks: Buffer[] = []
  for (let n = 0; n < 20; n++) {
    writer.add(`message ${n}`)
    writer.flush()
    chunks.push(stream.read())
  }
  for (const [n, chunk] of chunks.entries()) t.equal(chunk.toString('latin1', 2), `message ${n}`)
})

t.test('large bytes with a callback follow the frames before them', async (t) => {
  const { writer, peer } = await setUp(t, KINDS['frames of its own'])
  writer.add('before')
  const done = written(writer, Buffer.alloc(100 * KiB, 1))
  writer.add('after')
  writer.flush()
  await done
  t.same([await peer.next(), (await peer.next()).length, await peer.next()], ['before', 100 * KiB, 'after'])
})
