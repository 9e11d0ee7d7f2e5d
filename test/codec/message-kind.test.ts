import t from 'tap'
import { kindOf } from '../../lib/codec/message-kind'

t.test('what an encoder makes of a value', async (t) => {
  for (const value of ['text', 5, true, {}, null, Buffer.alloc(1)]) {
    t.equal(kindOf('json', value), 'json')
    t.equal(kindOf('bytes', value), 'bytes')
    for (const type of ['text', 'integer', 'number', 'boolean'] as const) t.equal(kindOf(type, value), 'text')
  }
  for (const text of ['text', '', 5, NaN, true]) t.equal(kindOf('any', text), 'text')
  for (const bytes of [Buffer.alloc(1), new ArrayBuffer(1), new DataView(new ArrayBuffer(1))]) t.equal(kindOf('any', bytes), 'bytes')
  for (const json of [{}, [], null, undefined, new Date()]) t.equal(kindOf('any', json), 'json')
})
