import t from 'tap'
import { Backlog } from '../lib/backlog'

const KiB = 1024

/** A message as it comes off a socket: a view of a larger read. */
function within (read: Buffer, start: number, length: number): Buffer {
  return read.subarray(start, start + length)
}

t.test('messages are taken in the order in which they came, and each is what it was', async (t) => {
  const backlog = new Backlog()
  for (let i = 0; i < 10; i++) backlog.push(Buffer.from(String(i)), i % 3 === 0)
  for (let i = 0; i < 10; i++) {
    t.equal(backlog.shift()!.toString(), String(i))
    t.equal(backlog.isBinary, i % 3 === 0)
  }
  t.equal(backlog.shift(), undefined)
})

t.test('a message costs its bytes, and something at least', async (t) => {
  const backlog = new Backlog()
  const costs = [Buffer.alloc(1000), Buffer.alloc(0), Buffer.alloc(1)].map((data) => {
    const before = backlog.bytes
    backlog.push(data, false)
    return backlog.bytes - before
  })
  t.equal(costs[0], 1000)
  t.ok(costs[1] >= 128)
  t.ok(costs[2] >= 128)
})

t.test('messages keep none of the reads that are something else for the most part, but the last', async (t) => {
  const backlog = new Backlog()
  const reads = Array.from({ length: 4 }, (_, i) => Buffer.alloc(64 * KiB, String(i)))
  for (const read of reads) for (const length of [100, 0, 200]) backlog.push(within(read, 100, length), false)
  t.equal(backlog.bytes, 4 * (128 + 128 + 200))
  for (let i = 0; i < 4; i++) {
    for (const length of [100, 0, 200]) {
      const data = backlog.shift()!
      t.equal(data.toString(), String(i).repeat(length))
      t.equal(data.buffer.byteLength, i === 3 ? 64 * KiB : 300)
    }
  }
})

t.test('what has been taken of a read stays where it is, what waits moves', async (t) => {
  const backlog = new Backlog()
  const [first, second, third] = Array.from({ length: 3 }, (_, i) => Buffer.alloc(64 * KiB, String(i)))
  backlog.push(within(first, 0, 10), false)
  for (const length of [10, 20, 30]) backlog.push(within(second, 0, length), false)
  backlog.shift()
  t.equal(backlog.shift()!.buffer, second.buffer)
  backlog.push(within(third, 0, 10), false)
  for (const length of [20, 30]) t.equal(backlog.shift()!.toString(), '1'.repeat(length))
  t.equal(backlog.shift()!.toString(), '2'.repeat(10))
})

t.test('messages that are parts of the pool, each in its turn with others, cost what they are', async (t) => {
  const backlog = new Backlog()
  const pool = Buffer.alloc(64 * KiB, 'p')
  for (let i = 0; i < 10; i++) {
    backlog.push(within(pool, i * 10, 5), false)
    backlog.push(Buffer.from(new Uint8Array(5).buffer), false)
  }
  t.equal(backlog.bytes, 20 * 128)
  for (let i = 0; i < 10; i++) {
    const data = backlog.shift()!
    t.equal(data.toString(), 'ppppp')
    t.equal(data.buffer.byteLength, 5)
    t.same(backlog.shift(), Buffer.alloc(5))
  }
})

t.test('reads that are messages for the most part, or small, are kept as they are', async (t) => {
  const backlog = new Backlog()
  const read = Buffer.alloc(64 * KiB)
  const many = Array.from({ length: 40 }, (_, n) => within(read, n * KiB, KiB))
  const small = Buffer.alloc(256)
  for (const data of many) backlog.push(data, false)
  backlog.push(within(small, 6, 1), false)
  backlog.push(within(Buffer.alloc(10), 0, 1), false)
  t.equal(backlog.bytes, 40 * KiB + 2 * 128)
  for (let n = 0; n < 40; n++) t.equal(backlog.shift(), many[n])
  t.equal(backlog.shift()!.buffer, small.buffer)
})

t.test('when all have been taken, nothing is left of what they cost', async (t) => {
  const backlog = new Backlog()
  const reads = [Buffer.alloc(64 * KiB), Buffer.alloc(3 * KiB), Buffer.alloc(10)]
  for (let round = 0; round < 3; round++) {
    for (const read of reads) for (const length of [0, 1, 5, 10]) backlog.push(within(read, 0, length), true)
    for (let i = 0; i <= round; i++) backlog.shift()
    backlog.push(within(reads[0], 7, 2), false)
    while (backlog.shift() !== undefined) t.ok(backlog.bytes >= 0)
    t.equal(backlog.bytes, 0)
    backlog.push(within(reads[0], 7, 2), false)
    backlog.shift()
    t.equal(backlog.bytes, 0)
  }
})
