import t from 'tap'
import { inflateRawSync } from 'node:zlib'
import { Deflater } from '../../lib/protocol/deflate'
import { BINARY, firstByteOf, frameOf, payloadLength, RSV1, TEXT } from '../../lib/protocol/frame'
import { PreparedMessage, type Batch } from '../../lib/protocol/prepared-message'
import type { Payload } from '../../lib/codec/encode'

const frame = (payload: Payload): Buffer => frameOf(firstByteOf(payload), payload, payloadLength(payload), false)

t.test('a message is framed once: text as text, bytes as bytes', async (t) => {
  for (const payload of ['', 'text', '€'.repeat(100), Buffer.from('bytes'), new Uint8Array(0), Buffer.alloc(70_000, 1)]) {
    const prepared = new PreparedMessage(payload)
    t.same(prepared.bytes, frame(payload))
    t.equal(prepared.byteLength, prepared.bytes.length)
    t.equal(prepared.count, 1)
    t.equal(prepared.tail.length, 0)
  }
})

t.test('the UTF-8 of a text is framed as a text', async (t) => {
  for (const text of ['', 'text', '€'.repeat(100), 'x'.repeat(70_000)]) {
    const prepared = new PreparedMessage(Buffer.from(text), true)
    t.same(prepared.bytes, frame(text))
    t.equal(prepared.byteLength, prepared.bytes.length)
  }
})

t.test('a later change of the caller\'s bytes changes nothing', async (t) => {
  const bytes = Buffer.from('bytes')
  const prepared = new PreparedMessage(bytes)
  bytes.fill(0)
  t.same(prepared.bytes, frame(Buffer.from('bytes')))
})

t.test('a batch has the frames of the published messages, in order', async (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => new PreparedMessage(text))
  const batch = a.and(b).and(c).and(b)
  t.same(batch.bytes, Buffer.concat([frame('a'), frame('b'), frame('c'), frame('b')]))
  t.equal(batch.byteLength, batch.bytes.length)
  t.equal(batch.count, 4)
  t.equal(a.bytes, a.bytes, 'one frame alone is not copied')
})

t.test('the same messages in the same order make the same batch', async (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => new PreparedMessage(text))
  const [first, second] = [a.and(b), a.and(b)]
  t.equal(first, second)
  t.equal(first.bytes, second.bytes)
  t.not(a.and(c), first)
  t.same(a.and(c).bytes, Buffer.concat([frame('a'), frame('c')]))
  t.same(first.bytes, Buffer.concat([frame('a'), frame('b')]), 'the first batch stays unchanged')
})

t.test('a batch of batches has the messages of all of them', async (t) => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((text) => new PreparedMessage(text))
  const batch = a.and(b).and(c.and(d))
  t.same(batch.bytes, Buffer.concat(['a', 'b', 'c', 'd'].map(frame)))
  t.equal(batch.count, 4)
})

/** The content of a compressed frame of less than 64 KiB. */
function contentOf ({ bytes }: Batch): string {
  const start = bytes[1] < 126 ? 2 : 4
  return inflateRawSync(bytes.subarray(start), { finishFlush: 2 }).toString()
}

t.test('a message is compressed once for each deflater, without reference to other messages', async (t) => {
  const [deflater, other] = [new Deflater({}, 15), new Deflater({ threshold: 1000 }, 15)]
  for (const [first, payload] of [[TEXT, 'x'.repeat(300)], [BINARY, Buffer.from('x'.repeat(300))]] as const) {
    const prepared = new PreparedMessage(payload)
    const compressed = prepared.compressed(deflater)
    t.equal(prepared.compressed(deflater), compressed)
    t.equal(compressed.bytes[0], first | RSV1)
    t.equal(contentOf(compressed), 'x'.repeat(300))
    t.equal(compressed.tail.toString(), 'x'.repeat(300))
    t.equal(compressed.byteLength, compressed.bytes.length)
    t.equal(compressed.count, 1)
    t.equal(compressed.compressed(deflater), compressed)
    t.equal(prepared.compressed(other), prepared, 'below the threshold')
  }
})

t.test('a message that would become longer, or would take long, stays as it is', async (t) => {
  const deflater = new Deflater({ threshold: 0 }, 15)
  for (const payload of ['', 'ab', 'x'.repeat(64 * 1024 + 1)]) {
    const prepared = new PreparedMessage(payload)
    t.equal(prepared.compressed(deflater), prepared)
  }
})

t.test('a batch is compressed message by message; its tail is the end of what was compressed', async (t) => {
  const deflater = new Deflater({}, 15)
  const messages = ['a'.repeat(1500), 'small', 'b'.repeat(1500), 'c'.repeat(300)].map((text) => new PreparedMessage(text))
  const [a, small, b, c] = messages
  const batch = a.and(small).and(b).and(c)
  const compressed = batch.compressed(deflater)
  t.same(compressed.bytes, Buffer.concat(messages.map((message) => message.compressed(deflater).bytes)))
  t.equal(compressed.tail.toString(), 'a'.repeat(248) + 'b'.repeat(1500) + 'c'.repeat(300))
  t.equal(compressed.tail, compressed.tail)
  t.equal(batch.compressed(deflater), compressed)
  t.equal(a.and(small).compressed(deflater).tail.toString(), 'a'.repeat(1500))
  t.equal(new PreparedMessage('x'.repeat(5000)).compressed(deflater).tail.length, 2048)
})

t.test('a batch of very many messages is compressed', async (t) => {
  let batch: Batch = new PreparedMessage('')
  for (let n = 1; n < 20_000; n++) batch = batch.and(new PreparedMessage(''))
  t.same(batch.compressed(new Deflater({}, 15)).bytes, batch.bytes)
})

t.test('a batch tells the sizes and types of its messages, compressed or not', async (t) => {
  const long = 'x'.repeat(2_000)
  const batch = new PreparedMessage('é').and(new PreparedMessage(Buffer.alloc(3))).and(new PreparedMessage(long))
  const contents = [{ size: 2, isText: true }, { size: 3, isText: false }, { size: 2_000, isText: true }]
  for (const each of [batch, batch.compressed(new Deflater({}, 15))]) {
    t.same(each.messages.map(({ size, isText }) => ({ size, isText })), contents)
    t.equal(each.size, 2_005)
    t.equal(each.count, 3)
  }
})
