import t, { type Test } from 'tap'
import { Duplex, PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { messageSent, subscribe } from '../../lib/observe/channels'
import { BINARY, FIN, TEXT } from '../../lib/protocol/frame'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import { FrameWriter, type OnWritten } from '../../lib/protocol/frame-writer'
import { connectClientStream, connectStream, countWrites, type StreamPair } from '../helpers/endpoint'
import { messagesIn, PING } from '../helpers/frames'
import { Peer } from '../helpers/peer'
import { until } from '../helpers/until'
import type { Payload } from '../../lib/codec/encode'

const KiB = 1024

interface Fixture extends StreamPair {
  writer: FrameWriter
  peer: Peer
  /** How often bytes were handed to the kernel. */
  writes: () => number
}

type Connect = (t: Test) => Promise<StreamPair & { isMasked: boolean }>

const KINDS: Record<string, Connect> = {
  'a server': async (t) => ({ ...await connectStream(t), isMasked: false }),
  'a server over TLS': async (t) => ({ ...await connectStream(t, { secure: true }), isMasked: false }),
  'a client': async (t) => ({ ...await connectClientStream(t), isMasked: true })
}

async function setUp (t: Test, connect = KINDS['a server']): Promise<Fixture> {
  const pair = await connect(t)
  return { ...pair, writer: new FrameWriter(pair.stream, pair.isMasked), peer: new Peer(pair.client), writes: countWrites(pair.stream) }
}

/** A published message, or a plain one for a client, which does not publish. */
function publication (kind: string, payload: Payload): Payload | PreparedMessage {
  return kind === 'a client' ? payload : new PreparedMessage(payload)
}

function give (writer: FrameWriter, message: Payload | PreparedMessage, onWritten?: OnWritten): number {
  return message instanceof PreparedMessage ? writer.share(message, onWritten) : writer.add(message, onWritten)
}

function written (writer: FrameWriter, message: Payload | PreparedMessage): Promise<void> {
  return new Promise((resolve, reject) => give(writer, message, (error) => error ? reject(error) : resolve()))
}

for (const [kind, connect] of Object.entries(KINDS)) {
  t.test(`${kind}: messages of any length arrive in order, whichever way they were added`, async (t) => {
    const { writer, peer } = await setUp(t, connect)
    const payloads: Payload[] = []
    const lengths = [0, 1, 125, 126, 5000, 16 * KiB, 16 * KiB + 1, 64 * KiB, 70 * KiB, 3]
    for (let round = 0; round < 3; round++) {
      for (const [i, length] of lengths.entries()) {
        const payload = (i + round) % 2 === 0 ? String(i).repeat(length) : Buffer.alloc(length, i)
        payloads.push(payload)
        const message = (i + round) % 3 === 0 ? publication(kind, payload) : payload
        give(writer, message, (i + round) % 4 === 0 ? () => {} : undefined)
      }
    }
    writer.flush()
    for (const payload of payloads) t.same(await peer.next(), payload)
  })

  t.test(`${kind}: no message leaves before the end of the turn, and all leave in one write`, async (t) => {
    const { writer, peer, writes } = await setUp(t, connect)
    writer.add('text')
    give(writer, publication(kind, 'published'))
    writer.add('x'.repeat(20 * KiB))
    writer.add(Buffer.from('bytes'))
    await null
    t.equal(writes(), 0)
    await setImmediate()
    t.equal(writes(), 1)
    t.same([await peer.next(), await peer.next(), (await peer.next()).length, await peer.next()], ['text', 'published', 20 * KiB, Buffer.from('bytes')])
    writer.flush()
    t.equal(writes(), 1, 'nothing is left')
  })

  t.test(`${kind}: bytes without a callback are copied`, async (t) => {
    const { writer, peer } = await setUp(t, connect)
    for (const length of [10, 20 * KiB]) {
      const bytes = Buffer.alloc(length, 1)
      writer.add(bytes)
      bytes.fill(2)
      writer.flush()
      t.ok((await peer.next() as Buffer).equals(Buffer.alloc(length, 1)))
    }
  })

  t.test(`${kind}: the callback is called when the message has been written`, async (t) => {
    const { writer, peer } = await setUp(t, connect)
    writer.add('first')
    const done = [written(writer, 'text'), written(writer, publication(kind, 'published'))]
    writer.flush()
    await Promise.all(done)
    t.same([await peer.next(), await peer.next(), await peer.next()], ['first', 'text', 'published'])
  })

  t.test(`${kind}: frames of any kind keep their place`, async (t) => {
    const { writer, stream, client, peer } = await setUp(t, connect)
    const pings: string[] = []
    client.on('ping', (data) => pings.push(data.toString()))
    writer.add('a')
    writer.addFrame(0x80 | PING, 'ping')
    writer.add(Buffer.from('{}'), undefined, 0x81)
    give(writer, publication(kind, 'd'))
    writer.addFrame(0x01, 'e')
    writer.addFrame(0x80, 'f', () => {})
    writer.addFrame(0x88, Buffer.from([0x0f, 0xa1]))
    writer.finish()
    stream.end()
    t.same(await peer.rest(), ['a', '{}', 'd', 'ef'])
    t.equal((await peer.closed).code, 4001)
    t.same(pings, ['ping'])
  })
}

for (const [kind, connect] of Object.entries(KINDS)) {
  t.test(`${kind}: bufferedAmount counts the bytes that the kernel has not got yet`, async (t) => {
    const { writer, peer } = await setUp(t, connect)
    t.equal(writer.bufferedAmount, 0)
    let bytes = 0
    for (const message of ['12345', Buffer.from('678'), 'x'.repeat(20 * KiB), 'end', publication(kind, 'published')]) {
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
  const fixtures = [await setUp(t), await setUp(t), await setUp(t)]
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
  const { writer, peer, writes } = await setUp(t)
  const messages = Array.from({ length: 1000 }, (_, n) => `${n} `.padEnd(1000, 'x'))
  for (const message of messages) writer.add(message)
  writer.flush()
  t.equal(writes(), 1)
  for (const message of messages) t.equal(await peer.next(), message)
})

t.test('messages that exceed a batch go on in the next batch', async (t) => {
  const { writer, peer, writes } = await setUp(t)
  const messages = Array.from({ length: 30 }, (_, n) => new PreparedMessage(`${n} `.padEnd(10_000, 'x')))
  for (const message of messages) writer.share(message)
  writer.flush()
  t.equal(writes(), 1)
  for (const message of messages) t.equal(await peer.next(), messagesIn(message.bytes)[0])
})

t.test('all subscribers of the same messages get the same bytes', async (t) => {
  const fixtures = [await setUp(t), await setUp(t)]
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
  const [gone, other] = [await setUp(t), await setUp(t)]
  gone.stream.on('error', () => {})
  gone.writer.add('lost')
  gone.stream.destroy()
  other.writer.add('sent')
  gone.writer.flush()
  other.writer.flush()
  t.equal(await other.peer.next(), 'sent')
})

t.test('frames that the kernel has not taken stay intact while other frames are written into the pool', async (t) => {
  const [slow, fast] = [await setUp(t), await setUp(t)]
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
  const stream = new PassThrough()
  const writer = new FrameWriter(stream, false)
  const chunks: Buffer[] = []
  for (let n = 0; n < 20; n++) {
    writer.add(`message ${n}`)
    writer.flush()
    chunks.push(stream.read())
  }
  for (const [n, chunk] of chunks.entries()) t.equal(chunk.toString('latin1', 2), `message ${n}`)
})

t.test('large bytes with a callback follow the frames before them', async (t) => {
  const { writer, peer } = await setUp(t)
  writer.add('before')
  const done = written(writer, Buffer.alloc(100 * KiB, 1))
  writer.add('after')
  writer.flush()
  await done
  t.same([await peer.next(), (await peer.next()).length, await peer.next()], ['before', 100 * KiB, 'after'])
})

t.test('messages of any length of a client are masked', async (t) => {
  const stream = new PassThrough()
  const writer = new FrameWriter(stream, true)
  for (const length of [1, 20 * KiB]) {
    writer.add(Buffer.alloc(length, 1), () => {})
    writer.flush()
    const frame: Buffer = stream.read()
    t.equal(frame[1] & 0x80, 0x80)
    t.notOk(frame.includes(Buffer.alloc(8, 1)))
  }
  writer.addFrame(0x82, 'plain', undefined, false)
  writer.flush()
  t.equal(stream.read().toString('latin1', 2), 'plain')
})

/** Adds 1 MiB of ones with a callback, and changes these bytes at once. Returns whether the change was sent. */
async function sendsChange (t: Test, before: (fixture: Fixture) => void, bytes = Buffer.alloc(KiB * KiB, 1)): Promise<boolean> {
  const fixture = await setUp(t)
  const { writer, stream, peer } = fixture
  let given: unknown
  stream.write = function (this: unknown, ...args: any[]) {
    if (args[0].length === bytes.length) given = args[0].buffer
    return (Object.getPrototypeOf(stream).write).apply(this, args)
  }
  before(fixture)
  const done = written(writer, bytes)
  writer.flush()
  await done
  for (let message = await peer.next(); message.length !== bytes.length;) message = await peer.next()
  return given === bytes.buffer
}

t.test('large bytes with a callback are not copied if the kernel gets them now', async (t) => {
  t.equal(await sendsChange(t, () => {}), true)
  t.equal(await sendsChange(t, ({ writer }) => { writer.add('held') }), true)
})

t.test('large bytes with a callback are copied if other bytes wait before them', async (t) => {
  t.equal(await sendsChange(t, ({ writer }) => { writer.add('x'.repeat(20 * KiB)) }), false)
})

t.test('large bytes with a callback are copied if their memory can shrink', { skip: !('resizable' in ArrayBuffer.prototype) }, async (t) => {
  const memory = new (ArrayBuffer as any)(KiB * KiB, { maxByteLength: 2 * KiB * KiB })
  t.equal(await sendsChange(t, () => {}, Buffer.from(memory)), false)
})

/** What can happen to the memory of bytes that were sent and not awaited. */
const FATES: Record<string, (memory: any) => void> = {
  transferred: (memory) => { structuredClone(memory, { transfer: [memory] }) },
  'cut to nothing': (memory) => { memory.resize(0) },
  grown: (memory) => { memory.resize(memory.maxByteLength) }
}

for (const [fate, befall] of Object.entries(FATES)) {
  const isResized = fate !== 'transferred'
  for (const length of [10, 20 * KiB, 200 * KiB]) {
    t.test(`memory of ${length} bytes that is ${fate} after add: the content is that of the call`, { skip: isResized && !('resizable' in ArrayBuffer.prototype) }, async (t) => {
      const { writer, peer } = await setUp(t)
      for (const before of [undefined, 'before', 'before'.repeat(5 * KiB)]) {
        for (const onWritten of [undefined, () => {}]) {
          const memory = new (ArrayBuffer as any)(length, isResized ? { maxByteLength: 2 * length } : {})
          const bytes = new Uint8Array(memory, isResized ? 0 : 1).fill(7) // a view without a length follows its memory
          const content = Buffer.from(bytes)
          if (before !== undefined) writer.add(before)
          writer.add(bytes, onWritten)
          befall(memory)
          writer.add('after')
          writer.flush()
          if (before !== undefined) t.equal(await peer.next(), before)
          t.ok(content.equals(await peer.next() as Buffer))
          t.equal(await peer.next(), 'after')
        }
      }
    })
  }
}

t.test('a writer that flushes before the end of the turn goes on in the turn', async (t) => {
  const { writer, peer, writes } = await setUp(t)
  writer.add('1')
  writer.flush()
  writer.add('2')
  t.equal(writes(), 1)
  await until(() => writes() === 2)
  t.same([await peer.next(), await peer.next()], ['1', '2'])
})

t.test('the writer counts messages, and tells them to its observer while somebody listens', async (t) => {
  const { writer, peer } = await setUp(t)
  const told: unknown[] = []
  const observer = { sent: (...message: unknown[]) => { told.push(message) } }
  const send = (): void => {
    writer.add('é')
    writer.add(Buffer.alloc(20 * KiB))
    writer.add(Buffer.from('text'), undefined, TEXT)
    writer.share(new PreparedMessage('published').and(new PreparedMessage(Buffer.alloc(2))))
    writer.addFrame(FIN | PING, 'no message')
    writer.count(7, BINARY)
  }
  writer.observer = observer
  send()
  const end = subscribe(messageSent, () => {})
  t.teardown(end)
  send()
  writer.observer = null
  send()
  t.same([writer.messages, writer.bytes], [3 * 6, 3 * (2 + 20 * KiB + 4 + 9 + 2 + 7)])
  t.same(told, [[2, true], [20 * KiB, false], [4, true], [9, true], [2, false], [7, false]])
  for (let i = 0; i < 3 * 5; i++) await peer.next()
})

t.test('a stream of HTTP/2 gets long frames in pieces, one write each, and the writer counts those that have left', async (t) => {
  const writes: number[] = []
  const leave: OnWritten[] = []
  const stream = new Duplex({
    read () {},
    write (chunk, _encoding, callback) {
      writes.push(chunk.length)
      leave.push(callback)
    },
    writev () { t.fail('several chunks are written at once') }
  })
  const writer = new FrameWriter(Object.assign(stream, { rstCode: 0 }), false)
  let written = 0
  writer.add(Buffer.alloc(200 * KiB), () => { written++ })
  writer.add('short')
  writer.flush()
  for (const piecesWritten of [0, 1, 2, 3]) {
    t.same([writer.piecesWritten, written], [piecesWritten, 0])
    leave.shift()!()
    await setImmediate()
  }
  t.equal(written, 1)
  t.same(writes, [64 * KiB, 64 * KiB, 64 * KiB, 8 * KiB + 10, 7])

  writer.add(Buffer.alloc(100 * KiB))
  writer.flush()
  stream.on('error', () => {})
  leave.pop()!()
  leave.pop()!(new Error('lost'))
  await setImmediate()
  t.equal(writer.piecesWritten, 3)
})
