import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Timers, Entry } from '../../lib/base/timers'
import * as clock from '../../lib/base/clock'
import { until } from '../helpers/until'

/** Calls what it is given when it is looked at. */
class Task extends Entry {
  readonly #onLook: (now: number) => void

  constructor (onLook: (now: number) => void) {
    super()
    this.#onLook = onLook
  }

  override look (now: number): void {
    this.#onLook(now)
  }
}

t.test('each entry is looked at once, in the order in which they are due, and none before it is due', async (t) => {
  const timers = new Timers()
  const looks: number[] = []
  const delays = Array.from({ length: 200 }, (_, n) => (n * 37) % 200)
  const { now } = timers
  for (const delay of delays) {
    timers.add(new Task(() => {
      looks.push(delay)
      if (performance.now() < now + delay) t.fail(`${delay} ms are not over`)
    }), now + delay)
  }
  t.equal(timers.size, 200)
  await until(() => looks.length === 200)
  t.same(looks, delays.sort((a, b) => a - b))
  t.equal(timers.size, 0)
})

t.test('what has been taken out is not looked at, wherever it stood; the others are', async (t) => {
  const timers = new Timers()
  const looks: number[] = []
  const base = timers.now + 30
  const tasks = Array.from({ length: 100 }, (_, n) => new Task(() => { looks.push(n) }))
  for (let i = 0; i < 100; i++) timers.add(tasks[(i * 61) % 100], base + (i * 61) % 100 / 2)
  const gone = [0, 99, 50, 3, 1, 72, 28, 97, 33]
  for (const n of gone) timers.remove(tasks[n])
  timers.remove(tasks[0]) // once more
  t.equal(timers.size, 91)
  await until(() => timers.size === 0)
  t.same(looks, tasks.map((_, n) => n).filter((n) => !gone.includes(n)))
})

t.test('an entry can add itself again, or another, while it is looked at', async (t) => {
  const timers = new Timers()
  let count = 0
  const other = new Task(() => { count += 100 })
  const task: Task = new Task((now) => {
    if (++count < 3) timers.add(task, now + 1)
    else timers.add(other, now)
  })
  timers.add(task, timers.now)
  await until(() => count === 103)
  t.equal(timers.size, 0)
})

t.test('one that is due before all others is not late because of them', async (t) => {
  const timers = new Timers()
  timers.add(new Task(() => t.fail('not due')), timers.now + 60_000)
  let seen = false
  timers.add(new Task(() => { seen = true }), timers.now + 20)
  await until(() => seen)
  t.equal(timers.size, 1)
})

t.test('when the process was busy, what has arrived meanwhile is read before entries are looked at', async (t) => {
  const timers = new Timers()
  const { port1, port2 } = new MessageChannel() // its messages arrive as those of a socket do
  t.teardown(() => port1.close())
  const order: string[] = []
  port2.addEventListener('message', () => order.push('message'))
  port2.start()
  await setImmediate()
  timers.add(new Task(() => order.push('look')), timers.now + 10)
  port1.postMessage('')
  const end = performance.now() + 50
  while (performance.now() < end);
  await until(() => order.length === 2)
  t.same(order, ['message', 'look'])
})

t.test('a delay that a timer cannot keep does not make it spin', async (t) => {
  const set = mock.method(clock as { startTimer (...args: unknown[]): unknown }, 'startTimer', () => ({ unref () {} }))
  t.teardown(() => set.mock.restore())
  const timers = new Timers()
  timers.add(new Task(() => {}), timers.now + 2 ** 31)
  t.same(set.mock.calls.map((call) => call.arguments[1]), [2 ** 31 - 1])
})

t.test('there is one timer, which does not keep the process alive, and none when nothing is left', async (t) => {
  const running = new Set<number>()
  const kept: object[] = []
  const hook = createHook({
    init (id, type, _trigger, resource) {
      if (type !== 'Timeout') return
      running.add(id)
      kept.push(resource)
    },
    destroy: (id) => { running.delete(id) }
  }).enable()
  const timers = new Timers()
  const tasks = Array.from({ length: 50 }, () => new Task(() => {}))
  for (const [n, task] of tasks.entries()) timers.add(task, timers.now + 60_000 - n) // each is the first
  await setImmediate()
  t.equal(running.size, 1)
  t.equal((kept.at(-1) as NodeJS.Timeout).hasRef(), false)
  for (const task of tasks) timers.remove(task)
  await setImmediate()
  t.equal(running.size, 0)
  hook.disable()
})

t.test('looks keep nothing of the async context in which something was added', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const timers = new Timers()
  const stores: unknown[] = []
  storage.run('a request', () => timers.add(new Task(() => stores.push(storage.getStore())), timers.now))
  await until(() => stores.length === 1)
  t.same(stores, [undefined])
})

t.test('looks that are due within some milliseconds share a timer', async (t) => {
  const timers = new Timers()
  const turns: number[] = []
  for (let n = 0; n < 100; n++) timers.add(new Task((now) => turns.push(now)), timers.now + n)
  await until(() => turns.length === 100)
  t.ok(new Set(turns).size <= 20, `${new Set(turns).size} for 100`)
})
