import t from 'tap'
import { VALUE_TYPES } from '../../lib/base/value-types'
import * as node from '../../lib/codec/codec'
import * as browser from '../../lib/codec/codec.browser'
import type { Decode } from '../../lib/codec/decode'
import type { ValueType } from '../../types/message'

const { Codec } = node

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

for (const [name, { Codec }] of Object.entries({ node, browser })) {
  t.test(`${name}: valueType sets both types, receiveType and sendType one`, async (t) => {
    for (const options of [{ valueType: 'json' }, { valueType: 'text', receiveType: 'json', sendType: 'json' }] as const) {
      const codec = new Codec(options)
      t.equal(text(codec.decoder(undefined), '1'), 1)
      t.equal(codec.encoder(undefined)('a'), '"a"')
    }
    const codec = new Codec({})
    t.equal(text(codec.decoder(undefined), '1'), '1')
    t.equal(codec.encoder(undefined)([1]), '[1]')
  })

  t.test(`${name}: JSON is received in the given mode, and without a mode in both`, async (t) => {
    const codec = new Codec({})
    t.equal(text(codec.decoder('json'), '1'), 1)
    t.equal(binary(codec.decoder('json'), '1'), 1)
    t.equal(text(codec.decoder('jsonText'), '1'), 1)
    t.throws(() => binary(codec.decoder('jsonText'), '1'), { code: 'FST_WS_DECODE' })
    t.equal(binary(codec.decoder('jsonBytes'), '1'), 1)
    t.throws(() => text(codec.decoder('jsonBytes'), '1'), { code: 'FST_WS_DECODE' })
  })

  t.test(`${name}: JSON is sent in the given mode, and without a mode as text`, async (t) => {
    const codec = new Codec({})
    t.equal(codec.encoder('json')('a'), '"a"')
    t.equal(codec.encoder('jsonText')('a'), '"a"')
    t.strictSame(codec.encoder('jsonBytes')('a'), Buffer.from('"a"'))
  })

  t.test(`${name}: a decoded value of any type is validated, and the result of the validator is received`, async (t) => {
    const codec = new Codec({ validate: (value, message) => ({ validated: value, message }) })
    t.strictSame(text(codec.decoder(undefined), 'a'), { validated: 'a', message: 'a' })
    for (const type of VALUE_TYPES) {
      const plain = text(new Codec({}).decoder(type), '1')
      t.strictSame(text(codec.decoder(type), '1'), { validated: plain, message: '1' }, type)
    }
    t.strictSame(text(codec.decoder('jsonText'), '1'), { validated: 1, message: '1' })
    t.match(binary(codec.decoder('jsonBytes'), '1'), { validated: 1 })
  })
}

t.test('JSON is serialized and parsed with the given functions', async (t) => {
  const codec = new Codec({ receiveType: 'json', sendType: 'json', parse: (json) => ({ parsed: json }), serialize: (value) => `<${String(value)}>` })
  for (const decode of [codec.decode, codec.decoder('json'), codec.decoder('jsonText')]) t.strictSame(text(decode, 'a'), { parsed: 'a' })
  for (const encode of [codec.encode, codec.encoder('json'), codec.encoder('jsonText')]) t.equal(encode('a'), '<a>')
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
