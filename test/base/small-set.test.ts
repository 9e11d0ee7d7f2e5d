import t from 'tap'
import { excluding, includes, including, setOf, type SmallSet } from '../../lib/base/small-set'

const set = (...members: string[]): SmallSet<string> | undefined =>
  members.reduce<SmallSet<string> | undefined>((set, member) => including(set, member), undefined)

t.test('a set of one is the member, a set of more is a Set', async (t) => {
  t.equal(set('a'), 'a')
  t.equal(set('a', 'a'), 'a')
  t.strictSame(set('a', 'b'), new Set(['a', 'b']))
  t.strictSame(set('a', 'b', 'a', 'c'), new Set(['a', 'b', 'c']))
})

t.test('a Set stays the same object as members come and go', async (t) => {
  const before = set('a', 'b')
  t.equal(including(before, 'c'), before)
  t.equal(excluding(before, 'a'), before)
  t.strictSame(before, new Set(['b', 'c']))
})

t.test('excluding the last member leaves undefined', async (t) => {
  t.equal(excluding(set('a'), 'a'), undefined)
  t.equal(excluding(excluding(set('a', 'b'), 'a'), 'b'), undefined)
  t.equal(excluding(undefined, 'a'), undefined)
})

t.test('excluding a value that is no member changes nothing', async (t) => {
  t.equal(excluding(set('a'), 'b'), 'a')
  t.strictSame(excluding(set('a', 'b'), 'c'), new Set(['a', 'b']))
})

t.test('setOf returns the members in a new Set', async (t) => {
  const members = set('a', 'b')
  t.strictSame(setOf(undefined), new Set())
  t.strictSame(setOf(set('a')), new Set(['a']))
  t.strictSame(setOf(members), members)
  t.not(setOf(members), members)
})

t.test('includes finds a member in a set of none, one and more', async (t) => {
  for (const members of [[], ['a'], ['b'], ['a', 'b'], ['b', 'c']]) {
    t.equal(includes(set(...members), 'a'), members.includes('a'), String(members))
  }
})
