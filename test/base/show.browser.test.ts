import t from 'tap'
import * as node from '../../lib/base/show'
import * as browser from '../../lib/base/show.browser'
import { revoked, throwing, unreadable } from '../helpers/hostile'

const SIBLINGS = Object.entries({ node, browser })

t.test('a value is shown as JSON, or as text where JSON has none', async (t) => {
  for (const [value, text] of [
    ['text', '"text"'], [5, '5'], [null, 'null'], [true, 'true'], [{ a: [1] }, '{"a":[1]}'], [undefined, 'undefined'], [Symbol('s'), 'Symbol(s)'], [Object.create(null), '{}'],
    [NaN, 'null']
  ]) t.equal(browser.show(value), text)
})

t.test('both show a long value cut, and of a value that cannot be shown its type', async (t) => {
  for (const [name, { show }] of SIBLINGS) {
    for (const value of ['a'.repeat(1_000_000), Array(1_000_000).fill(1), { a: 'a'.repeat(1_000) }]) t.ok(show(value).length < 300, name)
  }
  for (const value of [revoked(), throwing(), unreadable('a'), { toJSON () { throw new Error('no') } }]) t.equal(browser.show(value), 'object')
  t.equal(browser.show(5n), 'bigint')
})

t.test('both describe a value without its content', async (t) => {
  for (const [name, { describe }] of SIBLINGS) {
    for (const [value, text] of [[null, 'null'], [5, '5'], [NaN, 'NaN'], ['secret', 'string'], [undefined, 'undefined'], [5n, 'bigint'], [() => {}, 'function']]) t.equal(describe(value), text, name)
    for (const value of [{ a: 'secret' }, ['secret'], Object.create(null), revoked()]) t.match(describe(value), /object/, name)
    t.notMatch(describe({ a: 'secret' }), /secret/, name)
  }
})

t.test('both know the message of a thrown value, or show the value', async (t) => {
  for (const [name, { messageOf }] of SIBLINGS) {
    for (const [thrown, message] of [[new Error('no'), 'no'], [new Error(''), ''], [{ message: 'no' }, 'no'], [undefined, 'undefined'], [null, 'null']]) t.equal(messageOf(thrown), message, name)
    t.match(messageOf('text'), /^['"]text['"]$/, name)
  }
})
