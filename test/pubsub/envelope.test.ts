import t from 'tap'
import { createOrigin, isFrom, seal, unseal } from '../../lib/pubsub/envelope'

const origin = createOrigin()

t.test('unseal returns what seal was given: a text as UTF-8, bytes as bytes', async (t) => {
  for (const text of ['', 'text', '日本 😀', '\0', 'x'.repeat(70_000)]) {
    const letter = unseal(seal(text, origin))!
    t.equal(letter.isText, true)
    t.equal(Buffer.from(letter.payload).toString(), text)
  }
  for (const bytes of [Buffer.alloc(0), Buffer.from([0xff, 0xc0, 0x80]), new Uint8Array([1, 2, 3]).subarray(1), Buffer.alloc(70_000, 0xf5)]) {
    const letter = unseal(seal(bytes, origin))!
    t.equal(letter.isText, false)
    t.ok(Buffer.from(letter.payload).equals(bytes))
  }
})

t.test('an unpaired surrogate, which UTF-8 does not have, is sent as the replacement character', async (t) => {
  t.equal(Buffer.from(unseal(seal('a\ud800b', origin))!.payload).toString(), 'a\ufffdb')
})

t.test('an envelope takes ten bytes', async (t) => {
  t.equal(seal('text', origin).length, 14)
})

t.test('an envelope has the origin of its app', async (t) => {
  const other = createOrigin()
  t.notSame(other, origin)
  t.equal(isFrom(seal('text', origin), origin), true)
  t.equal(isFrom(seal('text', other), origin), false)
})

t.test('an envelope has a copy, so that the caller may change its bytes', async (t) => {
  const bytes = Buffer.from('bytes')
  const envelope = seal(bytes, origin)
  bytes.fill(0)
  t.equal(Buffer.from(unseal(envelope)!.payload).toString(), 'bytes')
})

t.test('a message of another program is no envelope', async (t) => {
  for (const foreign of [Buffer.alloc(0), Buffer.from('hello'), Buffer.from('{"a":"a longer text in JSON"}'), Buffer.from([0xf5]), Buffer.alloc(100), Buffer.alloc(100, 0xff), Buffer.from('\u{10ffff} text')]) {
    t.equal(unseal(foreign), null, foreign.toString('hex'))
  }
})

t.test('an envelope of an unknown kind is none', async (t) => {
  for (const kind of [0, 3, 255]) {
    const envelope = seal('text', origin)
    envelope[1] = kind
    t.equal(unseal(envelope), null)
  }
})

t.test('an envelope that is cut off in its head is none', async (t) => {
  const envelope = seal('text', origin)
  for (let length = 0; length < 10; length++) t.equal(unseal(envelope.subarray(0, length)), null)
})

t.test('an envelope with a text that is not UTF-8 is none: a client would end the connection for it', async (t) => {
  const envelope = seal('日本', origin)
  t.equal(unseal(envelope.subarray(0, -1)), null)
})
