import t from 'tap'
import * as node from '../../lib/base/verb-options'
import * as browser from '../../lib/base/verb-options.browser'

const OPTION_ERROR = { name: 'WebSocketOptionError' }
const { signal } = new AbortController()

for (const [name, { jsonTypeIn, receivesFirst, typeIn, waitOptionsIn }] of Object.entries({ node, browser })) {
  t.test(`${name}: a value that is no object is refused`, async (t) => {
    const readers: ((options: any) => unknown)[] = [
      (options) => typeIn('verb', options), (options) => jsonTypeIn('verb', options), (options) => receivesFirst('verb', options), (options) => waitOptionsIn('verb', options, undefined)
    ]
    for (const read of readers) {
      for (const value of [null, 5, true, 5n]) t.throws(() => read(value), { ...OPTION_ERROR, message: /^the options of verb are .*: use an object/ }, String(value))
    }
  })

  t.test(`${name}: the type is the one in the options, and the mode decides the type of JSON`, async (t) => {
    t.same([undefined, {}, 'json', { type: 'json' }].map((options) => typeIn('verb', options as never)), [undefined, undefined, 'json', 'json'])
    t.same([undefined, {}, { mode: 'text' }, { mode: 'bytes' }].map((options) => jsonTypeIn('verb', options as never)), ['json', 'json', 'jsonText', 'jsonBytes'])
  })

  t.test(`${name}: an unknown type and an unknown mode are refused`, async (t) => {
    for (const value of ['string', 'jsonText', 'toString', '__proto__', '', null, 1]) {
      if (typeof value === 'string') t.throws(() => typeIn('verb', value as never), { ...OPTION_ERROR, message: /^type is .*: use / })
      t.throws(() => typeIn('verb', { type: value as never }), { ...OPTION_ERROR, message: /^type is .*: use .*text.*any/ })
      t.throws(() => jsonTypeIn('verb', { mode: value as never }), { ...OPTION_ERROR, message: /^mode is .*: use .*text.*bytes/ })
    }
  })

  t.test(`${name}: pair receives first only where the options say so`, async (t) => {
    t.same([undefined, {}, { receiveFirst: false }, { receiveFirst: true }].map((options) => receivesFirst('verb', options)), [false, false, false, true])
  })

  t.test(`${name}: a wait has the timeout and the signal of the options, or the timeout of the channel`, async (t) => {
    t.equal(waitOptionsIn('verb', undefined, undefined), undefined)
    t.equal(waitOptionsIn('verb', {}, undefined), undefined)
    t.match(waitOptionsIn('verb', undefined, { timeout: 7 }), { timeout: 7, signal: undefined })
    t.same(waitOptionsIn('verb', { timeout: 0 }, { timeout: 7 }), { timeout: 0, signal: undefined })
    t.same(waitOptionsIn('verb', { signal }, { timeout: 7 }), { timeout: 7, signal })
    for (const timeout of [-1, NaN, {}, 'soon']) t.throws(() => waitOptionsIn('verb', { timeout } as never, undefined), { ...OPTION_ERROR, message: /^timeout is .*: use a number .*from 0 up$/ })
    for (const signal of [null, {}, 5]) t.throws(() => waitOptionsIn('verb', { signal } as never, undefined), OPTION_ERROR)
  })
}
