import { getEventListeners } from 'node:events'
import { install, type Clock } from '@sinonjs/fake-timers'
import t, { type Test } from 'tap'
import { wait } from '../../lib/browser/wake'
import { FakePage } from '../helpers/fake-page'

/** A wait on a fake clock. */
interface Wait {
  isOver: boolean
}

function fakeClock (t: Test): Clock {
  const clock = install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  t.teardown(() => clock.uninstall())
  return clock
}

function begin (...args: Parameters<typeof wait>): Wait {
  const state = { isOver: false }
  const end = (): void => { state.isOver = true }
  wait(...args).then(end, end)
  return state
}

/** Lets `ms` milliseconds pass. Returns whether `wait` has ended by then, and not before. */
async function endsAfter (clock: Clock, wait: Wait, ms: number): Promise<boolean> {
  await clock.tickAsync(ms - 1)
  if (wait.isOver) return false
  await clock.tickAsync(1)
  return wait.isOver
}

const WAKES: Record<string, (page: FakePage) => void> = {
  online: (page) => page.goOnline(),
  pageshow: (page) => page.show(),
  'the page becomes visible': (page) => page.setVisibility('visible')
}

t.test('without a page, a wait lasts for its delay', async (t) => {
  const clock = fakeClock(t)
  const waiting = begin(10_000, 200, undefined)
  t.ok(await endsAfter(clock, waiting, 10_000))
  t.equal(clock.countTimers(), 0)
})

for (const [name, wake] of Object.entries(WAKES)) {
  t.test(`${name}: the rest of the wait is the delay of a wake`, async (t) => {
    const clock = fakeClock(t)
    const page = new FakePage(t)
    const waiting = begin(10_000, 200, undefined)
    t.not(page.listeners, 0)
    await clock.tickAsync(3_000)
    wake(page)
    t.ok(await endsAfter(clock, waiting, 200))
    t.equal(page.listeners, 0)
    t.equal(clock.countTimers(), 0)
  })
}

t.test('a wake does not make a wait longer', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const waiting = begin(1_000, 200, undefined)
  await clock.tickAsync(900)
  page.goOnline()
  t.ok(await endsAfter(clock, waiting, 100))
})

t.test('a second wake does not put off the attempt of the first', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const waiting = begin(10_000, 200, undefined)
  page.goOnline()
  await clock.tickAsync(150)
  page.setVisibility('visible')
  t.ok(await endsAfter(clock, waiting, 50))
})

t.test('a page that becomes hidden does not wake', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const waiting = begin(10_000, 200, undefined)
  page.setVisibility('hidden')
  t.ok(await endsAfter(clock, waiting, 10_000))
})

for (const name of ['online', 'pageshow']) {
  t.test(`${name} wakes a hidden page, too`, async (t) => {
    const clock = fakeClock(t)
    const page = new FakePage(t)
    page.setVisibility('hidden')
    const waiting = begin(10_000, 200, undefined)
    WAKES[name](page)
    t.ok(await endsAfter(clock, waiting, 200))
  })
}

t.test('in a worker, which has no document, online wakes', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  delete (globalThis as any).document
  const waiting = begin(10_000, 200, undefined)
  page.goOnline()
  t.ok(await endsAfter(clock, waiting, 200))
  t.equal(page.listeners, 0)
})

t.test('without the delay of a wake, nothing wakes', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const waiting = begin(10_000, undefined, undefined)
  t.equal(page.listeners, 0)
  for (const wake of Object.values(WAKES)) wake(page)
  t.ok(await endsAfter(clock, waiting, 10_000))
})

t.test('an abort ends the wait, and leaves no timer and no listener', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const controller = new AbortController()
  const waiting = begin(10_000, 200, controller.signal)
  controller.abort()
  await clock.tickAsync(0)
  t.ok(waiting.isOver)
  t.equal(page.listeners, 0)
  t.equal(clock.countTimers(), 0)
})

t.test('a signal that has aborted ends the wait at once', async (t) => {
  const clock = fakeClock(t)
  const page = new FakePage(t)
  const waiting = begin(10_000, 200, AbortSignal.abort())
  await clock.tickAsync(0)
  t.ok(waiting.isOver)
  t.equal(page.listeners, 0)
  t.equal(clock.countTimers(), 0)
})

t.test('a wait that has ended leaves no listener on the signal', async (t) => {
  const clock = fakeClock(t)
  const { signal } = new AbortController()
  const waiting = begin(1_000, 200, signal)
  t.ok(await endsAfter(clock, waiting, 1_000))
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
