import t from 'tap'
import { runInNewContext } from 'node:vm'
import { createEncoders, typeOf } from '../../lib/codec/encode'
import { WebSocketEncodeError } from '../../lib/base/errors'
import { createApp } from '../helpers/app'
import { detached, revoked, throwing, unreadable } from '../helpers/hostile'

const encoders = createEncoders(JSON.stringify)

const ENCODE_ERROR = { name: 'WebSocketEncodeError', code: 'FST_WS_ENCODE', closeCode: undefined }

const circular: Record<string, unknown> = {}
circular.self = circular

/** Numbers, and their decimal forms. */
const DECIMALS: [number, string][] = [
  [0, '0'], [-0, '0'], [1, '1'], [-1, '-1'], [1.5, '1.5'], [-0.25, '-0.25'], [0.1 + 0.2, '0.30000000000000004'],
  [1e20, '100000000000000000000'],
  [1e21, '1000000000000000000000'], [-1e21, '-1000000000000000000000'],
  [1.5e25, '15000000000000000285212672'],
  [Number.MAX_VALUE, BigInt(Number.MAX_VALUE).toString()],
  [0.000001, '0.000001'],
  [1e-7, '0.0000001'], [-1e-7, '-0.0000001'], [1.5e-7, '0.00000015'], [-1.5e-7, '-0.00000015'], [1.234e-10, '0.0000000001234'],
  [5e-324, `0.${'0'.repeat(323)}5`],
  [Number.EPSILON, '0.0000000000000002220446049250313'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991']
]

t.test('text: a string is sent as it is', async (t) => {
  for (const text of ['', 'hello', 'ünïcödé €😀', '\u0000']) t.equal(encoders.text(text), text)
})

t.test('text: anything else is refused', async (t) => {
  for (const value of [undefined, null, 1, true, {}, [], Buffer.from('a'), Object('a'), { toString: () => 'a' }, Symbol('a'), 1n]) {
    t.throws(() => encoders.text(value), { ...ENCODE_ERROR, message: /^cannot send .* as text$/ })
  }
})

t.test('bytes: a Buffer and any Uint8Array are sent', async (t) => {
  for (const bytes of [Buffer.from('abc'), new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array(new SharedArrayBuffer(3))]) {
    for (const type of ['bytes', 'any'] as const) t.strictSame(encoders[type](bytes), bytes)
  }
})

t.test('bytes: the bytes are not copied', async (t) => {
  for (const value of [Buffer.alloc(4), new Uint8Array(4), new Uint8Array(new SharedArrayBuffer(4)), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4), new SharedArrayBuffer(4)]) {
    const payload = encoders.bytes(value) as Uint8Array
    new Uint8Array(ArrayBuffer.isView(value) ? value.buffer : value).fill(1)
    t.strictSame([...payload.subarray(0, 4)], [1, 1, 1, 1], value.constructor.name)
  }
})

t.test('bytes: one buffer can be used for message after message', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { sendType: 'bytes' } }, async (ws) => {
    await ws.accept()
    const scratch = Buffer.alloc(4)
    for (let i = 0; i < 5; i++) {
      scratch.writeUInt32BE(i)
      await ws.send(scratch)
    }
  })
  const client = await app.injectWebSocket('/', { receiveType: 'bytes' })
  const received = []
  for await (const message of client) received.push(message.readUInt32BE())
  t.strictSame(received, [0, 1, 2, 3, 4])
})

t.test('bytes: exactly the viewed part of a buffer is sent', async (t) => {
  const { buffer } = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
  const views: [ArrayBufferView, number[]][] = [
    [new DataView(buffer, 3, 2), [3, 4]],
    [new DataView(buffer, 15), [15]],
    [new DataView(buffer, 5, 0), []],
    [new Uint8Array(buffer, 4, 3), [4, 5, 6]],
    [new Uint8ClampedArray(buffer, 1, 2), [1, 2]],
    [new Int8Array(buffer, 2, 1), [2]],
    [new Uint16Array(buffer, 2, 2), [2, 3, 4, 5]],
    [new Float64Array(buffer, 8, 1), [8, 9, 10, 11, 12, 13, 14, 15]]
  ]
  for (const [view, bytes] of views) {
    const payload = encoders.bytes(view) as Uint8Array
    t.ok(payload instanceof Uint8Array)
    t.strictSame([...payload], bytes, view.constructor.name)
  }
})

t.test('bytes: exactly the viewed part of a SharedArrayBuffer is sent', async (t) => {
  const shared = new SharedArrayBuffer(8)
  new Uint8Array(shared).set([0, 1, 2, 3, 4, 5, 6, 7])
  t.strictSame([...encoders.bytes(new DataView(shared, 2, 3)) as Uint8Array], [2, 3, 4])
})

t.test('bytes: an ArrayBuffer and a SharedArrayBuffer are sent whole', async (t) => {
  for (const buffer of [new ArrayBuffer(3), new SharedArrayBuffer(3)]) {
    new Uint8Array(buffer).set([7, 8, 9])
    t.strictSame(encoders.bytes(buffer), new Uint8Array([7, 8, 9]))
  }
})

t.test('bytes: the bytes of another realm are sent as well', async (t) => {
  for (const code of ['new Uint8Array([1, 2, 3])', 'new Uint8Array([1, 2, 3]).buffer', 'new DataView(new Uint8Array([0, 1, 2, 3]).buffer, 1)']) {
    const value = runInNewContext(code)
    for (const type of ['bytes', 'any'] as const) {
      const payload = encoders[type](value)
      t.ok(payload instanceof Uint8Array)
      t.strictSame([...payload as Uint8Array], [1, 2, 3], `${code} as ${type}`)
    }
  }
})

t.test('bytes: anything else is refused', async (t) => {
  for (const value of [undefined, null, 'abc', 1, true, {}, [1, 2, 3], { byteLength: 3 }, { buffer: new ArrayBuffer(1) }]) {
    t.throws(() => encoders.bytes(value), { ...ENCODE_ERROR, message: /^cannot send .* as bytes$/ })
  }
})

t.test('boolean: true and false', async (t) => {
  t.equal(encoders.boolean(true), 'true')
  t.equal(encoders.boolean(false), 'false')
})

t.test('boolean: anything else is refused', async (t) => {
  for (const value of [undefined, null, 0, 1, 'true', '', Object(true), {}]) t.throws(() => encoders.boolean(value), { ...ENCODE_ERROR, message: ' as a boolean' })
})

t.test('integer: safe integers, in decimal', async (t) => {
  const cases: [number, string][] = [[0, '0'], [-0, '0'], [42, '42'], [-42, '-42'], [Number.MAX_SAFE_INTEGER, '9007199254740991'], [Number.MIN_SAFE_INTEGER, '-9007199254740991']]
  for (const [value, text] of cases) t.equal(encoders.integer(value), text)
})

t.test('integer: anything else is refused', async (t) => {
  for (const value of [1.5, 2 ** 53, -(2 ** 53), 1e21, NaN, Infinity, -Infinity, '1', 1n, true, null, undefined, {}, Object(1)]) {
    t.throws(() => encoders.integer(value), { ...ENCODE_ERROR, message: ' as an integer' })
  }
})

t.test('number: in decimal, never with an exponent', async (t) => {
  for (const [value, text] of DECIMALS) t.equal(encoders.number(value), text, String(value))
})

t.test('number: the sent text reads as the same number', async (t) => {
  for (let exponent = -323; exponent <= 308; exponent++) {
    for (const mantissa of [1, -1.7, 4.9406564584124, -1.2345678901234567]) {
      const value = Number(`${mantissa}e${exponent}`)
      if (!Number.isFinite(value)) continue
      const text = encoders.number(value) as string
      if (!/^-?\d+(\.\d+)?$/.test(text) || Number(text) !== value) t.fail(`${value} is sent as ${text}`)
    }
  }
  t.pass('all exponents were tried')
})

t.test('number: a number that is not finite, and any other value, is refused', async (t) => {
  for (const value of [NaN, Infinity, -Infinity]) {
    t.throws(() => encoders.number(value), { ...ENCODE_ERROR, message: `cannot send ${value} as a number` })
    t.throws(() => encoders.any(value), { ...ENCODE_ERROR, message: `cannot send ${value} as a number` })
  }
  for (const value of ['1', 1n, true, null, undefined, {}, Object(1)]) t.throws(() => encoders.number(value), { ...ENCODE_ERROR, message: ' as a number' })
})

t.test('json: any JSON value is sent as text', async (t) => {
  for (const value of [null, true, 0, 'a', [], [1, undefined], {}, { a: { b: [1] } }, new Date(0), { toJSON: () => 'x' }, 1e21]) {
    t.equal(encoders.json(value), JSON.stringify(value))
    t.equal(encoders.jsonText(value), JSON.stringify(value))
  }
})

t.test('json: in a binary frame, the JSON is sent as UTF-8', async (t) => {
  t.strictSame(encoders.jsonBytes({ a: '€' }), Buffer.from('{"a":"€"}'))
})

t.test('json: a value that JSON does not have is refused, in every mode', async (t) => {
  for (const value of [undefined, () => {}, Symbol('a'), { toJSON: () => undefined }]) {
    for (const type of ['json', 'jsonText', 'jsonBytes', 'any'] as const) t.throws(() => encoders[type](value), { ...ENCODE_ERROR, message: /^cannot send .* as JSON$/ }, type)
  }
})

t.test('json: a value that cannot be serialized is refused, with the cause', async (t) => {
  for (const value of [1n, { a: 1n }, circular]) {
    for (const type of ['json', 'jsonText', 'jsonBytes', 'any'] as const) {
      t.throws(() => encoders[type](value), { ...ENCODE_ERROR, message: /^cannot send .* as JSON: ./, cause: { name: 'TypeError' } }, type)
    }
  }
})

t.test('a value that throws when read is refused like any other value', async (t) => {
  for (const value of [revoked(), throwing(), unreadable('constructor', 'toJSON'), Object.assign(Object.create(null), { constructor: { name: Symbol('s') }, a: 1n })]) {
    for (const type of ['text', 'bytes', 'integer', 'number', 'boolean', 'json', 'any'] as const) t.throws(() => encoders[type](value), { ...ENCODE_ERROR, message: /^cannot send an object/ }, type)
  }
})

t.test('bytes whose memory has been transferred are refused, empty bytes are not', async (t) => {
  for (const value of [new Uint8Array(8), Buffer.alloc(8), new Uint8Array(0), new Float64Array(1), new DataView(new ArrayBuffer(8)), new ArrayBuffer(8)]) {
    for (const type of ['bytes', 'any'] as const) {
      t.doesNotThrow(() => encoders[type](value))
      t.throws(() => encoders[type](detached(structuredClone(value))), { ...ENCODE_ERROR, message: /^cannot send an object \(\w+\) as bytes: their memory has been transferred$/, cause: TypeError }, type)
    }
  }
  t.strictSame(encoders.bytes(new Uint8Array(0)), new Uint8Array(0))
})

t.test('json: a value whose toJSON throws is refused, whatever toJSON throws', async (t) => {
  for (const thrown of [new Error('no'), null, 'text', { message: 'no' }, revoked()]) {
    const value = { toJSON () { throw thrown } }
    t.throws(() => encoders.json(value), { ...ENCODE_ERROR, cause: thrown })
  }
  t.throws(() => encoders.json({ toJSON () { throw undefined } }), ENCODE_ERROR) // eslint-disable-line no-throw-literal -- users can throw any value
})

t.test('json is made with the given serializer', async (t) => {
  const { json, jsonText, jsonBytes, any } = createEncoders((value) => `<${String(value)}>`)
  for (const encode of [json, jsonText, any]) t.equal(encode([1, 2]), '<1,2>')
  t.strictSame(jsonBytes([1, 2]), Buffer.from('<1,2>'))
})

t.test('a value is refused if the serializer returns no string', async (t) => {
  const { json } = createEncoders((() => ({})) as never)
  t.throws(() => json(1), { ...ENCODE_ERROR, message: 'cannot send 1 as JSON' })
})

t.test('any: strings, booleans and numbers are sent as text, bytes as bytes, anything else as JSON', async (t) => {
  const bytes = new Uint8Array([1])
  t.equal(encoders.any('a'), 'a')
  t.equal(encoders.any(''), '')
  t.equal(encoders.any(true), 'true')
  t.equal(encoders.any(false), 'false')
  for (const [value, text] of DECIMALS) t.equal(encoders.any(value), text, String(value))
  t.equal(encoders.any(bytes), bytes)
  t.strictSame(encoders.any(new DataView(bytes.buffer)), new Uint8Array([1]))
  t.strictSame(encoders.any(bytes.buffer), new Uint8Array([1]))
  t.strictSame(encoders.any(new SharedArrayBuffer(2)), new Uint8Array(new SharedArrayBuffer(2)))
  t.equal(encoders.any(null), 'null')
  t.equal(encoders.any({ a: 1 }), '{"a":1}')
  t.equal(encoders.any(['a']), '["a"]')
  t.equal(encoders.any(Object('a')), '"a"')
})

t.test('the error describes the value without showing it', async (t) => {
  const cases: [unknown, string][] = [
    [null, 'null'], [undefined, 'undefined'], [1.5, '1.5'], [1n, 'bigint'], [true, 'boolean'], [Symbol('s'), 'symbol'], [() => {}, 'function'],
    [{ password: 'secret' }, 'an object (Object)'], [[], 'an object (Array)'], [new Map(), 'an object (Map)'], [Object.create(null), 'an object (null prototype)']
  ]
  for (const [value, description] of cases) t.throws(() => encoders.text(value), { message: `cannot send ${description} as text` })
})

t.test('a refused value throws a WebSocketEncodeError, which is a TypeError', async (t) => {
  try {
    encoders.text(1)
    t.fail('it has not thrown')
  } catch (error) {
    t.ok(error instanceof WebSocketEncodeError)
    t.ok(error instanceof TypeError)
  }
})

t.test('the type of a message is told by its value', async (t) => {
  for (const [message, type] of [['a', 'text'], [true, 'boolean'], [1, 'number'], [Buffer.alloc(1), 'bytes'], [new ArrayBuffer(1), 'bytes'], [null, 'json'], [{}, 'json'], [undefined, 'json'], [1n, 'json'], [revoked(), 'json']]) {
    t.equal(typeOf(message), type)
  }
})
