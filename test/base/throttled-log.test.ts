import t, { type Test } from 'tap'
import { Complaint } from '../../lib/base/throttled-log'

/** A log of lines, and a clock that the test sets. */
function create (t: Test): { complaint: Complaint, lines: [string, unknown][], clock: { now: number } } {
  const lines: [string, unknown][] = []
  const clock = { now: 0 }
  t.intercept(performance, 'now', { value: () => clock.now })
  const log: any = { warn: ({ err }: { err: unknown }, message: string) => lines.push([message, err]) }
  return { complaint: new Complaint({ log }, 'it has happened'), lines, clock }
}

t.test('the first is told at once, with its error', async (t) => {
  const { complaint, lines } = create(t)
  const error = new Error('why')
  complaint.add(error)
  t.strictSame(lines, [['it has happened', error]])
})

t.test('many at once are told in one line', async (t) => {
  const { complaint, lines } = create(t)
  complaint.add(undefined, 20_000)
  t.strictSame(lines, [['it has happened (20000 times)', undefined]])
})

t.test('within a minute there is no other line, after it one that counts them', async (t) => {
  const { complaint, lines, clock } = create(t)
  complaint.add()
  for (clock.now = 0; clock.now < 60_000; clock.now += 1_000) complaint.add()
  t.equal(lines.length, 1)
  complaint.add()
  t.strictSame(lines, [['it has happened', undefined], ['it has happened (61 times)', undefined]])
  clock.now += 59_999
  complaint.add()
  t.equal(lines.length, 2)
  clock.now += 1
  complaint.add()
  t.match(lines[2], ['it has happened (2 times)'])
})
