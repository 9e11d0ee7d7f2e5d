import { once } from 'node:events'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { retainBytes, retain, shareMemory } from '../../lib/protocol/read-buffer'
import { connectWebSockets } from '../helpers/websocket-pair'
import { connectTcpPair } from '../helpers/tcp'
import { until } from '../helpers/until'

const SIZE = 64 * 1024

interface Reader extends Socket {
  /** The chunks that were read, as the listener gets them, and as `keep` has kept them. */
  chunks: Buffer[]
  kept: Buffer[]
  keep (chunk: Buffer): Buffer
}

/** The one listener of all sockets in this test, like that of `ws`. */
function onData (this: Reader, chunk: Buffer): void {
  this.chunks.push(chunk)
  this.kept.push(this.keep(chunk))
}

const copy = (chunk: Buffer): Buffer => Buffer.concat([chunk])

/** Both ends of a connection. The server's end reads into the shared buffer, unless `others` listen to it. */
async function createPair (t: Test, keep: Reader['keep'] = copy, ...others: ((chunk: Buffer) => void)[]): Promise<{ reader: Reader, client: Socket }> {
  const { client, stream } = await connectTcpPair(t)
  client.setNoDelay()
  const reader: Reader = Object.assign(stream, { chunks: [], kept: [], keep })
  for (const listener of [...others, onData]) reader.on('data', listener)
  shareMemory(reader)
  return { reader, client }
}

/** Writes `bytes` and waits until `reader` has them. */
async function send ({ reader, client }: { reader: Reader, client: Socket }, bytes: string | Buffer): Promise<void> {
  const { bytesRead } = reader
  client.write(bytes)
  await until(() => reader.bytesRead === bytesRead + bytes.length)
}

/** Bytes without two equal parts. */
function pattern (length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(i, i)
  return bytes
}

t.test('a stream with another listener does not share the buffer, and that listener is not taken for the one of `ws`', async (t) => {
  const heard: Buffer[] = []
  const other = (chunk: Buffer): void => { heard.push(chunk) }
  const pair = await createPair(t, copy, other)
  pair.reader.removeListener('data', onData as never)
  for (const text of ['one', 'two']) await send(pair, text)
  t.equal(heard.join(), 'one,two')
  t.equal((await createPair(t)).reader.listenerCount('data'), 1)
  const later = await createPair(t, copy, other)
  for (const text of ['three', 'four']) await send(later, text)
  t.equal(heard.join(), 'one,two,three,four')
})

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
  t.test(`${name}: while reads are full and retained as a whole, each read gets a new buffer`, async (t) => {
    const pair = await createPair(t, keep)
    const { reader, client } = pair
    const bytes = pattern(4 * 1024 * 1024)
    reader.pause()
    client.write(bytes)
    await until(() => client.writableLength === 0 || client.bytesWritten > SIZE)
    reader.resume()
    await until(() => reader.bytesRead === bytes.length)
    t.ok(Buffer.concat(reader.kept).equals(bytes))
    const own = reader.chunks.filter((chunk, i) => chunk === reader.kept[i] || chunk.buffer === reader.kept[i].buffer)
    t.ok(own.some(({ length }) => length === SIZE), 'of which nothing is copied')
    t.equal(new Set(own.map(({ buffer }) => buffer)).size, own.length)
    for (const { length, buffer } of reader.kept) t.ok(buffer.byteLength <= SIZE && (length > SIZE / 2 || buffer.byteLength < SIZE))
    await send(pair, 'the end')
    await send(pair, 'of it')
    t.equal(reader.chunks.at(-1)!.buffer, (await shared(t)), 'then it shares the memory again')
  })
}

/** The shared buffer. */
async function shared (t: Test): Promise<ArrayBufferLike> {
  const pair = await createPair(t)
  await send(pair, 'a')
  return pair.reader.chunks[0].buffer
}

t.test('a paused stream has no buffer of its own', async (t) => {
  const { reader, client } = await createPair(t, (chunk) => {
    reader.pause()
    return retain(chunk)
  })
  const bytes = pattern(1024 * 1024)
  client.write(bytes)
  while (reader.bytesRead < bytes.length) {
    await until(() => reader.isPaused())
    reader.resume()
  }
  await until(() => Buffer.concat(reader.kept).equals(bytes))
  t.ok(reader.kept.some(({ length }) => length === SIZE))
  for (const { buffer } of reader.chunks) t.equal(buffer, await shared(t))
})

t.test('while little is retained, the buffer stays the same, however much is read', async (t) => {
  const { reader, client } = await createPair(t)
  client.write(pattern(1024 * 1024))
  await until(() => reader.bytesRead === 1024 * 1024)
  t.equal(new Set(reader.chunks.map(({ buffer }) => buffer)).size, 1)
})

t.test('other listeners get chunks that they may keep', async (t) => {
  const pair = await createPair(t)
  const heard: Buffer[] = []
  pair.reader.on('data', (chunk) => heard.push(chunk))
  for (const text of ['one', 'two']) await send(pair, text)
  t.equal(heard.join(), 'one,two')
  pair.reader.removeListener('data', onData as never)
  await send(pair, 'three')
  await send(pair, 'four')
  t.equal(heard.join(), 'one,two,three,four')
  t.equal(pair.reader.kept.join(), 'one,two')
})

t.test('a paused stream keeps its chunks, and goes on in order', async (t) => {
  const pair = await createPair(t)
  const { reader, client } = pair
  reader.once('data', () => {
    reader.pause()
    reader.unshift('b')
  })
  await send(pair, 'a')
  client.write('c')
  reader.resume()
  await until(() => reader.kept.join('') === 'abc')
  reader.push('d') // like a stream that gets more data when it is paused already
  reader.pause()
  client.end('ef')
  reader.resume()
  await once(reader, 'end')
  t.equal(reader.kept.join(''), 'abcdef')
})

t.test('a TLS connection reads as well', async (t) => {
  const { server, stream, client } = await connectWebSockets(t, { secure: true })
  const chunks: Buffer[] = []
  server.on('message', (data: Buffer) => chunks.push(data))
  stream.removeAllListeners('data')
  const reader: Reader = Object.assign(stream as any, { chunks: [], kept: [], keep: copy })
  reader.on('data', onData)
  shareMemory(reader)
  client.send('secret')
  await until(() => reader.kept.length > 0)
  t.equal(reader.chunks[0].buffer, await shared(t))
  t.equal(Buffer.concat(reader.kept).length, 6 + 'secret'.length)
})

t.test('a stream that is no socket, or differs from the expected one, stays unchanged', async (t) => {
  const stream = new Duplex({ read () {}, write () {} })
  const { reader } = await createPair(t)
  const symbols = (object: object): unknown[] => Object.getOwnPropertySymbols(object).map((key) => [key, (object as any)[key]])
  for (const untouched of [stream, reader, new Socket()]) {
    const before = symbols(untouched)
    shareMemory(untouched)
    t.same(symbols(untouched), before)
  }
})
