import t from 'tap'
import * as node from '../../lib/connection/equality'
import * as browser from '../../lib/connection/equality.browser'
import { detached, revoked, throwing, unreadable } from '../helpers/hostile'

const BYTES = Buffer.from([1, 2])

const EQUAL: [expected: unknown, received: unknown][] = [
  ['a', 'a'],
  [1, 1],
  [null, null],
  [true, true],
  [{}, {}],
  [[], []],
  [{ a: [1, { b: null }], c: 'd' }, { c: 'd', a: [1, { b: null }] }],
  [new Uint8Array([1, 2]), BYTES],
  [new Uint8Array([1, 2]).buffer, BYTES],
  [new DataView(new Uint8Array([0, 1, 2]).buffer, 1), BYTES]
]

const UNEQUAL: [expected: unknown, received: unknown][] = [
  ['a', 'b'],
  ['1', 1],
  [0, -0],
  [null, undefined],
  [null, {}],
  [{}, null],
  [{}, []],
  [[], {}],
  [{ a: 1 }, { a: '1' }],
  [{ a: 1 }, {}],
  [{}, { a: 1 }],
  [{ a: undefined }, { b: 1 }],
  [[1, 2], [2, 1]],
  [[1], [1, 2]],
  [{ toString: 1 }, { a: 1 }],
  [Object.create({ a: 1 }), { a: 1 }],
  [new Map(), {}],
  [new Date(0), {}],
  [() => {}, {}],
  ['a', {}],
  [{}, 'a'],
  [new Uint8Array([1]), BYTES],
  [new Uint8Array([1, 3]), BYTES],
  [[1, 2], BYTES],
  ['\u0001\u0002', BYTES],
  [undefined, BYTES]
]

t.test('both compare JSON deeply, and bytes by their values', async (t) => {
  for (const [name, { isEqual }] of Object.entries({ node, browser })) {
    for (const [expected, received] of EQUAL) t.equal(isEqual(expected, received), true, `${name}: ${JSON.stringify(expected)}`)
    for (const [expected, received] of UNEQUAL) t.equal(isEqual(expected, received), false, `${name}: ${JSON.stringify(expected)} and ${JSON.stringify(received)}`)
  }
})

t.test('a value that throws when it is read is equal to no message', async (t) => {
  for (const expected of [revoked(), throwing(), unreadable('a')]) {
    t.equal(node.isEqual(expected, { a: 1 }), false)
    t.throws(() => browser.isEqual(expected, { a: 1 }))
  }
  t.equal(node.isEqual(detached(new Uint8Array(0)), Buffer.alloc(0)), false)
  t.throws(() => browser.isEqual(detached(new Uint8Array(0)), Buffer.alloc(0)), { name: 'WebSocketEncodeError' })
})
