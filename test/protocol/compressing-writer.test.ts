import { randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { CompressingWriter } from '../../lib/protocol/compressing-writer'
import { Deflater, History } from '../../lib/protocol/deflate'
import { FrameWriter } from '../../lib/protocol/frame-writer'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import { PING } from '../helpers/frames'
import { until } from '../helpers/until'
import type { DeflaterOptions } from '../../lib/protocol/deflate'

const KiB = 1024

/** The first byte and the length of each frame that has been written, for frames of a server. */
function framesIn (bytes: Buffer): [first: number, length: number][] {
  const frames: [number, number][] = []
  for (let offset = 0; offset < bytes.length;) {
    const code = bytes[offset + 1]
    const extended = code === 127 ? 8 : code === 126 ? 2 : 0
    const length = extended === 8 ? bytes.readUIntBE(offset + 4, 6) : extended === 2 ? bytes.readUInt16BE(offset + 2) : code
    frames.push([bytes[offset], length])
    offset += 2 + extended + length
  }
  return frames
}

function setUp ({ hasHistory = false, deflater = new Deflater({}, 15), ...options }: DeflaterOptions & { hasHistory?: boolean, deflater?: Deflater } = {}) {
  const stream = new PassThrough({ highWaterMark: 1024 * KiB })
  if (options.threshold !== undefined) deflater = new Deflater(options, 15)
  const writer = new CompressingWriter(new FrameWriter(stream, false), deflater, hasHistory ? new History(2 * KiB) : null)
  const frames = (): [number, number][] => {
    const chunks: Buffer[] = []
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk) // Node 26 reads one chunk at a time
    return framesIn(Buffer.concat(chunks))
  }
  return { stream, writer, frames, deflater }
}

t.test('a message is compressed if it has at least as many bytes as the threshold, and becomes smaller', async (t) => {
  const { writer, frames } = setUp()
  for (const payload of ['x'.repeat(199), 'x'.repeat(200), Buffer.from('x'.repeat(200)), randomBytes(300)]) writer.add(payload)
  writer.flush()
  const written = frames()
  t.same(written.map(([first]) => first), [0x81, 0xc1, 0xc2, 0x82])
  t.ok(written[1][1] < 20)
})

t.test('with a history, shorter messages are compressed as soon as there is something to refer to', async (t) => {
  const { writer, frames } = setUp({ hasHistory: true })
  const text = 'a short text, which is like others'
  for (const payload of [text, text.repeat(6), text, 'short']) writer.add(payload)
  writer.flush()
  t.same(frames().map(([first]) => first), [0x81, 0xc1, 0xc1, 0x81])
})

t.test('the first byte is that of the message, or the given one', async (t) => {
  const { writer, frames } = setUp({ threshold: 0 })
  writer.add('x'.repeat(100), undefined, 0x82)
  writer.add(Buffer.from('x'.repeat(100)), undefined, 0x81)
  writer.addFrame(0x80 | PING, 'x'.repeat(100))
  writer.add('')
  writer.flush()
  t.same(frames().map(([first]) => first), [0xc2, 0xc1, 0x89, 0x81])
})

t.test('add returns the bytes that the message takes, and bufferedAmount counts them', async (t) => {
  const { writer } = setUp()
  const bytes = writer.add('x'.repeat(200))
  t.ok(bytes < 20)
  t.equal(writer.bufferedAmount, bytes)
  const long = Buffer.alloc(65 * KiB)
  t.equal(writer.add(long), long.length)
  t.equal(writer.add('12345'), 5)
  t.equal(writer.share(new PreparedMessage('12345')), 7)
  writer.addFrame(0x80 | PING, '12345')
  t.equal(writer.bufferedAmount, bytes + long.length + 5 + 7 + 5, 'also what waits')
  writer.finish()
})

t.test('what comes after a long message waits for it, up to the next long message', async (t) => {
  const { writer, frames } = setUp()
  const written: string[] = []
  const note = (name: string) => (): void => { written.push(name) }
  const changing = Buffer.alloc(70 * KiB, 'x')
  writer.add(changing, note('long'))
  changing.set(randomBytes(changing.length))
  writer.add('1', note('1'))
  const bytes = Buffer.from('2')
  writer.add(bytes, note('2'))
  bytes.fill('x')
  writer.addFrame(0x80 | PING, Buffer.from('ping'), note('ping'))
  writer.add('y'.repeat(66 * KiB), note('long text'))
  writer.share(new PreparedMessage('3'), note('3'))
  writer.add('z'.repeat(300), note('4'))
  t.same(frames(), [])
  await until(() => written.length === 7)
  t.same(written, ['long', '1', '2', 'ping', 'long text', '3', '4'])
  const all = frames()
  t.same(all.map(([first]) => first), [0xc2, 0x81, 0x82, 0x89, 0xc1, 0x81, 0xc1])
  t.ok(all[0][1] < KiB, 'the content of the call')
  t.equal(writer.bufferedAmount, 0)
})

t.test('finish writes what waits, uncompressed, and nothing is written twice', async (t) => {
  const { writer, frames } = setUp()
  writer.add('x'.repeat(70 * KiB))
  writer.add('1')
  writer.add('x'.repeat(70 * KiB))
  writer.addFrame(0x80 | PING, 'ping')
  writer.finish()
  const expected = [[0x81, 70 * KiB], [0x81, 1], [0x81, 70 * KiB], [0x89, 4]]
  t.same(frames(), expected)
  t.equal(writer.bufferedAmount, 0)
  for (let n = 0; n < 20; n++) await setImmediate()
  t.same(frames(), [])
})

t.test('finish without anything that waits writes what is held', async (t) => {
  const { writer, frames } = setUp()
  writer.add('1')
  writer.finish()
  t.same(frames(), [[0x81, 1]])
})

t.test('a long message whose compression fails is written as it is', async (t) => {
  class Failing extends Deflater {
    override async deflateLater (): Promise<Buffer> { throw new Error('no memory') }
  }
  const { writer, frames } = setUp({ deflater: new Failing({}, 15) })
  writer.add('x'.repeat(70 * KiB))
  writer.add('1')
  await setImmediate()
  t.same(frames(), [[0x81, 70 * KiB], [0x81, 1]])
})

t.test('published messages are compressed, and are what later messages refer to', async (t) => {
  const { writer, frames } = setUp({ hasHistory: true })
  const text = 'a text that is published, and sent'
  writer.share(new PreparedMessage(text.repeat(6)))
  writer.add(text)
  writer.flush()
  t.same(frames().map(([first]) => first), [0xc1, 0xc1])
})
