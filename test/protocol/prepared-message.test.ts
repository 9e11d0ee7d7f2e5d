import t from 'tap'
import { frameOf, payloadLength } from '../../lib/protocol/frame'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import type { Payload } from '../../lib/codec/encode'

const frame = (payload: Payload): Buffer => frameOf(payload, payloadLength(payload))

t.test('a message is framed once: text as text, bytes as bytes', async (t) => {
  for (const payload of ['', 'text', '€'.repeat(100), Buffer.from('bytes'), new Uint8Array(0), Buffer.alloc(70_000, 1)]) {
    const prepared = new PreparedMessage(payload)
    t.same(prepared.bytes, frame(payload))
    t.equal(prepared.byteLength, prepared.bytes.length)
    t.same(typeof payload === 'string' ? payload : Buffer.from(payload), prepared.payload)
  }
})

t.test('the UTF-8 of a text is framed as a text, and its payload is a string', async (t) => {
  for (const text of ['', 'text', '€'.repeat(100), 'x'.repeat(70_000)]) {
    const prepared = new PreparedMessage(Buffer.from(text), true)
    t.same(prepared.bytes, frame(text))
    t.equal(prepared.byteLength, prepared.bytes.length)
    t.equal(prepared.payload, text)
    t.equal(prepared.payload, text)
  }
})

t.test('a later change of the caller\'s bytes changes nothing', async (t) => {
  const bytes = Buffer.from('bytes')
  const prepared = new PreparedMessage(bytes)
  bytes.fill(0)
  t.same(prepared.payload, Buffer.from('bytes'))
  t.same(prepared.bytes, frame(Buffer.from('bytes')))
})

t.test('a batch has the frames of the published messages, in order', async (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => new PreparedMessage(text))
  const batch = a.and(b).and(c).and(b)
  t.same(batch.bytes, Buffer.concat([frame('a'), frame('b'), frame('c'), frame('b')]))
  t.equal(batch.byteLength, batch.bytes.length)
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
