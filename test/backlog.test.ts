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

t.test('who fills reads with what leaves nothing behind pays for all of them but the last', async (t) => {
  const backlog = new Backlog()
  for (let i = 0; i < 4; i++) backlog.push(within(Buffer.alloc(64 * KiB), 100, 200), false)
  t.equal(backlog.bytes, 3 * 64 * KiB + 200)
})

t.test('reads that are messages for the most part, or small, cost what the messages do', async (t) => {
  const backlog = new Backlog()
  for (let i = 0; i < 4; i++) {
    const read = Buffer.alloc(64 * KiB)
    for (let n = 0; n < 40; n++) backlog.push(within(read, n * KiB, KiB), false)
    backlog.push(within(Buffer.alloc(16 * KiB), 0, 200), false)
  }
  t.equal(backlog.bytes, 4 * (40 * KiB + 200))
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
