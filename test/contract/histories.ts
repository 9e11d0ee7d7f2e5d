import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import type { BrokerEntry, BrokerHistory, Retention } from '../../types/broker'
import { inTime, Recorder, type Recorded } from '../helpers/recorder'
import { until } from '../helpers/until'
import { TRICKY_TOPICS, type Engine } from './brokers'

const RETENTION: Retention = { size: 1_000, ttl: 60_000, maxBytes: 1024 * 1024 }

/** In ms: a call that has nothing to wait for settles within this time. */
const SOON = 5_000

/** What a client may send in place of a position. */
const UNKNOWN = ['0', '1-1', 'abc', ' ', '~', '-', '-1', '0-0', '18446744073709551616-0', '99999999999999999999-99999999999999999999', 'x'.repeat(40), '+', '$', '(1-1', 'NaN', 'Infinity', '1e3']

/** Tests the rules for the `history` of a `Broker` that show from outside. The tests run one after the other, on one engine. */
export function historiesContract (t: Test, engine: Engine): void {
  async function connect (t: Test, options?: { prefix?: string }): Promise<Recorded & { history: BrokerHistory }> {
    const broker = await engine.createBroker(t, options)
    t.teardown(() => broker.close())
    const told = new Recorder()
    await inTime(broker.start(told), () => 'start has not settled')
    await told.until(() => told.ups > 0)
    return { broker, told, history: broker.history! }
  }

  async function append (history: BrokerHistory, topic: string, texts: string[], retention = RETENTION): Promise<string[]> {
    const positions = []
    for (const text of texts) positions.push(await history.append(topic, Buffer.from(text), retention))
    return positions
  }

  const textsOf = (entries: BrokerEntry[]): string[] => entries.map(({ message }) => Buffer.from(message).toString())
  const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))
  let topics = 0
  const newTopic = (): string => `topic ${topics++}`

  t.test('a message that is appended arrives with its position, and is read with it, byte for byte', async (t) => {
    const [{ history, told }, publisher] = [await connect(t), await connect(t)]
    const topic = newTopic()
    const messages = [
      Buffer.alloc(0), Buffer.from([0]), Buffer.from('text'), Buffer.from('日本 😀'), Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from(' \r\n\0\r\n '), Buffer.alloc(100_000, 'abc\xff', 'latin1')
    ]
    await history.subscribe(topic, RETENTION)
    const positions = []
    for (const message of messages) positions.push(await publisher.history.append(topic, message, RETENTION))
    await told.until(() => told.entries.length >= messages.length)
    const read = await history.read(topic, positions[0], 100, RETENTION)
    for (const entries of [told.entries.map(({ position, bytes }) => ({ position, message: bytes })), read]) {
      t.strictSame(entries.map(({ position }) => position), positions)
      for (const [i, { message }] of entries.entries()) t.ok(Buffer.from(message).equals(messages[i]), `${messages[i].length} bytes`)
    }
    t.strictSame(told.entries.map((entry) => entry.topic), messages.map(() => topic))
    t.equal(told.messages.length, 0)
    for (const position of positions) t.match(position, /^[!-~]{1,40}$/)
  })

  t.test('positions grow, and compare tells their order', async (t) => {
    const { history } = await connect(t)
    const positions = await append(history, newTopic(), numbers(50))
    for (let i = 1; i < positions.length; i++) {
      t.ok(history.compare(positions[i - 1], positions[i]) < 0)
      t.ok(history.compare(positions[i], positions[i - 1]) > 0)
    }
    t.equal(history.compare(positions[7], positions[7]), 0)
  })

  t.test('eight publishers: every subscriber and every reader has the messages in the order of their positions', async (t) => {
    const [one, two] = [await connect(t), await connect(t)]
    const publishers = await Promise.all(Array.from({ length: 8 }, () => connect(t)))
    const topic = newTopic()
    for (const { history } of [one, two]) await history.subscribe(topic, RETENTION)
    await Promise.all(publishers.map(async ({ history }, p) => await Promise.all(numbers(100).map((n) => history.append(topic, Buffer.from(`${p} ${n}`), RETENTION)))))
    const read = await one.history.readNewest(topic, 1_000, RETENTION)
    t.equal(read.length, 800)
    for (const { told } of [one, two]) {
      await told.until(() => told.entries.length >= 800)
      t.strictSame(told.entries.map(({ position, bytes }) => ({ position, text: bytes.toString() })), read.map(({ position, message }) => ({ position, text: Buffer.from(message).toString() })))
    }
    for (let i = 1; i < read.length; i++) if (one.history.compare(read[i - 1].position, read[i].position) >= 0) t.fail(`${read[i].position} after ${read[i - 1].position}`)
    for (const p of numbers(8)) t.strictSame(textsOf(read).filter((text) => text.startsWith(`${p} `)), numbers(100).map((n) => `${p} ${n}`), 'those of one publisher in its order')
  })

  t.test('read begins with the position that was asked for, and reads no more than asked for', async (t) => {
    const { history } = await connect(t)
    const topic = newTopic()
    const positions = await append(history, topic, numbers(20))
    for (const [from, count] of [[0, 100], [0, 3], [7, 5], [19, 5], [19, 1]]) {
      const entries = await history.read(topic, positions[from], count, RETENTION)
      t.strictSame(textsOf(entries), numbers(20).slice(from, from + count))
      t.strictSame(entries.map(({ position }) => position), positions.slice(from, from + count))
    }
    for (const count of [1, 5, 20, 100]) t.strictSame(textsOf(await history.readNewest(topic, count, RETENTION)), numbers(20).slice(-count))
  })

  t.test('a position that the topic does not have begins no answer', async (t) => {
    const { history } = await connect(t)
    const [topic, other] = [newTopic(), newTopic()]
    await append(history, topic, numbers(3))
    const [elsewhere] = await append(history, other, ['elsewhere'])
    for (const position of UNKNOWN) {
      const [first] = await history.read(topic, position, 10, RETENTION)
      if (first?.position === position) t.not(textsOf([first])[0], 'elsewhere', `${position} is one of the topic by chance`)
      else t.not(first?.position, position)
    }
    t.not((await history.read(topic, elsewhere, 10, RETENTION)).map(({ message }) => String(message)).includes('elsewhere'), true)
    t.strictSame(await history.read(newTopic(), elsewhere, 10, RETENTION), [])
    t.strictSame(await history.readNewest(newTopic(), 10, RETENTION), [])
  })

  t.test('no more than `size` messages are kept', async (t) => {
    const { history } = await connect(t)
    const topic = newTopic()
    const retention = { ...RETENTION, size: 10 }
    const positions = await append(history, topic, numbers(250), retention)
    t.strictSame(textsOf(await history.readNewest(topic, 1_000, retention)), numbers(250).slice(-10))
    t.strictSame(textsOf(await history.read(topic, positions[0], 1_000, retention)), numbers(250).slice(-10), 'the first is not the one that was asked for')
    t.strictSame(textsOf(await history.read(topic, positions[240], 1_000, retention)), numbers(250).slice(-10))
    t.not((await history.read(topic, positions[239], 1_000, retention))[0].position, positions[239])
  })

  t.test('a message is gone after `ttl`', async (t) => {
    const { history } = await connect(t)
    const topic = newTopic()
    const retention = { ...RETENTION, ttl: 1_000 }
    const [first] = await append(history, topic, ['first'], retention)
    await setTimeout(700)
    await append(history, topic, ['second'], retention)
    await until(async () => (await history.read(topic, first, 10, retention))[0]?.position !== first)
    t.strictSame(textsOf(await history.readNewest(topic, 10, retention)), ['second'])
    await until(async () => (await history.readNewest(topic, 10, retention)).length === 0)
    t.pass('then the second')
  })

  t.test('topics do not mix, whatever their names are, nor with topics without history', async (t) => {
    const { broker, history, told } = await connect(t)
    for (const topic of TRICKY_TOPICS) {
      await broker.subscribe(topic)
      await history.subscribe(topic, RETENTION)
    }
    for (const topic of TRICKY_TOPICS) {
      await broker.publish(topic, Buffer.from(`plain ${topic}`))
      await history.append(topic, Buffer.from(topic), RETENTION)
    }
    await told.until(() => told.entries.length >= TRICKY_TOPICS.length && told.messages.length >= TRICKY_TOPICS.length)
    for (const { topic, bytes } of told.entries) t.equal(bytes.toString(), topic)
    for (const { topic, bytes } of told.messages) t.equal(bytes.toString(), `plain ${topic}`)
    for (const topic of TRICKY_TOPICS) t.strictSame(textsOf(await history.readNewest(topic, 10, RETENTION)), [topic])
  })

  t.test('prefixes do not mix', async (t) => {
    const [one, two] = [await connect(t, { prefix: 'one.' }), await connect(t, { prefix: 'two.' })]
    const topic = newTopic()
    await one.history.subscribe(topic, RETENTION)
    await append(two.history, topic, ['two'])
    await append(one.history, topic, ['one'])
    await one.told.until(() => one.told.entries.length > 0)
    t.strictSame(one.told.entries.map(({ bytes }) => bytes.toString()), ['one'])
    t.strictSame(textsOf(await two.history.readNewest(topic, 10, RETENTION)), ['two'])
  })

  t.test('after unsubscribe nothing arrives; after subscribe everything does', async (t) => {
    const { history, told } = await connect(t)
    const publisher = await connect(t)
    const [topic, other] = [newTopic(), newTopic()]
    await history.subscribe(other, RETENTION)
    for (let i = 0; i < 20; i++) {
      await history.subscribe(topic, RETENTION)
      await publisher.history.append(topic, Buffer.from(String(i)), RETENTION)
      await told.until(() => told.entries.some(({ bytes }) => bytes.toString() === String(i)))
      await history.unsubscribe(topic, RETENTION)
      await publisher.history.append(topic, Buffer.from('missed'), RETENTION)
    }
    await publisher.history.append(other, Buffer.from('last'), RETENTION)
    await told.until(() => told.entries.some(({ topic }) => topic === other))
    t.strictSame(told.entries.map(({ bytes }) => bytes.toString()), [...numbers(20), 'last'])
  })

  t.test('while the server is away every call rejects soon; afterwards every call works', async (t) => {
    const { history, told } = await connect(t)
    const topic = newTopic()
    await history.subscribe(topic, RETENTION)
    await append(history, topic, ['before'])
    await engine.stop()
    try {
      await told.until(() => told.downs.length > 0)
      const calls = [() => history.append(topic, Buffer.from('x'), RETENTION), () => history.read(topic, '1-1', 1, RETENTION), () => history.readNewest(topic, 1, RETENTION), () => history.subscribe('other', RETENTION)]
      for (const call of calls) {
        const error: Error = await inTime(call().then(() => t.fail('it has resolved') as never, (error) => error), () => 'it has not settled', SOON)
        t.match(error.message, /./)
      }
    } finally {
      await engine.start()
    }
    await told.until(() => told.ups === 2)
    await history.subscribe(topic, RETENTION)
    const [position] = await append(history, topic, ['again'])
    await told.until(() => told.entries.some(({ bytes }) => bytes.toString() === 'again'))
    t.strictSame(textsOf(await history.read(topic, position, 10, RETENTION)), ['again'])
  })
}
