import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Socket, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { connectStreams } from '../../lib/client/duplex-pair'
import { Parser } from '../../lib/protocol/parser'
import { readInto, retainBytes, retain, type Reader } from '../../lib/protocol/read-buffer'
import { encode } from '../conformance/frame'
import { BINARY, TEXT } from '../helpers/frames'
import { connectTcpPair } from '../helpers/tcp'
import { until } from '../helpers/until'

const SIZE = 64 * 1024

/** Keeps what it reads. */
class Collector implements Reader {
  /** The chunks that were read, as the reader gets them, and as `keep` has kept them. */
  readonly chunks: Buffer[] = []
  readonly kept: Buffer[] = []
  /** Where the next bytes are to be read to. What was read there is in `counts`. */
  place: Buffer | undefined
  readonly counts: number[] = []
  readonly #keep: (chunk: Buffer) => Buffer

  constructor (keep: (chunk: Buffer) => Buffer) {
    this.#keep = keep
  }

  read (chunk: Buffer): void {
    this.chunks.push(chunk)
    this.kept.push(this.#keep(chunk))
  }

  placed (count: number): void {
    this.counts.push(count)
    this.place = count === this.place!.length ? undefined : this.place!.subarray(count)
  }
}

const copy = (chunk: Buffer): Buffer => Buffer.concat([chunk])

interface Pair {
  reader: Collector
  stream: Duplex & { bytesRead: number }
  client: Duplex
}

/** Both ends of a connection. `reader` reads what arrives at the server's end, `stream`. */
async function createPair (t: Test, keep = copy): Promise<Pair & { stream: Socket, client: Socket }> {
  const { client, stream } = await connectTcpPair(t)
  client.setNoDelay()
  const reader = new Collector(keep)
  readInto(reader, stream)
  return { reader, stream, client }
}

/** Writes `bytes` and waits until the stream has read them. */
async function send ({ stream, client }: Pair, bytes: string | Buffer): Promise<void> {
  const { bytesRead } = stream
  client.write(bytes)
  await until(() => stream.bytesRead === bytesRead + bytes.length)
}

/** Bytes without two equal parts. */
function pattern (length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(i, i)
  return bytes
}

t.test('all connections read into one buffer, and a retained chunk is a copy', async (t) => {
  const [first, second] = [await createPair(t, retain), await createPair(t, (chunk) => retainBytes(chunk, 1, chunk.length))]
  await send(first, 'first')
  await send(second, 'second')
  const [[read], [other]] = [first.reader.chunks, second.reader.chunks]
  t.equal(read.buffer, other.buffer)
  t.equal(read.buffer.byteLength, SIZE)
  t.equal(read.toString(), 'secon', 'the second read was written over the first')
  t.equal(first.reader.kept.toString(), 'first')
  t.equal(second.reader.kept.toString(), 'econd')
})

for (const [name, keep] of Object.entries({ retain, retainBytes: (chunk: Buffer) => retainBytes(chunk, 0, chunk.length) })) {
  t.test(`${name}: full reads that are retained as a whole are copies of their length`, async (t) => {
    const { reader, stream, client } = await createPair(t, keep)
    const bytes = pattern(1024 * 1024)
    client.write(bytes)
    await until(() => stream.bytesRead === bytes.length)
    t.ok(Buffer.concat(reader.kept).equals(bytes))
    t.equal(new Set(reader.chunks.map(({ buffer }) => buffer)).size, 1, 'all reads share the memory')
    t.ok(reader.kept.every(({ buffer }) => buffer !== reader.chunks[0].buffer))
  })
}

/** The shared buffer. */
async function shared (t: Test): Promise<ArrayBufferLike> {
  const pair = await createPair(t)
  await send(pair, 'a')
  return pair.reader.chunks[0].buffer
}

t.test('a paused stream has no buffer of its own', async (t) => {
  const { reader, stream, client } = await createPair(t, (chunk) => {
    stream.pause()
    return retain(chunk)
  })
  const bytes = pattern(1024 * 1024)
  client.write(bytes)
  while (stream.bytesRead < bytes.length) {
    await until(() => stream.isPaused())
    stream.resume()
  }
  await until(() => Buffer.concat(reader.kept).equals(bytes))
  t.ok(reader.kept.some(({ length }) => length === SIZE))
  for (const { length, buffer } of reader.chunks) t.ok(buffer === (reader.chunks[0].buffer) || buffer.byteLength === length, 'the shared memory, or a copy')
})

t.test('while little is retained, the buffer stays the same, however much is read', async (t) => {
  const { reader, stream, client } = await createPair(t)
  client.write(pattern(1024 * 1024))
  await until(() => stream.bytesRead === 1024 * 1024)
  t.equal(new Set(reader.chunks.map(({ buffer }) => buffer)).size, 1)
})

for (const [when, isBefore] of [['before', true], ['after', false]] as const) {
  t.test(`another listener, from ${when} the reader, gets chunks that it may keep`, async (t) => {
    const { client, stream } = await connectTcpPair(t)
    const reader = new Collector(copy)
    const pair = { client, stream, reader }
    const heard: Buffer[] = []
    const listen = (): void => { stream.on('data', (chunk) => heard.push(chunk)) }
    if (isBefore) listen()
    readInto(reader, stream)
    if (!isBefore) listen()
    for (const text of ['one', 'two']) await send(pair, text)
    await send(await createPair(t), 'x'.repeat(1000))
    t.equal(heard.join(), 'one,two')
    t.equal(reader.kept.join(), 'one,two')
  })
}

t.test('a listener that comes and goes gets chunks that it may keep', async (t) => {
  const pair = await createPair(t)
  const { reader, stream } = pair
  const heard: Buffer[] = []
  const listener = (chunk: Buffer): void => { heard.push(chunk) }
  await send(pair, 'zero')
  stream.on('data', listener)
  for (const text of ['one', 'two']) await send(pair, text)
  stream.removeListener('data', listener)
  await send(pair, 'three')
  t.equal(heard.join(), 'one,two')
  t.equal(reader.kept.join(), 'zero,one,two,three')
  t.equal(reader.chunks.at(-1)!.buffer, reader.chunks[0].buffer, 'then the stream shares the memory again')
})

t.test('a listener that takes the reader\'s place gets chunks that it may keep', async (t) => {
  const pair = await createPair(t)
  const heard: Buffer[] = []
  pair.stream.removeAllListeners('data')
  pair.stream.on('data', (chunk) => heard.push(chunk))
  for (const text of ['one', 'two']) await send(pair, text)
  t.equal(heard.join(), 'one,two')
  t.equal(pair.reader.kept.length, 0)
})

t.test('a paused stream keeps its chunks, and goes on in order', async (t) => {
  let isFirst = true
  const pair = await createPair(t, (chunk) => {
    if (isFirst) {
      isFirst = false
      pair.stream.pause()
      pair.stream.unshift('b')
    }
    return copy(chunk)
  })
  const { reader, stream, client } = pair
  await send(pair, 'a')
  client.write('c')
  stream.resume()
  await until(() => reader.kept.join('') === 'abc')
  stream.push('d') // like a stream that gets more data when it is paused already
  stream.pause()
  client.end('ef')
  stream.resume()
  await once(stream, 'end')
  t.equal(reader.kept.join(''), 'abcdef')
})

t.test('the rest of a long message is read into its place', async (t) => {
  const pair = await createPair(t)
  const { reader, stream, client } = pair
  await send(pair, 'x')
  const memory = Buffer.alloc(SIZE + 1000)
  reader.place = memory
  await send(pair, 'the read before')
  const bytes = pattern(memory.length)
  client.write(bytes)
  await until(() => stream.bytesRead === 16 + bytes.length)
  t.ok(memory.equals(bytes))
  t.equal(reader.counts.reduce((sum, count) => sum + count), bytes.length)
  t.equal(reader.kept.join(), 'x,the read before')
  await send(pair, 'the next read')
  t.equal(reader.kept.join(), 'x,the read before,the next read')
  t.equal(reader.chunks.at(-1)!.buffer, reader.chunks[0].buffer, 'then the stream shares the memory again')
})

t.test('if another listener comes before a read into a place, both get the bytes, and the place is not used', async (t) => {
  const pair = await createPair(t)
  const { reader, stream } = pair
  const memory = reader.place = Buffer.alloc(SIZE + 1000)
  await send(pair, 'one')
  const heard: Buffer[] = []
  stream.on('data', (chunk) => heard.push(chunk))
  await send(pair, 'two')
  memory.fill('x')
  await send(pair, 'three')
  t.equal(heard.join(), 'two,three')
  t.equal(reader.kept.join(), 'one,two,three')
  t.same(reader.counts, [])
})

t.test('a parser reads long messages in whatever parts they come, also while its stream pauses and others listen', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const got: Buffer[] = []
  const unexpected = (): void => { t.fail('unexpected') }
  const parser = new Parser({ isServer: true, maxPayload: 16 * 1024 * 1024, decompressor: null }, {
    onControlFrame: unexpected, onViolation: unexpected, onBusy: unexpected, onIdle: unexpected
  })
  let reads = 0
  let places = 0
  const heard: Buffer[] = []
  const listener = (chunk: Buffer): void => { heard.push(chunk) }
  const disturb = (): void => {
    reads++
    if (reads % 5 === 0) {
      stream.pause()
      setImmediate(() => stream.resume())
    }
    if (reads % 7 === 0) stream.on('data', listener)
    if (reads % 7 === 2) stream.removeListener('data', listener)
  }
  parser.recipient = { push: (message) => got.push(Buffer.from(message)) }
  readInto({
    read: (chunk) => {
      parser.read(chunk)
      disturb()
    },
    get place () { return parser.place },
    placed: (count) => {
      places++
      parser.placed(count)
      disturb()
    }
  }, stream)
  const messages = Array.from({ length: 30 }, (_, i) => i % 3 === 0 ? Buffer.from('short') : pattern((i * 37 % 30) * 40_000 + i))
  for (const [i, payload] of messages.entries()) client.write(encode({ opcode: payload.length === 5 ? TEXT : BINARY, payload, mask: [i, 2, 3, 4] }))
  await until(() => got.length === messages.length)
  t.ok(messages.every((message, i) => message.equals(got[i])))
  t.ok(places > 5 && heard.length > 0, `${places} of ${reads} reads into a place, ${heard.length} heard`)
})

const TLS = { key: fixture('key.pem'), cert: fixture('cert.pem') }

function fixture (name: string): Buffer {
  return readFileSync(join(__dirname, '..', 'fixtures', name))
}

t.test('a TLS connection over a network socket reads into the shared memory', async (t) => {
  const server = createTlsServer(TLS).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  const [stream] = await once(server, 'secureConnection') as [TLSSocket]
  t.teardown(() => stream.destroy())
  const reader = new Collector(copy)
  readInto(reader, stream)
  client.write('secret')
  await until(() => reader.kept.length > 0)
  t.equal(reader.chunks[0].buffer, await shared(t))
  t.equal(reader.kept.join(), 'secret')
})

t.test('a TLS connection over another stream reads, but not into the shared memory, since its reads may nest', async (t) => {
  const [near, far] = connectStreams('127.0.0.1', true)
  const stream = new TLSSocket(far, { ...TLS, isServer: true })
  const client = connectTls({ socket: near, rejectUnauthorized: false })
  t.teardown(() => { client.destroy(); stream.destroy() })
  await once(client, 'secureConnect')
  const reader = new Collector(retain)
  readInto(reader, stream)
  for (const text of ['one', 'two']) {
    client.write(text)
    await until(() => reader.kept.join().endsWith(text))
  }
  t.equal(reader.kept.join(), 'one,two')
  for (const { buffer } of reader.chunks) t.not(buffer, await shared(t))
})

/** The symbols of `socket` that the reader changes, with their values. */
function buffersOf (socket: object): [symbol, unknown][] {
  const symbols = Object.getOwnPropertySymbols(socket).filter(({ description }) => /^kBuffer/.test(description!))
  return symbols.map((key) => [key, (socket as any)[key]])
}

t.test('a socket that differs from the expected one reads as Node does', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const [, , [key]] = buffersOf(stream)
  ;(stream as any)[key] = undefined // as if Node had no such property
  for (const socket of [stream, new Socket()]) {
    const before = buffersOf(socket)
    t.equal(before.length, 3)
    readInto(new Collector(copy), socket)
    t.same(buffersOf(socket), before)
    socket.removeAllListeners('data')
  }
  const reader = new Collector(retain)
  readInto(reader, stream)
  for (const text of ['one', 'two']) await send({ reader, stream, client }, text)
  t.equal(reader.kept.join(), 'one,two')
  t.equal(reader.kept[0], reader.chunks[0], 'nothing is copied')
})

t.test('a stream that is no socket is read as well', async (t) => {
  const stream = new Duplex({ read () {}, write () {} })
  const reader = new Collector(retain)
  readInto(reader, stream)
  stream.push('one')
  stream.push('two')
  await until(() => reader.kept.join('') === 'onetwo')
  t.equal(reader.kept[0], reader.chunks[0], 'nothing is copied')
})
