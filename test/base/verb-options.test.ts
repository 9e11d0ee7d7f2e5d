import t from 'tap'
import { WebSocketTimeoutError } from '../../lib/base/errors'
import { acceptanceIn, attempt, checkTimeout, jsonTypeIn, receivesFirst, typeIn, waitOptionsIn } from '../../lib/base/verb-options'
import { revoked, throwing, unreadable } from '../helpers/hostile'

const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

const { signal } = new AbortController()

const READERS: Record<string, (options: any) => unknown> = {
  type: (options) => typeIn('verb', options),
  mode: (options) => jsonTypeIn('verb', options),
  receiveFirst: (options) => receivesFirst('verb', options),
  waitOptions: (options) => waitOptionsIn('verb', options, undefined),
  acceptance: acceptanceIn
}

t.test('a value that is no object is refused, and the error shows the value', async (t) => {
  for (const [name, read] of Object.entries(READERS)) {
    for (const value of [null, 5, true, 5n, Symbol('s'), () => {}, [], 'text']) {
      if (name === 'type' && value === 'text') continue
      t.throws(() => read(value), { ...OPTION_ERROR, message: /^the options of (verb|accept) are .*: use an object, or leave them out$/ }, `${name}: ${String(value)}`)
    }
  }
})

t.test('without options, the readers return their defaults', async (t) => {
  t.equal(typeIn('verb', undefined), undefined)
  t.equal(jsonTypeIn('verb', undefined), 'json')
  t.equal(receivesFirst('verb', undefined), false)
  t.equal(waitOptionsIn('verb', undefined, undefined), undefined)
  t.same(acceptanceIn(undefined), {})
})

t.test('the type is given by itself or in options', async (t) => {
  t.equal(typeIn('verb', 'json'), 'json')
  t.equal(typeIn('verb', { type: 'json' }), 'json')
  t.equal(typeIn('verb', {}), undefined)
  t.equal(jsonTypeIn('verb', { mode: 'bytes' }), 'jsonBytes')
})

t.test('receiveFirst is true or false', async (t) => {
  for (const receiveFirst of [true, false]) t.equal(receivesFirst('verb', { receiveFirst }), receiveFirst)
  t.equal(receivesFirst('verb', {}), false)
  for (const receiveFirst of [null, 1, 'yes']) t.throws(() => receivesFirst('verb', { receiveFirst: receiveFirst as never }), { ...OPTION_ERROR, message: /^receiveFirst is .*: use true or false$/ })
})

t.test('wait options have a timeout, a signal, or the timeout of the channel', async (t) => {
  t.strictSame(waitOptionsIn('verb', { timeout: 5 }, undefined), { timeout: 5, signal: undefined })
  t.strictSame(waitOptionsIn('verb', { signal }, { timeout: 7 }), { timeout: 7, signal })
  t.strictSame(waitOptionsIn('verb', { timeout: 0 }, { timeout: 7 }), { timeout: 0, signal: undefined })
  t.strictSame(waitOptionsIn('verb', undefined, { timeout: 7 }), { timeout: 7 })
  t.equal(waitOptionsIn('verb', {}, undefined), undefined)
})

t.test('a timeout is a number from 0 up', async (t) => {
  for (const value of [0, 0.5, 2 ** 31, Infinity]) t.doesNotThrow(() => checkTimeout('timeout', value))
  for (const value of [-1, NaN, '5', null, 5n, {}, Symbol('s'), Object.create(null), new Date()]) {
    t.throws(() => waitOptionsIn('verb', { timeout: value as never }, undefined), { ...OPTION_ERROR, message: /^timeout is .*: use a number of milliseconds from 0 up$/ })
  }
})

t.test('a signal is an AbortSignal', async (t) => {
  for (const value of [null, 5, true, {}, { aborted: false }, { aborted: false, addEventListener () {} }, new AbortController(), new EventTarget(), () => {}]) {
    t.throws(() => waitOptionsIn('verb', { signal: value as never }, undefined), { ...OPTION_ERROR, message: /^signal is .*: use an AbortSignal$/ })
  }
})

t.test('accept: a subprotocol is a string, null or left out', async (t) => {
  for (const subprotocol of ['chat', null, undefined]) t.strictSame(acceptanceIn({ subprotocol, headers: {} }), { subprotocol, headers: {} })
  for (const subprotocol of [5, true, ['chat'], Symbol('chat'), {}]) t.throws(() => acceptanceIn({ subprotocol: subprotocol as never }), { ...OPTION_ERROR, message: /^subprotocol is .*: use one that the client offers$/ })
})

t.test('attempt: what the body of a verb throws is what the verb rejects with', async (t) => {
  t.equal(await attempt('verb', async () => 'done'), 'done')
  await t.rejects(attempt('verb', () => { throw new TypeError('no') }), { ...OPTION_ERROR, message: 'the options of verb cannot be read: no' })
})

t.test('attempt: an error of a getter or proxy becomes the cause of a WebSocketOptionError, and an error of the package stays', async (t) => {
  const own = new WebSocketTimeoutError('it')
  t.equal(await attempt('verb', () => { throw own }).catch((error) => error), own)
  for (const thrown of [new TypeError('no'), 'no', null, undefined, revoked(), throwing(), unreadable('message')]) {
    const error: any = await attempt('verb', () => { throw thrown }).catch((error) => error)
    t.match(error, { ...OPTION_ERROR, message: /^the options of verb cannot be read: ./ })
    if (thrown !== undefined) t.equal(error.cause, thrown)
  }
})

t.test('options that throw when they are read are refused, with the error as the cause', async (t) => {
  for (const [name, read] of Object.entries(READERS)) {
    const members = { waitOptions: 'timeout', acceptance: 'headers' } as Record<string, string>
    for (const options of [unreadable(members[name] ?? name), throwing()]) {
      t.throws(() => read(options), { ...OPTION_ERROR, message: /^the options of (verb|accept) cannot be read: ./, cause: { name: 'Error' } }, name)
    }
  }
})
