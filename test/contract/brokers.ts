import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Broker } from '../../types/broker'
import { inTime, Recorder, type Recorded } from '../helpers/recorder'

/** An engine under test: one server, or one cluster, that belongs to the test. */
export interface Engine {
  /** Creates a broker on the server, not started. The end of `t` releases its client. */
  createBroker (t: Test, options?: { prefix?: string }): Broker | Promise<Broker>
  /** Ends the server at once, as a crash would. Resolves when the server is gone. */
  stop (): Promise<void> | void
  /** Starts the server again, at the same address. Resolves when the server accepts connections. */
  start (): Promise<void> | void
  /** Publishes to the channel of `topic`, under the default prefix, without a broker. Undefined if the engine cannot do that. */
  publishForeign? (t: Test, topic: string, message: Buffer): Promise<void> | void
}

/** In bytes: the largest message that every engine takes. NATS has a limit of 1 MiB, and the app puts some bytes before a message. */
const LARGE = 1024 * 1024 - 1024

/** A number of topics that a process may well have. */
const MANY = 20_000

/** In ms: a call that has nothing to wait for settles within this time, and a broker reports a change within it. */
const SOON = 5_000

/** In ms: `close` resolves within this time, whatever the server does. */
const CLOSED = 2_000

/** In ms: an outage long enough that clients try to connect in vain. */
const OUTAGE = 700

/** Names that have a meaning in some engine, or that look alike. */
export const TRICKY_TOPICS = [
  'a', 'A', 'ab', 'a.b', 'a.*', 'a.>', 'a.b.c', '>', '*', '**', '?', '[a]', 'a?', '#', '+', 'a/+', 'a/b', 'a..b', '.', '..', '.a', 'a.',
  ' ', '  ', 'a b', ' a', 'a ', ':', 'a:b', 'a::b', '%', '%20', '%2E', 'a%2Eb', '_', '__proto__', 'constructor', '{a}', '{a}b', '{}', '\\', '\\*', '\\x2a', '"', "'", '=', '-',
  '$SYS.a', '_INBOX.a', '__keyspace@0__:a', 'fastify-async-websocket:a', 'fastify-async-websocket.a',
  'é', 'e\u0301', 'ß', 'SS', '\u00a0', '\u2028', '\ufeff', '\ufffd', '\ud7ff', '日本', '😀', '😀'.repeat(64), 'a'.repeat(256), '.'.repeat(256), ' '.repeat(256), '%'.repeat(256), 'é'.repeat(128)
]

/** Tests the rules of the `Broker` contract that show from outside. The tests run one after the other, on one engine. */
export function brokersContract (t: Test, engine: Engine): void {
  /** Starts a broker, and resolves when the broker is up. */
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

  /** Publishes `text` and resolves when it has arrived at another broker. `publish` may resolve earlier. */
  async function publishAndSee (t: Test, publisher: Recorded, topic: string, text: string): Promise<void> {
    const witness = await connect(t)
    await witness.broker.subscribe(topic)
    await publisher.broker.publish(topic, Buffer.from(text))
    await witness.told.until(() => witness.told.texts(topic).includes(text))
  }

  /** Stops the server, waits until all `brokers` are down, runs `during`, and starts the server again. */
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

  t.test('a message arrives byte for byte as it was published', async (t) => {
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

  t.test('publish takes any Uint8Array and does not change it', async (t) => {
    const { broker, told } = await connect(t)
    const backing = new Uint8Array([1, 2, 3, 4, 5])
    await broker.subscribe('room')
    await broker.publish('room', backing.subarray(1, 4))
    await told.until(() => told.messages.length === 1)
    t.same(told.messages[0].bytes, Buffer.from([2, 3, 4]))
    t.same(backing, new Uint8Array([1, 2, 3, 4, 5]))
  })

  t.test('messages that one broker publishes to a topic arrive in order, whatever their sizes, awaited or not', async (t) => {
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

  t.test('every subscribed broker gets a message once, including the publisher', async (t) => {
    const all = await Promise.all([connect(t), connect(t), connect(t)])
    for (const { broker } of all) await broker.subscribe('room')
    await all[0].broker.publish('room', Buffer.from('first'))
    await all[0].broker.publish('room', Buffer.from('last'))
    for (const { told } of all) {
      await told.until(() => told.texts().includes('last'))
      t.strictSame(told.texts(), ['first', 'last'])
    }
  })

  t.test('publishing to a topic without subscribers is no error', async (t) => {
    const { broker } = await connect(t)
    await broker.publish('nobody', Buffer.from('hello'))
  })

  t.test('after subscribe has resolved, the broker misses no message that others publish', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    for (let i = 0; i < 50; i++) {
      await broker.subscribe(`room ${i}`)
      await publisher.broker.publish(`room ${i}`, Buffer.from('hello'))
    }
    await told.until(() => told.messages.length >= 50)
    t.same(new Set(told.messages.map(({ topic }) => topic)), new Set(Array.from({ length: 50 }, (_, i) => `room ${i}`)))
  })

  t.test('subscribing twice, in sequence or at once, has the same effect as subscribing once', async (t) => {
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

  t.test('after unsubscribe has resolved, no message of the topic arrives, and other topics go on', async (t) => {
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

  t.test('unsubscribing from a topic without a subscription resolves', async (t) => {
    const { broker } = await connect(t)
    await inTime(broker.unsubscribe('room'), () => 'unsubscribe has not settled')
    await broker.subscribe('room')
    await broker.unsubscribe('room')
    await inTime(broker.unsubscribe('room'), () => 'the second unsubscribe has not settled')
  })

  t.test('a topic that is joined and left many times ends in the state of the last call', async (t) => {
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

  t.test('a message reaches only its own topic, whatever the name', async (t) => {
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

  t.test('one broker can subscribe to all these topics at once, each with its own messages', async (t) => {
    const { broker, told } = await connect(t)
    const publisher = await connect(t)
    await Promise.all(TRICKY_TOPICS.map((topic) => broker.subscribe(topic)))
    for (const round of ['first', 'last']) {
      for (const topic of TRICKY_TOPICS) await publisher.broker.publish(topic, Buffer.from(`${round} of ${topic}`))
    }
    await told.until(() => told.messages.length >= 2 * TRICKY_TOPICS.length)
    for (const topic of TRICKY_TOPICS) t.strictSame(told.texts(topic), [`first of ${topic}`, `last of ${topic}`], encodeURIComponent(topic))
  })

  t.test('brokers with different prefixes do not get each other\'s messages', async (t) => {
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

  t.test('before start, every call rejects', async (t) => {
    const { broker } = await create(t)
    await t.rejects(inTime(broker.subscribe('room'), () => 'pending', SOON), { message: /^(?!pending)/ })
    await t.rejects(inTime(broker.unsubscribe('room'), () => 'pending', SOON), { message: /^(?!pending)/ })
    await t.rejects(inTime(broker.publish('room', Buffer.from('hello')), () => 'pending', SOON), { message: /^(?!pending)/ })
  })

  t.test('close resolves on a broker that was not started', async (t) => {
    const { broker } = await create(t)
    await inTime(broker.close(), () => 'close has not settled', CLOSED)
  })

  t.test('the broker calls onUp once, not again and again', async (t) => {
    const { broker, told } = await connect(t)
    for (let i = 0; i < 10; i++) {
      await broker.subscribe(`room ${i}`)
      await broker.publish(`room ${i}`, Buffer.from('hello'))
    }
    await told.until(() => told.messages.length >= 10)
    t.equal(told.ups, 1)
    t.strictSame(told.downs, [])
  })

  t.test('when the server goes, the broker calls onDown once, with a reason; when the server is back, it calls onUp once', async (t) => {
    const recorded = await connect(t)
    await outage([recorded], () => setTimeout(OUTAGE))
    const { told } = recorded
    t.equal(told.ups, 2)
    t.equal(told.downs.length, 1)
    t.ok(told.downs[0] instanceof Error)
    t.match(told.downs[0].message, /./, 'the reason has a message')
  })

  t.test('while the broker is down, every call rejects soon, with an error that has a message', async (t) => {
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

  t.test('messages published while the broker was down are not sent later', async (t) => {
    const [publisher, subscriber] = [await connect(t), await connect(t)]
    await outage([publisher, subscriber], async () => {
      await Promise.allSettled(Array.from({ length: 100 }, () => publisher.broker.publish('room', Buffer.from('missed'))))
    })
    await subscriber.broker.subscribe('room')
    await publisher.broker.publish('room', Buffer.from('hello'))
    await subscriber.told.until(() => subscriber.told.messages.length > 0)
    t.strictSame(subscriber.told.texts(), ['hello'])
  })

  t.test('calls under way when the server goes settle', async (t) => {
    const { broker, told } = await connect(t)
    await broker.subscribe('before')
    const underWay = [
      ...Array.from({ length: 500 }, () => broker.publish('room', Buffer.alloc(1000))),
      ...Array.from({ length: 100 }, (_, i) => broker.subscribe(`room ${i}`)),
      broker.unsubscribe('before')
    ]
    const settled = Promise.allSettled(underWay)
    await outage([{ broker, told }], async () => {
      await inTime(settled, () => 'a call has not settled', SOON)
    })
    t.equal(told.downs.length, 1)
  })

  t.test('when the broker is up again, every call works as before', async (t) => {
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

  t.test('the broker comes back after several outages in a row', async (t) => {
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

  t.test('start succeeds while the server is away, and the broker is up when the server is back', async (t) => {
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

  t.test('after close, the broker reports nothing, and every call rejects', async (t) => {
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

  t.test('close resolves soon, also when called twice: with messages under way, and when the server is gone', async (t) => {
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

  t.test(`${MANY.toLocaleString('en')} topics are subscribed in bounded time, and subscribed again after an outage`, async (t) => {
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
