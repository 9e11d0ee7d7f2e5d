import t from 'tap'
import * as node from '../../lib/base/errors'
import * as browser from '../../lib/base/errors.browser'

/** Makes an error of each class that a client in a browser meets. */
const MAKE: { [Name in keyof typeof browser]: (errors: typeof browser) => Error } = {
  WebSocketError: ({ WebSocketError }) => new WebSocketError('it'),
  WebSocketDisconnect: ({ WebSocketDisconnect }) => new WebSocketDisconnect(4001, 'bye', true),
  WebSocketDecodeError: ({ WebSocketDecodeError }) => new WebSocketDecodeError('it'),
  WebSocketEncodeError: ({ WebSocketEncodeError }) => new WebSocketEncodeError('it'),
  WebSocketExpectError: ({ WebSocketExpectError }) => new WebSocketExpectError('it', 1, 2),
  WebSocketTimeoutError: ({ WebSocketTimeoutError }) => new WebSocketTimeoutError('it'),
  WebSocketUpgradeError: ({ WebSocketUpgradeError }) => new WebSocketUpgradeError('it', undefined),
  WebSocketOptionError: ({ WebSocketOptionError }) => new WebSocketOptionError('it')
}

const NAMES = Object.keys(MAKE) as (keyof typeof MAKE)[]

/** The classes of Node, for code that is written for those of a browser. */
const nodeErrors = node as unknown as typeof browser

t.test('an error of a browser has the name, the code, the message and the members of that of Node', async (t) => {
  t.same(Object.keys(browser).sort(), [...NAMES].sort())
  for (const name of NAMES) {
    const [own, other]: any[] = [MAKE[name](browser), MAKE[name](nodeErrors)]
    t.equal(own.name, name)
    for (const member of ['name', ...name === 'WebSocketError' ? [] : ['code'], 'message', 'closeCode', 'reason', 'wasClean', 'expected', 'received']) t.equal(own[member], other[member], `${name}.${member}`)
    t.match(own.stack, new RegExp(`${own.message}`))
  }
})

t.test('an error of a browser is an instance of its class, and of the base of all', async (t) => {
  for (const name of NAMES) {
    const made = MAKE[name](browser)
    for (const other of NAMES) t.equal(made instanceof browser[other], other === name || other === 'WebSocketError', `${name} instanceof ${other}`)
    t.ok(made instanceof Error)
    t.equal(made instanceof TypeError, name === 'WebSocketEncodeError' || name === 'WebSocketOptionError', name)
  }
  for (const value of [new Error('e'), new TypeError('e'), {}, null, undefined, 'text']) t.notOk(value as object instanceof browser.WebSocketError)
})

t.test('an error has the given cause, or none', async (t) => {
  const cause = new Error('cause')
  const { WebSocketError, WebSocketDecodeError, WebSocketExpectError, WebSocketUpgradeError } = browser
  const options = { cause }
  for (const error of [new WebSocketError('it', options), new WebSocketDecodeError('it', options), new WebSocketExpectError('it', 1, 2, options), new WebSocketUpgradeError('it', undefined, options)]) {
    t.equal(error.cause, cause, error.name)
  }
  for (const name of NAMES) t.notOk('cause' in MAKE[name](browser), name)
})

t.test('the message of a disconnect has the code, and the reason if there is one', async (t) => {
  for (const { WebSocketDisconnect } of [browser, nodeErrors]) {
    t.equal(new WebSocketDisconnect(4001, 'gone fishing', false).message, 'the connection is closed: 4001 gone fishing')
    t.equal(new WebSocketDisconnect(1006, '', false).message, 'the connection is closed: 1006')
  }
})
