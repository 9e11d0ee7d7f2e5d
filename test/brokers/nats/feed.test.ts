import t from 'tap'
import { timers } from '../../../lib/base/timers'
import { Feed, type Live } from '../../../lib/brokers/nats/feed'
import { until } from '../../helpers/until'

function create (): { feed: Feed, delivered: number[], gaps: () => number } {
  const delivered: number[] = []
  let gaps = 0
  const feed = new Feed(({ sequence }) => { delivered.push(sequence) }, () => { gaps++ })
  return { feed, delivered, gaps: () => gaps }
}

/** The messages of a topic at `sequences`. */
function lives (...sequences: number[]): Live[] {
  return sequences.map((sequence, i) => ({ sequence, previous: i === 0 ? 0 : sequences[i - 1], data: Buffer.alloc(0) }))
}

t.test('messages in order pass at once', async (t) => {
  const { feed, delivered } = create()
  feed.begin(0)
  for (const message of lives(1, 5, 6)) feed.add(message)
  t.strictSame(delivered, [1, 5, 6])
})

t.test('a message waits for the one before it, whatever the order in which they come', async (t) => {
  for (let round = 0; round < 200; round++) {
    const { feed, delivered } = create()
    const messages = lives(1, 3, 4, 8, 9, 20)
    feed.begin(0)
    for (const { message } of messages.map((message) => ({ message, key: Math.random() })).sort((a, b) => a.key - b.key)) feed.add(message)
    t.strictSame(delivered, [1, 3, 4, 8, 9, 20])
  }
  t.equal(timers.size, 0)
})

t.test('messages that come before the last one is known wait; those up to the last one are dropped', async (t) => {
  const { feed, delivered } = create()
  for (const message of lives(2, 3, 5, 9).reverse()) feed.add(message)
  t.strictSame(delivered, [])
  feed.begin(3)
  t.strictSame(delivered, [5, 9])
})

t.test('after the messages before it were removed, a message passes', async (t) => {
  const { feed, delivered } = create()
  feed.begin(7)
  feed.add({ sequence: 9, previous: 0, data: Buffer.alloc(0) })
  feed.add({ sequence: 12, previous: 3, data: Buffer.alloc(0) })
  t.strictSame(delivered, [9, 12])
})

t.test('the numbers of a stream that was made anew pass', async (t) => {
  const { feed, delivered } = create()
  feed.begin(100)
  for (const message of lives(1, 2, 3)) feed.add(message)
  t.strictSame(delivered, [1, 2, 3])
})

t.test('a message that does not come is told after a second', async (t) => {
  const { feed, delivered, gaps } = create()
  feed.begin(1)
  feed.add({ sequence: 3, previous: 2, data: Buffer.alloc(0) })
  await until(() => gaps() > 0)
  t.equal(gaps(), 1)
  t.strictSame(delivered, [])
})

t.test('a feed that is closed tells nothing', async (t) => {
  const { feed } = create()
  feed.begin(1)
  feed.add({ sequence: 3, previous: 2, data: Buffer.alloc(0) })
  t.equal(timers.size, 1)
  feed.close()
  t.ok(feed.isClosed)
  t.equal(timers.size, 0)
})
