import t from 'tap'
import { Backlog } from '../../lib/connection/backlog'

const KiB = 1024

/** A message like one from a socket: a view of a larger read. */
function within (read: Buffer, start: number, length: number): Buffer {
  return read.subarray(start, start + length)
}

function push (backlog: Backlog, message: Buffer): void {
  backlog.push(message, message.length)
}

/** Takes a binary message. */
function shift (backlog: Backlog): Buffer {
  return backlog.shift() as Buffer
}

t.test('messages are taken in the order in which they came, unchanged', async (t) => {
  const backlog = new Backlog()
  const messages = Array.from({ length: 10 }, (_, i) => i % 3 === 0 ? Buffer.from(String(i)) : String(i))
  for (const message of messages) backlog.push(message, 1)
  for (const message of messages) t.equal(backlog.shift(), message)
  t.equal(backlog.shift(), undefined)
})

t.test('a message costs its bytes, or the least cost', async (t) => {
  const backlog = new Backlog()
  const costs = [Buffer.alloc(1000), Buffer.alloc(0), Buffer.alloc(1)].map((message) => {
    const before = backlog.bytes
    push(backlog, message)
    return backlog.bytes - before
  })
  t.equal(costs[0], 1000)
  t.ok(costs[1] >= 128)
  t.ok(costs[2] >= 128)
  for (const cost of costs) {
    const before = backlog.bytes
    backlog.shift()
    t.equal(before - backlog.bytes, cost)
  }
})

t.test('a text costs its length on the wire', async (t) => {
  const backlog = new Backlog()
  backlog.push('€'.repeat(100), 300)
  backlog.push('', 0)
  t.equal(backlog.bytes, 300 + 128)
  backlog.shift()
  t.equal(backlog.bytes, 128)
})

t.test('of reads that are mostly other frames, messages keep only the last alive', async (t) => {
  const backlog = new Backlog()
  const reads = Array.from({ length: 4 }, (_, i) => Buffer.alloc(64 * KiB, String(i)))
  for (const read of reads) for (const length of [100, 0, 200]) push(backlog, within(read, 100, length))
  t.equal(backlog.bytes, 4 * (128 + 128 + 200))
  for (let i = 0; i < 4; i++) {
    for (const length of [100, 0, 200]) {
      const data = shift(backlog)
      t.equal(data.toString(), String(i).repeat(length))
      t.equal(data.buffer.byteLength, i === 3 ? 64 * KiB : 300)
    }
  }
})

t.test('messages that wait move to a new memory, messages that were taken stay', async (t) => {
  const backlog = new Backlog()
  const [first, second, third] = Array.from({ length: 3 }, (_, i) => Buffer.alloc(64 * KiB, String(i)))
  push(backlog, within(first, 0, 10))
  for (const length of [10, 20, 30]) push(backlog, within(second, 0, length))
  backlog.shift()
  t.equal(shift(backlog).buffer, second.buffer)
  push(backlog, within(third, 0, 10))
  for (const length of [20, 30]) t.equal(shift(backlog).toString(), '1'.repeat(length))
  t.equal(shift(backlog).toString(), '2'.repeat(10))
})

t.test('texts between binary messages stay when these move', async (t) => {
  const backlog = new Backlog()
  const [first, second] = Array.from({ length: 2 }, (_, i) => Buffer.alloc(64 * KiB, String(i)))
  backlog.push('before', 6)
  push(backlog, within(first, 0, 10))
  backlog.push('between', 7)
  push(backlog, within(first, 10, 20))
  push(backlog, within(second, 0, 5))
  t.equal(backlog.shift(), 'before')
  const moved = shift(backlog)
  t.equal(moved.toString(), '0'.repeat(10))
  t.equal(moved.buffer.byteLength, 30)
  t.equal(backlog.shift(), 'between')
  t.equal(shift(backlog).buffer, moved.buffer)
  t.equal(shift(backlog).toString(), '11111')
})

t.test('messages that are parts of the pool keep no more memory alive than they cost', async (t) => {
  const backlog = new Backlog()
  const pool = Buffer.alloc(64 * KiB, 'p')
  for (let i = 0; i < 10; i++) {
    push(backlog, within(pool, i * 10, 5))
    push(backlog, Buffer.from(new Uint8Array(5).buffer))
  }
  t.equal(backlog.bytes, 20 * 128)
  for (let i = 0; i < 10; i++) {
    const data = shift(backlog)
    t.equal(data.toString(), 'ppppp')
    t.equal(data.buffer.byteLength, 5)
    t.same(backlog.shift(), Buffer.alloc(5))
  }
})

t.test('reads that are small, or mostly messages, are kept alive', async (t) => {
  const backlog = new Backlog()
  const read = Buffer.alloc(64 * KiB)
  const many = Array.from({ length: 40 }, (_, n) => within(read, n * KiB, KiB))
  const small = Buffer.alloc(256)
  for (const data of many) push(backlog, data)
  push(backlog, within(small, 6, 1))
  push(backlog, within(Buffer.alloc(10), 0, 1))
  t.equal(backlog.bytes, 40 * KiB + 2 * 128)
  for (let n = 0; n < 40; n++) t.equal(backlog.shift(), many[n])
  t.equal(shift(backlog).buffer, small.buffer)
})

t.test('when all messages have been taken, the cost is 0', async (t) => {
  const backlog = new Backlog()
  const reads = [Buffer.alloc(64 * KiB), Buffer.alloc(3 * KiB), Buffer.alloc(10)]
  for (let round = 0; round < 3; round++) {
    for (const read of reads) for (const length of [0, 1, 5, 10]) push(backlog, within(read, 0, length))
    for (let i = 0; i <= round; i++) backlog.shift()
    push(backlog, within(reads[0], 7, 2))
    while (backlog.shift() !== undefined) t.ok(backlog.bytes >= 0)
    t.equal(backlog.bytes, 0)
    push(backlog, within(reads[0], 7, 2))
    backlog.shift()
    t.equal(backlog.bytes, 0)
  }
})

t.test('a message that moves gets memory of its own', async (t) => {
  const backlog = new Backlog()
  for (const read of [Buffer.alloc(64 * KiB), Buffer.alloc(64 * KiB)]) push(backlog, within(read, 100, 10))
  const bytes = shift(backlog)
  t.same([bytes.length, bytes.byteOffset, bytes.buffer.byteLength], [10, 0, 10])
})
