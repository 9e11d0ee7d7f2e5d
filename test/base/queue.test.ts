import t from 'tap'
import { Queue } from '../../lib/base/queue'

function drain<T> (queue: Queue<T>): (T | undefined)[] {
  const items = []
  while (queue.length > 0) items.push(queue.shift())
  return items
}

function queueOf<T> (...items: T[]): Queue<T> {
  const queue = new Queue<T>()
  for (const item of items) queue.push(item)
  return queue
}

t.test('a new queue is empty', async (t) => {
  const queue = new Queue()
  t.equal(queue.length, 0)
  t.equal(queue.first, undefined)
  t.equal(queue.shift(), undefined)
  t.equal(queue.length, 0)
})

t.test('items come out in the order in which they went in', async (t) => {
  const items = Array.from({ length: 1000 }, (_, i) => i)
  t.strictSame(drain(queueOf(...items)), items)
})

t.test('`first` is the oldest item, which stays in the queue', async (t) => {
  const queue = queueOf('a', 'b')
  t.equal(queue.first, 'a')
  t.equal(queue.first, 'a')
  t.equal(queue.length, 2)
  queue.shift()
  t.equal(queue.first, 'b')
})

t.test('after the last item was taken, there is no first', async (t) => {
  const queue = queueOf('a')
  queue.shift()
  t.equal(queue.first, undefined)
  t.equal(queue.shift(), undefined)
})

t.test('the order is kept when the queue wraps around and grows, at every offset', async (t) => {
  for (let offset = 0; offset < 40; offset++) {
    const queue = new Queue<number>()
    for (let i = 0; i < offset; i++) {
      queue.push(-1)
      queue.shift()
    }
    const items = Array.from({ length: 40 }, (_, i) => i)
    for (const item of items) queue.push(item)
    t.strictSame(drain(queue), items, `offset ${offset}`)
  }
})

t.test('the newest items can be replaced, wherever they are on the ring', async (t) => {
  for (let offset = 0; offset < 8; offset++) {
    const queue = queueOf(...Array.from({ length: 8 }, () => -1))
    for (let i = 0; i < offset; i++) queue.push(queue.shift()!)
    for (let i = 0; i < 8; i++) {
      queue.shift()
      queue.push(i)
    }
    queue.replaceNewest(3, (item) => item * 10)
    t.strictSame(drain(queue), [0, 1, 2, 3, 4, 50, 60, 70], `offset ${offset}`)
  }
})

t.test('replaceNewest can replace no item, and all items', async (t) => {
  const queue = queueOf(1, 2, 3)
  queue.replaceNewest(0, () => 0)
  t.strictSame(drain(queue), [1, 2, 3])
  const other = queueOf(1, 2, 3)
  other.replaceNewest(3, (item) => -item)
  t.strictSame(drain(other), [-1, -2, -3])
})

t.test('the queue behaves like an array over a long mix of pushes, shifts and clears', async (t) => {
  const queue = new Queue<number>()
  const model: number[] = []
  let seed = 42
  const random = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
  for (let step = 0; step < 5000; step++) {
    const choice = random(10)
    if (choice < 6) {
      queue.push(step)
      model.push(step)
    } else if (choice < 9) {
      if (queue.shift() !== model.shift()) return t.fail(`shift at step ${step}`)
    } else if (choice === 9 && random(100) === 0) {
      queue.clear()
      model.length = 0
    }
    if (queue.length !== model.length || queue.first !== model[0]) return t.fail(`state at step ${step}`)
  }
  t.ok(model.length > 100, 'the queue has been long')
  t.strictSame(drain(queue), model)
})

t.test('a cleared queue is empty and can be used again', async (t) => {
  const queue = queueOf(1, 2, 3, 4, 5, 6)
  queue.clear()
  t.equal(queue.length, 0)
  t.equal(queue.first, undefined)
  t.equal(queue.shift(), undefined)
  queue.push(7)
  queue.push(8)
  t.strictSame(drain(queue), [7, 8])
})

t.test('an item that was taken is not kept alive', async (t) => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')

  const queue = queueOf<object>({}, {})
  const taken = (() => new WeakRef(queue.shift()!))()
  await new Promise((resolve) => setImmediate(resolve)) // a WeakRef keeps its target until the turn is over
  collect()
  t.equal(taken.deref(), undefined)
  t.equal(queue.length, 1)
})

t.test('an empty queue that has been long keeps little memory', async (t) => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const queues = Array.from({ length: 100 }, () => new Queue<number>())
  collect()
  const before = process.memoryUsage().heapUsed
  for (const queue of queues) {
    for (let i = 0; i < 10_000; i++) queue.push(i)
    drain(queue)
  }
  collect()
  const kept = (process.memoryUsage().heapUsed - before) / queues.length
  t.ok(kept < 4096, `${kept} bytes each`)
  queues[0].push(1)
  t.equal(queues[0].shift(), 1)
})
