import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Broker } from '../../types/broker'
import { inTime, Recorder, type Recorded } from '../helpers/recorder'

/** An engine that brokers stand on: one server, or one cluster, of this test's own. */
export interface Engine {
  /** A broker that has not been started, of the one server. What it stands on is released at the end of `t`. */
  createBroker (t: Test, options?: { prefix?: string }): Broker | Promise<Broker>
  /** Ends the server at once, as a crash would. Resolves when it is gone. */
  stop (): Promise<void> | void
  /** Starts it again, in the same place. Resolves when it can be connected to. */
  start (): Promise<void> | void
  /** Publishes to the channel of `topic`, under the default prefix, past the brokers; where that can be done. */
  publishForeign? (t: Test, topic: string, message: Buffer): Promise<void> | void
}

/** The largest message that every engine takes: NATS has a limit of 1 MiB, and the app puts some bytes before a message. */
const LARGE = 1024 * 1024 - 1024

/** How many topics a process may well have. */
const MANY = 20_000

/** Milliseconds in which a broker is to have settled or to have told something, that has nothing to wait for. */
const SOON = 5_000

/** Milliseconds in which `close` is to resolve, whatever the server does. */
const CLOSED = 2_000

/** An outage in which clients try in vain to connect. Milliseconds. */
const OUTAGE = 700

/** Names that mean something to one engine or another, or look alike. */
export const TRICKY_TOPICS = [
  'a', 'A', 'ab', 'a.b', 'a.*', 'a.>', 'a.b.c', '>', '*', '**', '?', '[a]', 'a?', '#', '+', 'a/+', 'a/b', 'a..b', '.', '..', '.a', 'a.',
  ' ', '  ', 'a b', ' a', 'a ', ':', 'a:b', 'a::b', '%', '%20', '%2E', 'a%2Eb', '_', '__proto__', 'constructor', '{a}', '{a}b', '{}', '\\', '\\*', '\\x2a', '"', "'", '=', '-',
  '$SYS.a', '_INBOX.a', '__keyspace@0__:a', 'fastify-async-websocket:a', 'fastify-async-websocket.a',
  'é', 'e\u0301', 'ß', 'SS', '\u00a0', '\u2028', '\ufeff', '\ufffd', '\ud7ff', '日本', '😀', '😀'.repeat(64), 'a'.repeat(256), '.'.repeat(256), ' '.repeat(256), '%'.repeat(256), 'é'.repeat(128)
]

/** All rules of the `Broker` contract that can be seen from outside. The tests run one after the other, on one engine. */
export function brokersContract (t: Test, engine: Engine): void {
  /** A broker that is up. */
  async function connect (t: Test, options?: { prefix?: string }): Promise<Recorded> {
    const connected = await create(t, options)
    await inTime(connected.broker.start(connected.told), () => 'start has not settled')
    await connected.told.until(() => connected.told.ups > 0)
    return connected
  }

  async function create (t: Test, options?: { prefix?: string }): Promise<Recorded> {
    const broker = await engine.createBroker(t, options)
    t.teardown(() => broker.close())
    return { broker, told: new Recorder() }
  }

  /** Resolves when the server has given `text` to whom it concerns; it need not when it is accepted. */
  async function publishAndSee (t: Test, publisher: Recorded, topic: string, text: string): Promise<void> {
    const witness = await connect(t)
    await witness.broker.subscribe(topic)
    await publisher.broker.publish(topic, Buffer.from(text))
    await witness.told.until(() => witness.told.texts(topic).includes(text))
  }

  /** The server stops, which all of `brokers` notice, and starts again at the end of `during`. */
  async function outage (brokers: Recorded[], during: () => Promise<void>): Promise<void> {
    const downs = brokers.map(({ told }) => told.downs.length)
    const ups = brokers.map(({ told }) => told.ups)
    await engine.stop()
    try {
      for (const [i, { told }] of brokers.entries()) await told.until(() => told.downs.length > downs[i])
      await during()
    } finally {
      await engine.start()
    }
    for (const [i, { told }] of brokers.entries()) await told.until(() => told.ups > ups[i])
  }

  t.test('a message arrives as it was published, byte for byte', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    const messages = [
      Buffer.alloc(0), Buffer.from([0]), Buffer.from('text'), Buffer.from('日本 😀'), Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]), Buffer.from('\r\n\0\r\n'), Buffer.alloc(LARGE, 'abc\xff', 'latin1')
    ]
    await broker.subscribe('room')
    for (const message of messages) await publisher.broker.publish('room', message)
    await told.until(() => told.messages.length >= messages.length)
    for (const [i, { topic, bytes }] of told.messages.entries()) {
      t.equal(topic, 'room')
      t.ok(bytes.equals(messages[i]), `${messages[i].length} bytes`)
    }
    t.equal(told.messages.length, messages.length)
  })

  t.test('any Uint8Array can be published, and stays as it is', async (t) => {
    const { broker, told } = await connect(t)
    const backing = new Uint8Array([1, 2, 3, 4, 5])
    await broker.subscribe('room')
    await broker.publish('room', backing.subarray(1, 4))
    await told.until(() => told.messages.length === 1)
    t.same(told.messages[0].bytes, Buffer.from([2, 3, 4]))
    t.same(backing, new Uint8Array([1, 2, 3, 4, 5]))
  })

  t.test('what one broker publishes to a topic arrives in order, whatever its size and whether or not it was awaited', async (t) => {
    const { broker, told } = await connect(t)
    const publishers = [await connect(t), await connect(t)]
    await broker.subscribe('room')
    const published = publishers.flatMap((publisher, p) => Array.from({ length: 1000 }, (_, i) =>
      publisher.broker.publish('room', Buffer.from(`${p} ${i} ${'x'.repeat(i % 100 === 0 ? 10_000 : i % 7)}`))))
    await Promise.all(published)
    await told.until(() => told.messages.length >= 2000)
    for (const p of ['0', '1']) {
      const numbers = told.texts().map((text) => text.split(' ')).filter(([of]) => of === p).map(([, number]) => Number(number))
      t.strictSame(numbers, Array.from({ length: 1000 }, (_, i) => i))
    }
  })

  t.test('every broker that has subscribed gets a message, once: the publisher too', async (t) => {
    const all = await Promise.all([connect(t), connect(t), connect(t)])
    for (const { broker } of all) await broker.subscribe('room')
    await all[0].broker.publish('room', Buffer.from('first'))
    await all[0].broker.publish('room', Buffer.from('last'))
    for (const { told } of all) {
      await told.until(() => told.texts().includes('last'))
      t.strictSame(told.texts(), ['first', 'last'])
    }
  })

  t.test('publishing where nobody has subscribed is no error', async (t) => {
    const { broker } = await connect(t)
    await broker.publish('nobody', Buffer.from('hello'))
  })

  t.test('when subscribe has resolved, nothing is missed that others publish from then on', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    for (let i = 0; i < 50; i++) {
      await broker.subscribe(`room ${i}`)
      await publisher.broker.publish(`room ${i}`, Buffer.from('hello'))
    }
    await told.until(() => told.messages.length >= 50)
    t.same(new Set(told.messages.map(({ topic }) => topic)), new Set(Array.from({ length: 50 }, (_, i) => `room ${i}`)))
  })

  t.test('subscribing twice, one after the other or at once, is as subscribing once', async (t) => {
    const { broker, told } = await connect(t)
    await broker.subscribe('room')
    await inTime(broker.subscribe('room'), () => 'the second subscribe has not settled')
    await Promise.all([broker.subscribe('hall'), broker.subscribe('hall')])
    for (const topic of ['room', 'hall']) {
      await broker.publish(topic, Buffer.from('first'))
      await broker.publish(topic, Buffer.from('last'))
      await told.until(() => told.texts(topic).includes('last'))
      t.strictSame(told.texts(topic), ['first', 'last'])
    }
    await broker.unsubscribe('room')
    await broker.publish('room', Buffer.from('missed'))
    await broker.subscribe('room')
    await broker.publish('room', Buffer.from('again'))
    await told.until(() => told.texts('room').includes('again'))
    t.strictSame(told.texts('room'), ['first', 'last', 'again'])
  })

  t.test('when unsubscribe has resolved, nothing comes any more, and other topics go on', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    await broker.subscribe('room')
    await broker.subscribe('hall')
    await broker.unsubscribe('room')
    await publisher.broker.publish('room', Buffer.from('missed'))
    await publisher.broker.publish('hall', Buffer.from('hello'))
    await told.until(() => told.texts('hall').length > 0)
    await broker.subscribe('room')
    await publisher.broker.publish('room', Buffer.from('again'))
    await told.until(() => told.texts('room').length > 0)
    t.strictSame(told.texts('room'), ['again'])
  })

  t.test('unsubscribing from what one has not subscribed to resolves', async (t) => {
    const { broker } = await connect(t)
    await inTime(broker.unsubscribe('room'), () => 'unsubscribe has not settled')
    await broker.subscribe('room')
    await broker.unsubscribe('room')
    await inTime(broker.unsubscribe('room'), () => 'the second unsubscribe has not settled')
  })

  t.test('a topic that is left and joined again, over and over, ends as it was told last', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    for (let i = 0; i < 20; i++) {
      await broker.subscribe('room')
      await broker.unsubscribe('room')
    }
    await publishAndSee(t, publisher, 'room', 'missed')
    await broker.subscribe('room')
    await publisher.broker.publish('room', Buffer.from('hello'))
    await told.until(() => told.messages.length > 0)
    t.strictSame(told.texts(), ['hello'])
  })

  t.test('no topic reaches another, whatever its name', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    for (const topic of TRICKY_TOPICS) {
      told.messages.length = 0
      await broker.subscribe(topic)
      await Promise.all(TRICKY_TOPICS.filter((other) => other !== topic).map((other) => publisher.broker.publish(other, Buffer.from(other))))
      await publisher.broker.publish(topic, Buffer.from(topic))
      await told.until(() => told.texts().includes(topic))
      t.strictSame(told.messages.map(({ topic, bytes }) => [topic, bytes.toString()]), [[topic, topic]], encodeURIComponent(topic))
      await broker.unsubscribe(topic)
    }
  })

  t.test('one broker can have all of them at once, each with its own messages', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    await Promise.all(TRICKY_TOPICS.map((topic) => broker.subscribe(topic)))
    for (const round of ['first', 'last']) {
      for (const topic of TRICKY_TOPICS) await publisher.broker.publish(topic, Buffer.from(`${round} of ${topic}`))
    }
    await told.until(() => told.messages.length >= 2 * TRICKY_TOPICS.length)
    for (const topic of TRICKY_TOPICS) t.strictSame(told.texts(topic), [`first of ${topic}`, `last of ${topic}`], encodeURIComponent(topic))
  })

  t.test('brokers with different prefixes do not hear each other', async (t) => {
    const [one, two, neither] = [await connect(t, { prefix: 'one' }), await connect(t, { prefix: 'two' }), await connect(t)]
    const all = [one, two, neither]
    for (const { broker } of all) await broker.subscribe('room')
    await one.broker.publish('room', Buffer.from('from one'))
    await two.broker.publish('room', Buffer.from('from two'))
    await neither.broker.publish('room', Buffer.from('from neither'))
    for (const { told } of all) await told.until(() => told.messages.length > 0)
    for (const { broker } of all) await broker.publish('room', Buffer.from('last'))
    for (const { told } of all) await told.until(() => told.texts().includes('last'))
    t.strictSame(all.map(({ told }) => told.texts()), [['from one', 'last'], ['from two', 'last'], ['from neither', 'last']])
  })

  t.test('before it is started, nothing can be had of it', async (t) => {
    const { broker } = await create(t)
    await t.rejects(inTime(broker.subscribe('room'), () => 'pending', SOON), { message: /^(?!pending)/ })
    await t.rejects(inTime(broker.unsubscribe('room'), () => 'pending', SOON), { message: /^(?!pending)/ })
    await t.rejects(inTime(broker.publish('room', Buffer.from('hello')), () => 'pending', SOON), { message: /^(?!pending)/ })
  })

  t.test('a broker that was not started can be closed', async (t) => {
    const { broker } = await create(t)
    await inTime(broker.close(), () => 'close has not settled', CLOSED)
  })

  t.test('it is up once, not again and again', async (t) => {
    const { broker, told } = await connect(t)
    for (let i = 0; i < 10; i++) {
      await broker.subscribe(`room ${i}`)
      await broker.publish(`room ${i}`, Buffer.from('hello'))
    }
    await told.until(() => told.messages.length >= 10)
    t.equal(told.ups, 1)
    t.strictSame(told.downs, [])
  })

  t.test('when the server is gone it is down once, with a reason, and when it is back it is up once', async (t) => {
    const recorded = await connect(t)
    await outage([recorded], () => setTimeout(OUTAGE))
    const { told } = recorded
    t.equal(told.ups, 2)
    t.equal(told.downs.length, 1)
    t.ok(told.downs[0] instanceof Error)
    t.match(told.downs[0].message, /./, 'the reason says something')
  })

  t.test('while it is down everything rejects soon, with an error that says something', async (t) => {
    const recorded = await connect(t)
    const { broker } = recorded
    await broker.subscribe('before')
    await outage([recorded], async () => {
      for (const attempt of [() => broker.publish('room', Buffer.from('hello')), () => broker.subscribe('room'), () => broker.unsubscribe('before')]) {
        const error: Error = await inTime(attempt().then(() => t.fail('it has resolved'), (error) => error), () => 'it has not settled', SOON)
        t.ok(error instanceof Error)
        t.match(error.message, /./)
      }
    })
  })

  t.test('nothing that was published while it was down is sent later', async (t) => {
    const [publisher, subscriber] = [await connect(t), await connect(t)]
    await outage([publisher, subscriber], async () => {
      await Promise.allSettled(Array.from({ length: 100 }, () => publisher.broker.publish('room', Buffer.from('missed'))))
    })
    await subscriber.broker.subscribe('room')
    await publisher.broker.publish('room', Buffer.from('hello'))
    await subscriber.told.until(() => subscriber.told.messages.length > 0)
    t.strictSame(subscriber.told.texts(), ['hello'])
  })

  t.test('what is under way when the server goes settles', async (t) => {
    const { broker, told } = await connect(t)
    await broker.subscribe('before')
    const underWay = [
      ...Array.from({ length: 500 }, () => broker.publish('room', Buffer.alloc(1000))),
      ...Array.from({ length: 100 }, (_, i) => broker.subscribe(`room ${i}`)),
      broker.unsubscribe('before')
    ]
    const settled = Promise.allSettled(underWay)
    await outage([{ broker, told }], async () => {
      await inTime(settled, () => 'something has not settled', SOON)
    })
    t.equal(told.downs.length, 1)
  })

  t.test('when it is back, all works again that worked before, for the asking', async (t) => {
    const [publisher, subscriber] = [await connect(t), await connect(t)]
    await subscriber.broker.subscribe('room')
    await subscriber.broker.subscribe('hall')
    await outage([publisher, subscriber], async () => {})
    await subscriber.broker.subscribe('room')
    await subscriber.broker.subscribe('new')
    for (const topic of ['room', 'new']) {
      await publisher.broker.publish(topic, Buffer.from('first'))
      await publisher.broker.publish(topic, Buffer.from('last'))
      await subscriber.told.until(() => subscriber.told.texts(topic).includes('last'))
      t.strictSame(subscriber.told.texts(topic), ['first', 'last'])
    }
    await subscriber.broker.unsubscribe('room')
    await publishAndSee(t, publisher, 'room', 'missed')
    await subscriber.broker.subscribe('room')
    await publisher.broker.publish('room', Buffer.from('again'))
    await subscriber.told.until(() => subscriber.told.texts('room').includes('again'))
    t.strictSame(subscriber.told.texts('room'), ['first', 'last', 'again'])
  })

  t.test('it comes back from one outage after the other', async (t) => {
    const recorded = await connect(t)
    const { broker, told } = recorded
    for (const round of ['one', 'two', 'three']) {
      await outage([recorded], async () => {})
      await broker.subscribe('room')
      await broker.publish('room', Buffer.from(round))
      await told.until(() => told.texts().includes(round))
    }
    t.strictSame(told.texts(), ['one', 'two', 'three'])
    t.equal(told.downs.length, 3)
    t.equal(told.ups, 4)
  })

  t.test('started while the server is away, it is no failure, and it is up when the server is back', async (t) => {
    const { broker, told } = await create(t)
    await engine.stop()
    try {
      await inTime(broker.start(told), () => 'start has not settled')
      t.equal(told.ups, 0)
      await t.rejects(inTime(broker.publish('room', Buffer.from('hello')), () => 'pending', SOON), { message: /^(?!pending)/ })
    } finally {
      await engine.start()
    }
    await told.until(() => told.ups > 0)
    await broker.subscribe('room')
    await broker.publish('room', Buffer.from('hello'))
    await told.until(() => told.messages.length > 0)
    t.equal(told.ups, 1)
  })

  t.test('after close nothing is told any more, and nothing can be had', async (t) => {
    const { broker, told } = await connect(t)
    const other = await connect(t)
    for (const { broker: each } of [{ broker }, other]) await each.subscribe('room')
    await inTime(broker.close(), () => 'close has not settled', CLOSED)
    const { calls } = told
    await other.broker.publish('room', Buffer.from('hello'))
    await other.told.until(() => other.told.messages.length > 0)
    await outage([other], () => setTimeout(OUTAGE))
    t.equal(told.calls, calls)
    await t.rejects(inTime(broker.publish('room', Buffer.from('hello')), () => 'pending', SOON), { message: /^(?!pending)/ })
    await t.rejects(inTime(broker.subscribe('room'), () => 'pending', SOON), { message: /^(?!pending)/ })
  })

  t.test('close, once and again, resolves soon: with messages under way, and when the server is gone', async (t) => {
    const busy = await connect(t)
    const underWay = Promise.allSettled(Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? busy.broker.subscribe(`room ${i}`) : busy.broker.publish('room', Buffer.alloc(1000))))
    await inTime(busy.broker.close(), () => 'close has not settled', CLOSED)
    await inTime(underWay, () => 'something has not settled', SOON)
    const [idle, witness] = [await connect(t), await connect(t)]
    await idle.broker.subscribe('room')
    await outage([witness], async () => {
      await inTime(idle.broker.close(), () => 'close has not settled', CLOSED)
      await inTime(idle.broker.close(), () => 'the second close has not settled', CLOSED)
    })
    t.equal(idle.told.ups, 1)
  })

  t.test(`${MANY.toLocaleString('en')} topics are subscribed in bounded time, and again after an outage`, async (t) => {
    const recorded = await connect(t)
    const { broker, told } = recorded
    const publisher = await connect(t)
    const topics = Array.from({ length: MANY }, (_, i) => `room ${i}`)
    const samples = topics.filter((_, i) => i % 997 === 0)
    for (const round of ['first', 'second']) {
      const begin = performance.now()
      await inTime(Promise.all(topics.map((topic) => broker.subscribe(topic))), () => 'not all have been subscribed')
      t.comment(`${round}: ${Math.round(performance.now() - begin)} ms`)
      for (const topic of samples) await publisher.broker.publish(topic, Buffer.from(round))
      await told.until(() => told.texts().filter((text) => text === round).length >= samples.length)
      if (round === 'first') await outage([recorded, publisher], async () => {})
    }
    for (const topic of samples) t.strictSame(told.texts(topic), ['first', 'second'])
  })
}
