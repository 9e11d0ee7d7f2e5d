import t from 'tap'
import { excluding, includes, including, setOf, type SmallSet } from '../../lib/base/small-set'

const set = (...members: string[]): SmallSet<string> | undefined =>
  members.reduce<SmallSet<string> | undefined>((set, member) => including(set, member), undefined)

t.test('one member is kept as it is, more in a set', async (t) => {
  t.equal(set('a'), 'a')
  t.equal(set('a', 'a'), 'a')
  t.strictSame(set('a', 'b'), new Set(['a', 'b']))
  t.strictSame(set('a', 'b', 'a', 'c'), new Set(['a', 'b', 'c']))
})

t.test('a set stays the same one as members come and go', async (t) => {
  const before = set('a', 'b')
  t.equal(including(before, 'c'), before)
  t.equal(excluding(before, 'a'), before)
  t.strictSame(before, new Set(['b', 'c']))
})

t.test('nothing is left where the last one is taken out', async (t) => {
  t.equal(excluding(set('a'), 'a'), undefined)
  t.equal(excluding(excluding(set('a', 'b'), 'a'), 'b'), undefined)
  t.equal(excluding(undefined, 'a'), undefined)
})

t.test('taking out what is not in changes nothing', async (t) => {
  t.equal(excluding(set('a'), 'b'), 'a')
  t.strictSame(excluding(set('a', 'b'), 'c'), new Set(['a', 'b']))
})

t.test('its members are given as a set of its own', async (t) => {
  const members = set('a', 'b')
  t.strictSame(setOf(undefined), new Set())
  t.strictSame(setOf(set('a')), new Set(['a']))
  t.strictSame(setOf(members), members)
  t.not(setOf(members), members)
})

t.test('it knows its members, whether they are none, one or more', async (t) => {
  for (const members of [[], ['a'], ['b'], ['a', 'b'], ['b', 'c']]) {
    t.equal(includes(set(...members), 'a'), members.includes('a'), String(members))
  }
})
