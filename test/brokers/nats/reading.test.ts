import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { readBackward, readForward, type Kept, type Next } from '../../../lib/brokers/nats/reading'

/** A log with messages at `sequences`, and what was asked of it. */
class Log {
  asked = 0
  /** The number of round trips: the questions of one turn share one. */
  trips = 0
  readonly messages: Kept[]
  #trip?: Promise<void>

  constructor (readonly sequences: number[]) {
    this.messages = sequences.map((sequence) => ({ sequence, position: String(sequence), message: Buffer.from(String(sequence)) }))
  }

  readonly next: Next = async (sequence) => {
    this.asked++
    this.#trip ??= this.#travel()
    await this.#trip
    return this.messages.find((message) => message.sequence >= sequence) ?? null
  }

  async #travel (): Promise<void> {
    await setImmediate()
    this.#trip = undefined
    this.trips++
  }

  async forward (from: number, count: number): Promise<number[]> {
    return sequencesOf(await readForward(this.next, from, count))
  }

  async backward (count: number): Promise<number[]> {
    return sequencesOf(await readBackward(this.next, this.messages[0], this.messages.at(-1)!, count))
  }
}

function sequencesOf (messages: Kept[]): number[] {
  return messages.map(({ sequence }) => sequence)
}

/** Sequence numbers: alone, dense, regular, in bursts, at random, in a stream of thousands of millions. */
const LOGS: Record<string, number[]> = {
  one: [1],
  'one, late': [123_456_789_012],
  dense: Array.from({ length: 500 }, (_, i) => i + 1),
  'one of 10 topics': Array.from({ length: 500 }, (_, i) => 10 * i + 3),
  'one of a million topics': Array.from({ length: 300 }, (_, i) => 1_000_000 * i + 3),
  'random gaps': Array.from({ length: 500 }, (_, i) => i).reduce<number[]>((all) => [...all, (all.at(-1) ?? 0) + 1 + Math.floor(Math.random() * 1_000)], []),
  'a burst, then seldom': [...Array.from({ length: 300 }, (_, i) => i + 50), ...Array.from({ length: 40 }, (_, i) => 1_000_000 * (i + 1))],
  'seldom, then a burst': [...Array.from({ length: 40 }, (_, i) => 1_000_000 * (i + 1)), ...Array.from({ length: 300 }, (_, i) => 50_000_000 + i)],
  'bursts of all lengths': Array.from({ length: 12 }, (_, i) => Array.from({ length: 2 ** (i % 7) }, (_, j) => 10 ** (i % 10 + 1) + j)).flat().sort((a, b) => a - b).filter((sequence, i, all) => sequence !== all[i - 1])
}

for (const [name, sequences] of Object.entries(LOGS)) {
  t.test(`each message is read once, in order: ${name}`, async (t) => {
    const last = sequences.at(-1)!
    for (const count of [1, 2, 3, 5, 20, 101, 1_000]) {
      for (const from of [1, sequences[0], sequences[sequences.length >> 1], sequences[sequences.length >> 1] + 1, last, last + 1]) {
        t.strictSame(await new Log(sequences).forward(from, count), sequences.filter((sequence) => sequence >= from).slice(0, count), `${count} from ${from}`)
      }
      t.strictSame(await new Log(sequences).backward(count), sequences.slice(-count), `the newest ${count}`)
    }
  })
}

t.test('who has the newest message asks twice', async (t) => {
  const log = new Log(LOGS.dense)
  t.strictSame(await log.forward(500, 101), [500])
  t.equal(log.asked, 2)
})

t.test('the cost of 100 messages: requests, and round trips', async (t) => {
  for (const name of ['dense', 'one of 10 topics', 'one of a million topics', 'random gaps', 'a burst, then seldom', 'seldom, then a burst']) {
    for (const direction of ['forward', 'backward']) {
      const log = new Log(LOGS[name])
      await (direction === 'forward' ? log.forward(log.sequences[0], 100) : log.backward(100))
      t.comment(`${name}, ${direction}: ${log.asked} requests, ${log.trips} round trips`)
      t.ok(log.asked <= 500 && log.trips <= 120, `${name}, ${direction}`)
    }
  }
})
