import { constants } from 'node:buffer'
import t from 'tap'
import { decodeUtf8 } from '../../lib/codec/bytes'
import { createDecoders, type Decoders } from '../../lib/codec/decode'
import { isLinear } from '../helpers/linear'

const decoders = createDecoders(JSON.parse)

function decodeText (type: keyof Decoders, text: string): unknown {
  return decoders[type](text)
}

function decodeBinary (type: keyof Decoders, bytes: string | number[]): unknown {
  return decoders[type](Buffer.from(bytes as string))
}

const DECODE_ERROR = { name: 'WebSocketDecodeError', code: 'FST_WS_DECODE', closeCode: 1003 }

/** Texts that are no decimal numbers, though JavaScript or another language reads some of them as numbers. */
const NO_NUMBERS = [
  '', ' ', '1 ', ' 1', '\t1', '1\n', '1\r\n', '\n1', '1 2', '1,5', '1_000', '1,000', '0x10', '0b1', '0o7', '1n', 'one', 'NaN', 'nan', 'Infinity', '-Infinity',
  '+Infinity', 'inf', '--1', '+-1', '- 1', '-', '+', 'e', 'null', 'true', '"1"', '[1]', '1a', 'a1', '\ufeff1', '\u0661', '\uff11', '\u00bd', '1\u0000'
]

t.test('text: a text frame decodes to a string', async (t) => {
  for (const text of ['', 'hello', 'ünïcödé €😀', 'null', '\u0000', '\ufeffbom', ' kept \n']) t.equal(decodeText('text', text), text)
})

t.test('text: a binary frame is refused', async (t) => {
  t.throws(() => decodeBinary('text', 'hello'), { ...DECODE_ERROR, message: 'expected a text message, received a binary one' })
})

t.test('text: a text longer than the longest string is refused', async (t) => {
  const long = Buffer.alloc(constants.MAX_STRING_LENGTH + 1)
  for (const type of ['text', 'integer', 'number', 'boolean'] as const) t.throws(() => decoders[type](long), { ...DECODE_ERROR, message: 'the message is too long for a string' })
  t.throws(() => decoders.json(long), { ...DECODE_ERROR, message: /^the message is not valid JSON: / })
  t.equal(decoders.bytes(long), long)
})

t.test('bytes: binary and text frames decode to a Buffer', async (t) => {
  t.strictSame(decodeBinary('bytes', [0, 255, 128]), Buffer.from([0, 255, 128]))
  t.strictSame(decodeText('bytes', '€'), Buffer.from('€'))
  t.strictSame(decodeBinary('bytes', []), Buffer.alloc(0))
})

t.test('any: a text frame decodes to a string, a binary frame to a Buffer', async (t) => {
  t.equal(decodeText('any', '1'), '1')
  t.equal(decodeText('any', ''), '')
  t.strictSame(decodeBinary('any', '1'), Buffer.from('1'))
})

t.test('integer: a decimal whole number is accepted, with a sign and leading zeros', async (t) => {
  const cases: [string, number][] = [
    ['0', 0], ['7', 7], ['-7', -7], ['+7', 7], ['007', 7], ['-0', 0], ['+0', 0],
    ['9007199254740991', Number.MAX_SAFE_INTEGER], ['-9007199254740991', Number.MIN_SAFE_INTEGER]
  ]
  for (const [text, value] of cases) t.equal(decodeText('integer', text), value, text)
})

t.test('integer: there is no negative zero', async (t) => {
  t.ok(Object.is(decodeText('integer', '-0'), 0))
})

t.test('integer: a number that is not safe is refused', async (t) => {
  for (const text of ['9007199254740992', '9007199254740993', '-9007199254740992', '1'.repeat(20), '9'.repeat(400)]) {
    t.throws(() => decodeText('integer', text), { ...DECODE_ERROR, message: 'the message is not a safe integer' }, text)
  }
})

t.test('integer: a text that is not a whole number from its first character to its last is refused', async (t) => {
  for (const text of [...NO_NUMBERS, '1.0', '1.', '.5', '1.5', '1e3', '1E3', '1e-3']) {
    t.throws(() => decodeText('integer', text), DECODE_ERROR, JSON.stringify(text))
  }
})

t.test('number: a decimal number is accepted, with and without an exponent', async (t) => {
  const cases: [string, number][] = [
    ['0', 0], ['1.5', 1.5], ['-1.5', -1.5], ['+1.5', 1.5], ['.5', 0.5], ['-.5', -0.5], ['5.', 5], ['007.50', 7.5], ['1e3', 1000], ['1E3', 1000], ['1e+3', 1000],
    ['-1.5e-7', -1.5e-7], ['5e-324', 5e-324], ['1.7976931348623157e308', Number.MAX_VALUE], ['9007199254740993', 9007199254740992], ['1e-400', 0]
  ]
  for (const [text, value] of cases) t.equal(decodeText('number', text), value, text)
})

t.test('number: a number that is not finite is refused', async (t) => {
  for (const text of ['1e309', '-1e309', '9'.repeat(400)]) {
    t.throws(() => decodeText('number', text), { ...DECODE_ERROR, message: 'the message is not a finite number' }, text)
  }
})

t.test('number: a text that is not a number from its first character to its last is refused', async (t) => {
  for (const text of [...NO_NUMBERS, '.', '1.2.3', '1e', 'e5', '1e1.5', '1e 5', '.e1']) {
    t.throws(() => decodeText('number', text), DECODE_ERROR, JSON.stringify(text))
  }
})

t.test('boolean: true and false are accepted, also capitalized', async (t) => {
  t.equal(decodeText('boolean', 'true'), true)
  t.equal(decodeText('boolean', 'True'), true)
  t.equal(decodeText('boolean', 'false'), false)
  t.equal(decodeText('boolean', 'False'), false)
})

t.test('boolean: digits are accepted, and only zero is false', async (t) => {
  for (const text of ['0', '00', '0'.repeat(400)]) t.equal(decodeText('boolean', text), false, text)
  for (const text of ['1', '2', '01', '10', '9'.repeat(400)]) t.equal(decodeText('boolean', text), true, text)
})

t.test('boolean: anything else is refused', async (t) => {
  for (const text of ['', ' ', 'TRUE', 'FALSE', 'tRue', 'true ', ' true', 'true\n', 'truefalse', 'yes', 'no', 'on', 'null', '-1', '+1', '-0', '1.0', '0.0', '1e0', '0x0', '"true"', '\u0661']) {
    t.throws(() => decodeText('boolean', text), { ...DECODE_ERROR, message: 'the message is not a boolean' }, JSON.stringify(text))
  }
})

t.test('integer, number, boolean: a binary frame is refused', async (t) => {
  for (const type of ['integer', 'number', 'boolean'] as const) {
    t.throws(() => decodeBinary(type, '1'), { ...DECODE_ERROR, message: 'expected a text message, received a binary one' }, type)
  }
})

t.test('integer, number, boolean: decoding takes time linear in the length of the message', async (t) => {
  const digits = (n: number): string => '1'.repeat(n)
  const messages: Record<string, (n: number) => string> = {
    digits,
    'digits and a letter': (n) => `${digits(n)}x`,
    'a fraction and a letter': (n) => `1.${digits(n)}x`,
    'a number and a letter': (n) => `${digits(n)}.${digits(n)}e${digits(n)}x`,
    'a small fraction': (n) => `0.${'0'.repeat(n)}1`,
    spaces: (n) => `${' '.repeat(n)}x`
  }
  for (const type of ['integer', 'number', 'boolean'] as const) {
    for (const [name, make] of Object.entries(messages)) {
      isLinear(t, 64 * 1024, (n) => {
        const text = Buffer.from(make(n)).toString() // a flat string, like a received one
        return () => {
          try {
            decodeText(type, text)
          } catch {}
        }
      }, `${type}, ${name}`)
    }
  }
  t.equal(decodeText('number', `0.${'0'.repeat(300)}${digits(1024 * 1024)}`), Number(`1.${digits(30)}e-301`))
  t.equal(decodeText('boolean', '0'.repeat(1024 * 1024)), false)
  t.throws(() => decodeText('number', digits(1024 * 1024)), DECODE_ERROR)
})

t.test('json: any JSON value is accepted, in text and in binary frames', async (t) => {
  for (const value of [null, true, 1.5, '', 'ünï €😀', [], [1, [2]], {}, { a: { b: null } }]) {
    const text = JSON.stringify(value)
    t.strictSame(decodeText('json', text), value, text)
    t.strictSame(decodeBinary('json', text), value, text)
  }
  t.strictSame(decodeText('json', ' \n{ "a" : 1 }\t'), { a: 1 })
})

t.test('json: a text that is not JSON is refused, and the cause says why', async (t) => {
  for (const text of ['', ' ', '{', '{a:1}', "'a'", 'undefined', 'NaN', '[1,]', '1 2', '\ufeff1', '"\n"']) {
    for (const decode of [decodeText, decodeBinary]) {
      try {
        decode('json', text)
        t.fail(`${decode.name} took ${JSON.stringify(text)}`)
      } catch (error: any) {
        t.match(error, { ...DECODE_ERROR, message: 'the message is not valid JSON: ', cause: { name: 'SyntaxError' } })
        t.ok(error.message.endsWith(error.cause.message))
      }
    }
  }
})

t.test('json: bytes that are not UTF-8 are refused, and not replaced', async (t) => {
  const quoted = (...bytes: number[]): number[] => [0x22, ...bytes, 0x22]
  for (const bytes of [quoted(0xff), quoted(0xc3), quoted(0x80), quoted(0xc0, 0xaf), quoted(0xed, 0xa0, 0x80), quoted(0xf4, 0x90, 0x80, 0x80), [0xff, 0xfe, 0x31, 0x00]]) {
    t.throws(() => decodeBinary('json', bytes), { ...DECODE_ERROR, message: 'the message is not valid JSON: it is not UTF-8' }, Buffer.from(bytes).toString('hex'))
    t.throws(() => decodeBinary('jsonBytes', bytes), DECODE_ERROR)
  }
})

t.test('json in text mode takes text frames only', async (t) => {
  t.strictSame(decodeText('jsonText', '{"a":1}'), { a: 1 })
  t.throws(() => decodeBinary('jsonText', '{"a":1}'), { ...DECODE_ERROR, message: 'expected a text message, received a binary one' })
})

t.test('json in bytes mode takes binary frames only', async (t) => {
  t.strictSame(decodeBinary('jsonBytes', '{"a":1}'), { a: 1 })
  t.throws(() => decodeText('jsonBytes', '{"a":1}'), { ...DECODE_ERROR, message: 'expected a binary message' })
})

t.test('json is parsed with the given parser, and the parser\'s error is the cause', async (t) => {
  const failure = new Error('forbidden key')
  const { json, jsonText, jsonBytes } = createDecoders((text) => {
    if (text === 'bad') throw failure
    return { parsed: text }
  })
  const bytes = (text: string): Buffer => Buffer.from(text)
  for (const [decode, received] of [[json, String], [json, bytes], [jsonText, String], [jsonBytes, bytes]] as const) {
    t.strictSame(decode(received('good')), { parsed: 'good' })
    t.throws(() => decode(received('bad')), { ...DECODE_ERROR, message: 'the message is not valid JSON: forbidden key', cause: failure })
  }
})

t.test('a text of any length is decoded as UTF-8, wherever it is not ASCII', async (t) => {
  for (const text of ['', 'a', 'é', 'a'.repeat(1023), 'a'.repeat(1024), 'a'.repeat(100_000), 'é'.repeat(512), `${'a'.repeat(5000)}€`, `😀${'a'.repeat(5000)}`, '\u0000\u007f'.repeat(1000)]) {
    t.ok(decodeUtf8(Buffer.from(text)) === text, `${text.length} characters`)
  }
})
