import t from 'tap'
import { LongMessages } from '../../../lib/brokers/nats/long-messages'

const RETENTION = { size: 100, ttl: 60_000, maxBytes: 10_000 }

/** Adds messages of `length` bytes with the sequence numbers from `from` on. Returns what `add` has returned. */
function add (messages: LongMessages, from: number, count: number, length: number, subject = 'room'): (number | null)[] {
  return Array.from({ length: count }, (_, i) => messages.add(subject, { sequence: from + i, length }, RETENTION))
}

t.test('messages so short that size of them have at most maxBytes never remove one', async (t) => {
  t.strictSame(new Set(add(new LongMessages(), 1, 1_000, 100)), new Set([null]))
})

t.test('above a quarter more than maxBytes, the oldest are removed, until maxBytes are left', async (t) => {
  t.strictSame(add(new LongMessages(), 1, 16, 1_000), [...Array(12).fill(null), 4, null, null, 7])
})

t.test('the newest message stays, however long it is', async (t) => {
  t.strictSame(add(new LongMessages(), 1, 3, 50_000), [null, 2, 3])
})

t.test('each topic is counted by itself, until it is deleted', async (t) => {
  const messages = new LongMessages()
  t.strictSame(add(messages, 1, 12, 1_000, 'one'), Array(12).fill(null))
  t.strictSame(add(messages, 13, 12, 1_000, 'two'), Array(12).fill(null))
  messages.delete('two')
  messages.delete('unknown')
  t.strictSame(add(messages, 25, 1, 1_000, 'two'), [null])
  t.strictSame(add(messages, 26, 1, 1_000, 'one'), [4])
})

t.test('after the stream was made anew, counting begins anew', async (t) => {
  const messages = new LongMessages()
  add(messages, 1, 12, 1_000)
  t.strictSame(add(messages, 1, 13, 1_000), [...Array(12).fill(null), 4])
})

t.test('the topics that are counted are bounded', async (t) => {
  const messages = new LongMessages()
  for (let i = 0; i < 1_000; i++) add(messages, 1, 12, 1_000, String(i))
  t.strictSame(add(messages, 13, 1, 1_000, '0'), [4])
  add(messages, 1, 1, 1_000, 'one more')
  t.strictSame(add(messages, 13, 1, 1_000, '1'), [null], 'the count has begun anew')
})
