import t from 'tap'
import { closeCodes } from '../../lib/base/close-codes'
import { CodeCounts, Counters, isRegistered } from '../../lib/observe/counters'

t.test('at most 64 codes are counted by themselves, the rest as other', async (t) => {
  const counts = new CodeCounts(false)
  for (let code = 400; code < 500; code++) counts.add(code)
  counts.add(400, 2)
  counts.add(499, 3)
  t.equal(Object.keys(counts.snapshot).length, 65)
  t.match(counts.snapshot, { 400: 3, 463: 1, other: 36 + 3 })
  const sum = new CodeCounts(false)
  sum.add(599)
  sum.addAll(counts)
  t.equal(Object.keys(sum.snapshot).length, 65)
  t.equal(Object.values(sum.snapshot).reduce((a, b) => a + b), 106, 'a sum loses none')
})

t.test('registered close codes have a count of their own, whatever codes clients make up', async (t) => {
  const counts = new CodeCounts(true)
  for (let code = 3_100; code < 5_000; code++) counts.add(code)
  for (const code of Object.values(closeCodes)) counts.add(code)
  const { other, ...own } = counts.snapshot
  t.equal(Object.keys(own).length, 64)
  for (const code of Object.values(closeCodes)) t.equal(own[code], 1)
  t.equal(other, 1_900 - (64 - Object.keys(closeCodes).length))
})

t.test('registered codes', async (t) => {
  t.same([1000, 1006, 3000, 3001, 4000].map(isRegistered), [true, true, true, false, false])
})

t.test('counters add up', async (t) => {
  const one = new Counters()
  Object.assign(one, { open: 1, accepted: 2, publications: 3, skipped: 4, slowCloses: 5, heartbeatLosses: 6 })
  one.refusals.add(401)
  one.closes.add(1000)
  one.addTraffic({ received: { messages: 7, bytes: 8 }, sent: { messages: 9, bytes: 10 } })
  t.same(new Counters().addAll(one).addAll(one).snapshot, {
    connections: { open: 2, accepted: 4 },
    refusals: { 401: 2 },
    closes: { 1000: 2 },
    messages: { received: 14, sent: 18 },
    bytes: { received: 16, sent: 20 },
    publications: 6,
    skipped: 8,
    slowCloses: 10,
    heartbeatLosses: 12
  })
})
