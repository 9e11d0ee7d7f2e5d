import t from 'tap'
import { isEqual } from '../../lib/connection/equality'
import { detached, revoked, throwing, unreadable } from '../helpers/hostile'

t.test('JSON is compared deeply, bytes are compared by value', async (t) => {
  const bytes = Buffer.from([1, 2])
  for (const [expected, received] of [['a', 'a'], [{ a: [1] }, { a: [1] }], [new Uint8Array([1, 2]), bytes], [new Uint8Array([1, 2]).buffer, bytes], [new DataView(new Uint8Array([0, 1, 2]).buffer, 1), bytes]]) {
    t.equal(isEqual(expected, received), true)
  }
  for (const [expected, received] of [['a', 'b'], [{ a: 1 }, { a: '1' }], [new Uint8Array([1]), bytes], [NaN, 1], [undefined, null]]) t.equal(isEqual(expected, received), false)
})

t.test('a value that throws when read is equal to no message', async (t) => {
  for (const expected of [revoked(), throwing(), unreadable('a')]) t.equal(isEqual(expected, { a: 1 }), false)
  t.equal(isEqual(detached(new Uint8Array(0)), Buffer.alloc(0)), false)
})
