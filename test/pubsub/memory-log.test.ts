import t from 'tap'
import { timers } from '../../lib/base/timers'
import { MemoryLog } from '../../lib/pubsub/memory-log'
import { FakeClock } from '../helpers/fake-clock'
import type { Entry, Kind } from '../../lib/pubsub/entry'
import type { Retention } from '../../types/broker'

const RETENTION: Retention = { size: 1_000, ttl: 1_000, maxBytes: 1_000_000 }

const dataOf = (entries: Entry[]): unknown[] => entries.map(({ data }) => data)
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i))

function create (retention: Partial<Retention> = {}): { log: MemoryLog, told: Entry[], append (payload: string | Uint8Array, kind?: Kind, topic?: string): Promise<string>, newest (count?: number): Promise<unknown[]> } {
  const told: Entry[] = []
  const kept = { ...RETENTION, ...retention }
  const log = new MemoryLog({ onEntry: (_, entry) => told.push(entry) })
  return {
    log,
    told,
    append: (payload, kind = 'text', topic = 'room') => log.append(topic, { kind, payload, sender: 0 }, kept),
    newest: async (count = 10_000) => dataOf(await log.readNewest('room', count))
  }
}

// First, since the logs of the other tests have timers on the real clock.
t.test('an entry goes after its ttl, and an empty log takes no memory and no timer', async (t) => {
  const clock = new FakeClock(t)
  const { log, told, append, newest } = create()
  append('first')
  await clock.pass(600)
  append('second')
  await clock.pass(600)
  t.strictSame(await newest(), ['second'])
  await clock.pass(600)
  t.strictSame(await newest(), [])
  await clock.pass(2_000)
  t.equal(timers.size, 0)
  append('third')
  t.not(told[2].mark, told[0].mark, 'the log is another one')
  t.ok(log.compare(told[1].place, told[2].place) < 0, 'and its places come after those of the first one')
  t.not((await log.read('room', told[0].place, 1))[0].position, told[0].position)
  await clock.pass(5_000)
  t.equal(timers.size, 0)
})

t.test('an entry is told at once, with the position that append resolves with', async (t) => {
  const { log, told, append } = create()
  const appended = append('hello')
  t.equal(told[0].data, 'hello')
  t.equal(await appended, told[0].position)
  t.equal(await append('again').then(() => log.compare(told[0].place, told[1].place) < 0), true)
  t.strictSame(dataOf(await log.read('room', told[0].place, 10)), ['hello', 'again'])
  t.strictSame(dataOf(await log.read('room', told[1].place, 10)), ['again'])
  t.strictSame(await log.read('elsewhere', told[0].place, 10), [])
})

t.test('bytes are copied, since they belong to the caller', async (t) => {
  const { append, newest } = create()
  const bytes = Buffer.from('bytes')
  append(bytes, 'bytes')
  bytes.fill(0)
  t.strictSame(await newest(), [Buffer.from('bytes')])
})

t.test('the oldest entries go beyond the size, however many come', async (t) => {
  const { log, told, append, newest } = create({ size: 100 })
  for (const n of numbers(0, 1_000)) append(n)
  t.strictSame(await newest(), numbers(900, 1_000))
  t.strictSame(await newest(3), numbers(997, 1_000))
  t.strictSame(dataOf(await log.read('room', told[950].place, 10)), numbers(950, 960))
  t.equal((await log.read('room', told[10].place, 10))[0].data, '900', 'the first is not the one that was asked for')
  for (const place of ['1000', 'x', '', '-1', 'NaN']) t.not((await log.read('room', place, 1))[0]?.place, place)
})

t.test('the oldest entries go beyond the bytes, but the newest stays', async (t) => {
  const { append, newest } = create({ maxBytes: 10_000 })
  for (const n of numbers(0, 100)) append(n.padEnd(1_000))
  t.equal((await newest()).length, 10)
  await append('x'.repeat(20_000))
  t.equal((await newest()).length, 1)
  for (const n of numbers(0, 1_000)) append(n)
  t.equal((await newest()).length, Math.floor(10_000 / 128), 'an entry costs 128 bytes at least')
})

t.test('the end of an empty log is an entry without content', async (t) => {
  const { log, told, append } = create()
  const end = await log.end('room', RETENTION)
  t.strictSame(told.map(({ kind, position }) => [kind, position]), [['start', `${end.place}~${end.mark}`]])
  t.strictSame(await log.end('room', RETENTION), end)
  await append('hello')
  t.equal((await log.end('room', RETENTION)).place, told[1].place)
})

t.test('a log that is cleared keeps no message and no timer', async (t) => {
  const before = timers.size
  const { log, append, newest } = create()
  for (const topic of ['room', 'hall']) append('hello', 'text', topic)
  t.equal(timers.size, before + 2)
  log.clear()
  t.equal(timers.size, before)
  t.strictSame(await newest(), [])
})
