import { inspect } from 'node:util'
import t from 'tap'
import { detailsOf, messageOf, show } from '../../lib/base/show'
import { revoked, throwing, unreadable } from '../helpers/hostile'

const uninspectable = { [inspect.custom] () { throw new Error('from inspect') } }

t.test('a value is shown as by util.inspect', async (t) => {
  for (const value of [undefined, null, 5, 5n, 'text', true, Symbol('s'), {}, [1], { a: { b: 1 } }, Object.create(null), new Map([[1, 2]])]) t.equal(show(value), inspect(value))
  t.equal(show(revoked()), '<Revoked Proxy>')
  t.match(show(throwing()), /^\{\}$|proxy/i)
  t.equal(show(unreadable('a')), '{ a: [Getter] }')
})

t.test('a long value is shortened, and on one line if it has no line breaks', async (t) => {
  t.equal(show('a'.repeat(1_000_000)), `'${'a'.repeat(100)}'... 999900 more characters`)
  for (const value of [Array(1_000_000).fill(1), Buffer.alloc(1_000_000), new Set(Array(1_000).keys()), { a: { b: { c: { d: 1 } } } }, ['a\nb']]) {
    t.ok(show(value).length < 300)
    t.notMatch(show(value), /\n/)
  }
})

t.test('of a value that cannot be shown, the type is named', async (t) => {
  t.equal(show(uninspectable), 'a value of type object that cannot be shown')
})

t.test('messageOf returns the message of a thrown value, or the value as text', async (t) => {
  t.equal(messageOf(new Error('no')), 'no')
  t.equal(messageOf(new Error('')), '')
  t.equal(messageOf({ message: 'no' }), 'no')
  t.equal(messageOf({ message: Symbol('no') }), '{ message: Symbol(no) }')
  t.equal(messageOf('text'), "'text'")
  t.equal(messageOf(undefined), 'undefined')
  t.equal(messageOf(null), 'null')
  t.equal(messageOf(revoked()), '<Revoked Proxy>')
  t.equal(messageOf(unreadable('message')), '{ message: [Getter] }')
  t.equal(messageOf(uninspectable), 'a value of type object that cannot be shown')
})

t.test('detailsOf returns the stack of a thrown value, or the value as text', async (t) => {
  t.match(detailsOf(new Error('no')), /^Error: no\n {4}at /)
  t.equal(detailsOf({ stack: 5 }), '{ stack: 5 }')
  t.equal(detailsOf(undefined), 'undefined')
  t.equal(detailsOf(revoked()), '<Revoked Proxy>')
  t.equal(detailsOf(uninspectable), 'a value of type object that cannot be shown')
})
