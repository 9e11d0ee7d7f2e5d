import t, { type Test } from 'tap'
import { ThrottledLog } from '../../lib/base/throttled-log'

/** A log of lines, and a clock that the test sets. */
function create (t: Test): { throttledLog: ThrottledLog, lines: [string, unknown][], clock: { now: number } } {
  const lines: [string, unknown][] = []
  const clock = { now: 0 }
  t.intercept(performance, 'now', { value: () => clock.now })
  const log: any = { warn: ({ err }: { err: unknown }, message: string) => lines.push([message, err]) }
  return { throttledLog: new ThrottledLog({ log }, 'it has happened'), lines, clock }
}

t.test('the first event is logged at once, with its error', async (t) => {
  const { throttledLog, lines } = create(t)
  const error = new Error('why')
  throttledLog.add(error)
  t.strictSame(lines, [['it has happened', error]])
})

t.test('many events at once are logged in one line', async (t) => {
  const { throttledLog, lines } = create(t)
  throttledLog.add(undefined, 20_000)
  t.strictSame(lines, [['it has happened (20000 times)', undefined]])
})

t.test('within a minute there is no second line, and the next line counts the events', async (t) => {
  const { throttledLog, lines, clock } = create(t)
  throttledLog.add()
  for (clock.now = 0; clock.now < 60_000; clock.now += 1_000) throttledLog.add()
  t.equal(lines.length, 1)
  throttledLog.add()
  t.strictSame(lines, [['it has happened', undefined], ['it has happened (61 times)', undefined]])
  clock.now += 59_999
  throttledLog.add()
  t.equal(lines.length, 2)
  clock.now += 1
  throttledLog.add()
  t.match(lines[2], ['it has happened (2 times)'])
})
