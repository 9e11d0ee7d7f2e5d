import t from 'tap'
import * as checks from '../../lib/base/checks'
import { JSON_MODES, VALUE_TYPES } from '../../lib/base/value-types'
import { revoked, throwing, unreadable } from '../helpers/hostile'

const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

t.test('an allowed value passes', async (t) => {
  for (const type of VALUE_TYPES) t.doesNotThrow(() => checks.checkOneOf('type', type, VALUE_TYPES))
})

t.test('any other value throws a WebSocketOptionError that names the value and says what to use', async (t) => {
  t.throws(() => checks.checkOneOf('mode', 'txt', JSON_MODES), { ...OPTION_ERROR, message: "mode is 'txt': use one of 'text', 'bytes'" })
  const values = [undefined, null, 1, Symbol('text'), ['text'], { toString: () => 'text' }, Object('text'), Object.create(null), revoked(), throwing()]
  for (const value of values) t.throws(() => checks.checkOneOf('mode', value, JSON_MODES), OPTION_ERROR)
  t.throws(() => checks.oneOf(['a'])('name', 'b'), { ...OPTION_ERROR, message: "option name is 'b': use one of 'a'" })
})

t.test('all options are read once, and stay unchanged', async (t) => {
  let reads = 0
  const options = Object.freeze({ get a () { return ++reads } })
  t.strictSame(checks.readOptions('it', options), { a: 1 })
  t.equal(reads, 1)
  t.strictSame(checks.readOptions('it', undefined), {})
  t.strictSame(checks.readOptions('it', Object.assign(Object.create(null), { a: 1 })), { a: 1 })
})

t.test('a value that is no object is refused, and the error shows the value', async (t) => {
  for (const value of [null, 5, 'text', true, Symbol('s'), 5n, () => {}, [], ['a']]) {
    t.throws(() => checks.readOptions('it', value), { ...OPTION_ERROR, message: /^the options of it are an object, not ./ })
  }
})

t.test('options that throw when read are refused, with their error as the cause', async (t) => {
  for (const value of [revoked(), throwing(), unreadable('a')]) {
    t.throws(() => checks.readOptions('it', value), { ...OPTION_ERROR, message: /^the options of it cannot be read: ./, cause: Error })
  }
})

t.test('all options are checked except undefined ones', async (t) => {
  const seen: unknown[] = []
  const check = (name: string, value: unknown): void => { seen.push([name, value]) }
  checks.checkAll({ a: 1, b: undefined, c: null, d: undefined }, { a: check, b: check, c: check }, 'here')
  t.strictSame(seen, [['a', 1], ['c', null]])
})

t.test('an unknown option is refused, and the error names it and the known options', async (t) => {
  t.throws(() => checks.checkAll({ c: 1 }, { a: () => {}, b: () => {} }, 'here'), { ...OPTION_ERROR, message: 'unknown option c here: the options are a, b' })
  t.throws(() => checks.checkAll({ [`x\n${'y'.repeat(1_000)}`]: 1 }, {}, 'here'), { ...OPTION_ERROR, message: /^unknown option x\\ny{98}'?.*here: / })
})

t.test('a WebSocketOptionError of a check is thrown unchanged', async (t) => {
  t.throws(() => checks.checkAll({ a: 1 }, { a: checks.flag }, 'here'), { ...OPTION_ERROR, message: 'option a is 1: use true or false', cause: undefined })
})

t.test('a value that throws when read is refused, with its error as the cause', async (t) => {
  const evil = { a: throwing() }
  t.throws(() => checks.checkAll(evil, { a: (_name, value) => { if (value instanceof RegExp) t.fail() } }, 'here'), { ...OPTION_ERROR, message: 'option a cannot be read: from the trap', cause: { message: 'from the trap' } })
})

t.test('the members of an option are checked', async (t) => {
  const check = checks.members({ a: checks.optional(checks.flag), b: checks.text }, ' or nothing')
  t.doesNotThrow(() => check('it', { b: '' }))
  t.doesNotThrow(() => check('it', { a: true, b: '', c: undefined }))
  for (const value of [undefined, null, 5, 'text', [], () => {}]) t.throws(() => check('it', value), { ...OPTION_ERROR, message: /^option it is .*: use \{ a, b \} or nothing$/ })
  t.throws(() => check('it', { b: '', c: 1 }), { ...OPTION_ERROR, message: 'unknown c in option it: use { a, b }' })
  t.throws(() => check('it', {}), { ...OPTION_ERROR, message: 'option it.b is undefined: use a string' })
  t.throws(() => check('it', { a: 1, b: '' }), { ...OPTION_ERROR, message: 'option it.a is 1: use true or false' })
  t.throws(() => check('it', unreadable('a')), OPTION_ERROR)
})

t.test('whole numbers have bounds', async (t) => {
  for (const value of [1, Number.MAX_SAFE_INTEGER]) t.doesNotThrow(() => checks.bytes('it', value))
  for (const value of [0, 2 ** 53, 1.5, NaN, '1', null]) t.throws(() => checks.bytes('it', value), { ...OPTION_ERROR, message: /: use a whole number of bytes from 1 up$/ })
  t.doesNotThrow(() => checks.wholeNumber('apples', 0, 2)('it', 0))
  t.throws(() => checks.wholeNumber('apples', 0, 2)('it', 3), { message: 'option it is 3: use a whole number of apples from 0 to 2' })
})

t.test('the largest maxPayload is the largest that ws takes for a limit', async (t) => {
  t.doesNotThrow(() => checks.maxPayload('maxPayload', 2 ** 31 - 1))
  t.ok((2 ** 31 - 1 | 0) > 0, 'ws reads it like this')
  t.notOk((2 ** 31 | 0) > 0)
  t.throws(() => checks.maxPayload('maxPayload', 2 ** 31), { message: 'option maxPayload is 2147483648: use a whole number of bytes from 1 to 2147483647' })
})

t.test('the longest time is the longest delay of Node\'s timers', async (t) => {
  for (const value of [0.5, checks.MAX_DELAY]) t.doesNotThrow(() => checks.milliseconds('it', value))
  for (const value of [0, -1, checks.MAX_DELAY + 1, Infinity, NaN, '1', null]) t.throws(() => checks.milliseconds('it', value), OPTION_ERROR)
})

t.test('flags, texts, functions and close codes are checked, and orFalse allows false besides', async (t) => {
  const good: [checks.Check, unknown][] = [[checks.flag, false], [checks.text, ''], [checks.func, () => {}], [checks.closeCode, 1000], [checks.orFalse(checks.text), false], [checks.orFalse(checks.text), '']]
  const bad: [checks.Check, unknown][] = [[checks.flag, 0], [checks.text, 5], [checks.func, {}], [checks.closeCode, 1005], [checks.orFalse(checks.text), true]]
  for (const [check, value] of good) t.doesNotThrow(() => check('it', value))
  for (const [check, value] of bad) t.throws(() => check('it', value), { ...OPTION_ERROR, message: /^option it.*: .*use / })
})

t.test('subprotocols are tokens, and all differ', async (t) => {
  for (const value of [[], ['chat'], ['a', 'b'], ["!#$%&'*+-.^_`|~09azAZ"]]) t.doesNotThrow(() => checks.subprotocols('it', value))
  for (const value of [null, 'chat', {}, new Set(['chat'])]) t.throws(() => checks.subprotocols('it', value), { ...OPTION_ERROR, message: /: use a list of subprotocols$/ })
  const wrong: [unknown[], string][] = [[['a', ''], "''"], [['a b'], "'a b'"], [['a', 'b', 'a'], "'a'"], [['a', 5], '5'], [[undefined], 'undefined'], [['é'], "'é'"]]
  for (const [value, shown] of wrong) t.throws(() => checks.subprotocols('it', value), { ...OPTION_ERROR, message: new RegExp(`use a list of subprotocols, tokens .* not ${shown}$`) })
})

t.test('a defined option replaces the default', async (t) => {
  t.strictSame({ a: 1, b: 2, ...checks.defined({ a: undefined, b: null }) }, { a: 1, b: null })
})
