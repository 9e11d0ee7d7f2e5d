import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Timers, Entry } from '../../lib/base/timers'
import * as clock from '../../lib/base/clock'
import { FakeClock } from '../helpers/fake-clock'
import { until } from '../helpers/until'

/** An entry that calls a function when it is due. */
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

t.test('each entry is called once, when it is due, in the order in which entries are due', async (t) => {
  const clock = new FakeClock(t)
  const timers = new Timers()
  const looks: number[] = []
  const delays = Array.from({ length: 200 }, (_, n) => (n * 37) % 200)
  const { now } = timers
  for (const delay of delays) {
    timers.add(new Task(() => {
      looks.push(delay)
      const late = clock.now - now - delay
      if (late <= 0 || late > 10) t.fail(`${late} ms after it was due`)
    }), now + delay)
  }
  t.equal(timers.size, 200)
  await clock.pass(210)
  t.same(looks, delays.sort((a, b) => a - b))
  t.equal(timers.size, 0)
})

t.test('a removed entry is not called, wherever it was in the heap, and the others are', async (t) => {
  const timers = new Timers()
  const looks: number[] = []
  const base = timers.now + 30
  const tasks = Array.from({ length: 100 }, (_, n) => new Task(() => { looks.push(n) }))
  for (let i = 0; i < 100; i++) timers.add(tasks[(i * 61) % 100], base + (i * 61) % 100 / 2)
  const gone = [0, 99, 50, 3, 1, 72, 28, 97, 33]
  for (const n of gone) timers.remove(tasks[n])
  timers.remove(tasks[0]) // a second time
  t.equal(timers.size, 91)
  await until(() => timers.size === 0)
  t.same(looks, tasks.map((_, n) => n).filter((n) => !gone.includes(n)))
})

t.test('an entry can add itself or another entry while it is called', async (t) => {
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

t.test('a new entry that is due before all others is called in time', async (t) => {
  const clock = new FakeClock(t)
  const timers = new Timers()
  const looks: string[] = []
  timers.add(new Task(() => looks.push('last')), timers.now + 60_000)
  timers.add(new Task(() => looks.push('first')), timers.now + 20)
  await clock.pass(20)
  t.same(looks, [])
  await clock.pass(1)
  t.same(looks, ['first'])
  await clock.pass(59_979)
  t.same(looks, ['first'])
  await clock.pass(1)
  t.same(looks, ['first', 'last'])
})

t.test('after a block of the event loop, arrived bytes are read before entries are called', async (t) => {
  const timers = new Timers()
  const { port1, port2 } = new MessageChannel() // its messages arrive in the same phase as those of a socket
  t.teardown(() => port1.close())
  const order: string[] = []
  port2.addEventListener('message', () => order.push('message'))
  port2.start()
  await setImmediate()
  timers.add(new Task(() => order.push('look')), timers.now + 10)
  port1.postMessage('')
  const end = performance.now() + 20
  while (performance.now() < end);
  await until(() => order.length === 2)
  t.same(order, ['message', 'look'])
})

t.test('a delay longer than a timer can have does not make the timers spin', async (t) => {
  const set = mock.method(clock as { startTimer (...args: unknown[]): unknown }, 'startTimer', () => ({ unref () {} }))
  t.teardown(() => set.mock.restore())
  const timers = new Timers()
  timers.add(new Task(() => {}), timers.now + 2 ** 31)
  t.same(set.mock.calls.map((call) => call.arguments[1]), [2 ** 31 - 1])
})

t.test('there is one timer, which does not keep the process alive, and none without entries', async (t) => {
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
  for (const [n, task] of tasks.entries()) timers.add(task, timers.now + 60_000 - n) // each becomes the first
  await setImmediate()
  t.equal(running.size, 1)
  t.equal((kept.at(-1) as NodeJS.Timeout).hasRef(), false)
  for (const task of tasks) timers.remove(task)
  await setImmediate()
  t.equal(running.size, 0)
  hook.disable()
})

t.test('the timers keep nothing of the async context in which an entry was added', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const timers = new Timers()
  const stores: unknown[] = []
  storage.run('a request', () => timers.add(new Task(() => stores.push(storage.getStore())), timers.now))
  await until(() => stores.length === 1)
  t.same(stores, [undefined])
})

t.test('entries that are due within some milliseconds share a timer', async (t) => {
  const clock = new FakeClock(t)
  const timers = new Timers()
  const turns: number[] = []
  for (let n = 0; n < 100; n++) timers.add(new Task((now) => turns.push(now)), timers.now + n)
  await clock.pass(100)
  t.equal(turns.length, 100)
  t.equal(new Set(turns).size, 10)
})
