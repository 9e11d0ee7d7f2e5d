import t from 'tap'
import { Codec, VALUE_TYPES } from '../../lib/codec/codec'
import type { Decode } from '../../lib/codec/decode'
import type { ValueType } from '../../types/message'

const text = (decode: Decode, message: string): unknown => decode(message)
const binary = (decode: Decode, message: string): unknown => decode(Buffer.from(message))

t.test('by default, text is received and any value is sent', async (t) => {
  const codec = new Codec({})
  t.equal(text(codec.decode, '1'), '1')
  t.throws(() => binary(codec.decode, '1'), { code: 'FST_WS_DECODE' })
  t.equal(codec.encode({ a: 1 }), '{"a":1}')
  t.equal(codec.encode(1), '1')
  t.strictSame(codec.encode(Buffer.from('a')), Buffer.from('a'))
})

t.test('the codec decodes and encodes by the given types', async (t) => {
  const codec = new Codec({ receiveType: 'integer', sendType: 'json' })
  t.equal(text(codec.decode, '1'), 1)
  t.equal(codec.encode('a'), '"a"')
})

t.test('there is a decoder and an encoder for each type, and the codec\'s own without a type', async (t) => {
  const codec = new Codec({ receiveType: 'number', sendType: 'boolean' })
  const received: Record<ValueType, unknown> = { text: '1', bytes: Buffer.from('1'), json: 1, integer: 1, number: 1, boolean: true, any: '1' }
  const sent: Record<ValueType, [unknown, unknown]> = {
    text: ['a', 'a'], bytes: [Buffer.from('a'), Buffer.from('a')], json: ['a', '"a"'], integer: [1, '1'], number: [1.5, '1.5'], boolean: [true, 'true'], any: [null, 'null']
  }
  for (const type of VALUE_TYPES) {
    t.strictSame(text(codec.decoder(type), '1'), received[type], type)
    t.strictSame(codec.encoder(type)(sent[type][0]), sent[type][1], type)
  }
  t.equal(codec.decoder(undefined), codec.decode)
  t.equal(codec.encoder(undefined), codec.encode)
})

t.test('an unknown type throws a WebSocketOptionError', async (t) => {
  const codec = new Codec({})
  for (const type of ['string', 'jsonText', 'jsonBytes', 'toString', '__proto__', '', null, 1] as never[]) {
    t.throws(() => codec.decoder(type), { code: 'FST_WS_OPTION', message: /^type is / })
    t.throws(() => codec.encoder(type), { code: 'FST_WS_OPTION', message: /^type is / })
  }
})

t.test('JSON is received in the given mode, and without a mode in both', async (t) => {
  const codec = new Codec({})
  t.equal(text(codec.jsonDecoder(undefined), '1'), 1)
  t.equal(binary(codec.jsonDecoder(undefined), '1'), 1)
  t.equal(text(codec.jsonDecoder('text'), '1'), 1)
  t.throws(() => binary(codec.jsonDecoder('text'), '1'), { code: 'FST_WS_DECODE' })
  t.equal(binary(codec.jsonDecoder('bytes'), '1'), 1)
  t.throws(() => text(codec.jsonDecoder('bytes'), '1'), { code: 'FST_WS_DECODE' })
})

t.test('JSON is sent in the given mode, and without a mode as text', async (t) => {
  const codec = new Codec({})
  t.equal(codec.jsonEncoder(undefined)('a'), '"a"')
  t.equal(codec.jsonEncoder('text')('a'), '"a"')
  t.strictSame(codec.jsonEncoder('bytes')('a'), Buffer.from('"a"'))
})

t.test('an unknown mode throws a WebSocketOptionError', async (t) => {
  const codec = new Codec({})
  for (const mode of ['binary', 'json', '', null, 1] as never[]) {
    t.throws(() => codec.jsonDecoder(mode), { code: 'FST_WS_OPTION', message: /^mode is / })
    t.throws(() => codec.jsonEncoder(mode), { code: 'FST_WS_OPTION', message: /^mode is / })
  }
})

t.test('JSON is serialized and parsed with the given functions', async (t) => {
  const codec = new Codec({ receiveType: 'json', sendType: 'json', parse: (json) => ({ parsed: json }), serialize: (value) => `<${String(value)}>` })
  for (const decode of [codec.decode, codec.decoder('json'), codec.jsonDecoder('text')]) t.strictSame(text(decode, 'a'), { parsed: 'a' })
  for (const encode of [codec.encode, codec.encoder('json'), codec.jsonEncoder('text')]) t.equal(encode('a'), '<a>')
})

t.test('a decoded value of any type is validated, and the result of the validator is received', async (t) => {
  const codec = new Codec({ validate: (value) => ({ validated: value }) })
  t.strictSame(text(codec.decode, 'a'), { validated: 'a' })
  for (const type of VALUE_TYPES) {
    const plain = text(new Codec({}).decoder(type), '1')
    t.strictSame(text(codec.decoder(type), '1'), { validated: plain }, type)
  }
  t.strictSame(text(codec.jsonDecoder(undefined), '1'), { validated: 1 })
  t.strictSame(text(codec.jsonDecoder('text'), '1'), { validated: 1 })
  t.strictSame(binary(codec.jsonDecoder('bytes'), '1'), { validated: 1 })
})

t.test('a validator gets the message, too', async (t) => {
  const codec = new Codec({ receiveType: 'json', validate: (value, message) => [value, message] })
  t.strictSame(text(codec.decode, '1'), [1, '1'])
})

t.test('a message that does not decode is not validated', async (t) => {
  let validated = 0
  const codec = new Codec({ receiveType: 'json', validate: () => validated++ })
  t.throws(() => text(codec.decode, '{'), { code: 'FST_WS_DECODE' })
  t.equal(validated, 0)
})

t.test('an error of the validator is thrown unchanged', async (t) => {
  const failure = new Error('invalid')
  const codec = new Codec({ validate: () => { throw failure } })
  t.throws(() => text(codec.decode, 'a'), failure)
})

t.test('a sent value is not validated', async (t) => {
  const codec = new Codec({ validate: () => { throw new Error('not for this') } })
  t.equal(codec.encode('a'), 'a')
})

t.test('the decoder of an iterator returns an IteratorResult, or a promise of one', async (t) => {
  const data = '1'
  const codec = new Codec({ receiveType: 'integer' })
  t.strictSame(codec.resultDecoder(undefined)(data), { done: false, value: 1 })
  t.strictSame(codec.resultDecoder('text')(data), { done: false, value: '1' })
  const later = new Codec({ validate: async (value) => `${value} later` })
  t.strictSame(await later.resultDecoder(undefined)(data), { done: false, value: '1 later' })
  for (const type of ['string', '', 'toString', null]) {
    t.throws(() => codec.resultDecoder(type as never), { code: 'FST_WS_OPTION', message: /^type is / })
  }
})
