import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createOrigin, seal } from '../../lib/pubsub/envelope'
import { Deferred } from '../../lib/base/deferred'
import { WebSocketBrokerError } from '../../lib/base/errors'
import { broker as channel, subscribe } from '../../lib/observe/channels'
import { BrokerLink } from '../../lib/pubsub/broker-link'
import { PubSub } from '../../lib/pubsub/pubsub'
import type { Topics } from '../../lib/pubsub/topics'
import { FakeClock } from '../helpers/fake-clock'
import { Listener } from '../helpers/listener'
import { isPending } from '../helpers/send-queue'
import { ScriptedBroker } from '../helpers/scripted-broker'
import { unhandledRejections } from '../helpers/unhandled'

interface Fixture<B> {
  broker: B
  topics: Topics<Listener>
  link: BrokerLink
  /** The logged lines, as 'level message'. */
  lines: string[]
  /** The topics of each 'resync'. */
  resyncs: string[][]
  /** As a session does. */
  join (topic: string): { listener: Listener, confirmed: Promise<void> | null }
  leave (topic: string, listener: Listener): void
}

function create<B extends ScriptedBroker> (t: Test, broker: B): Fixture<B> {
  const lines: string[] = []
  const log: any = {}
  for (const level of ['debug', 'info', 'warn', 'error']) log[level] = (_: unknown, message: string) => lines.push(`${level} ${message}`)
  const pubsub = new PubSub<Listener>()
  const { topics } = pubsub
  const resyncs: string[][] = []
  const link = new BrokerLink(broker, pubsub, (topics) => resyncs.push(topics), { log })
  t.teardown(() => link.close())
  return {
    broker,
    topics,
    link,
    lines,
    resyncs,
    join (topic) {
      const listener = new Listener()
      topics.add(topic, listener)
      return { listener, confirmed: link.subscribe(topic) }
    },
    leave (topic, listener) {
      if (topics.remove(topic, listener)) link.left(topic)
    }
  }
}

/** A link with a broker that is up. */
async function createUp (t: Test): Promise<Fixture<ScriptedBroker>> {
  const fixture = create(t, new ScriptedBroker())
  await fixture.link.start()
  fixture.link.onUp()
  fixture.lines.length = 0
  return fixture
}

/** Lets a session join `topic`. The broker confirms. */
async function joined ({ join, broker }: Fixture<ScriptedBroker>, topic: string): Promise<Listener> {
  const { listener, confirmed } = join(topic)
  const call = await broker.next()
  call.done()
  await confirmed
  return listener
}

t.test('the first subscriber waits until the broker has confirmed the topic, and so do subscribers that come meanwhile', async (t) => {
  const { broker, join } = await createUp(t)
  const [a, b] = [join('room'), join('room')]
  t.ok(await isPending(a.confirmed!))
  t.ok(await isPending(b.confirmed!))
  const call = await broker.next()
  call.done()
  await a.confirmed
  await b.confirmed
  t.strictSame(broker.calls, ['subscribe room'])
})

t.test('the broker is asked once for a topic, however many subscribers it has', async (t) => {
  const fixture = await createUp(t)
  await joined(fixture, 'room')
  t.equal(fixture.join('room').confirmed, null, 'there is nothing to wait for')
  t.strictSame(fixture.broker.calls, ['subscribe room'])
})

t.test('a subscription that the broker refuses rejects with a WebSocketBrokerError, and the next subscriber asks again', async (t) => {
  const fixture = await createUp(t)
  const refusal = new Error('NOPERM')
  const [a, b] = [fixture.join('room'), fixture.join('room')]
  const call = await fixture.broker.next()
  call.fail(refusal)
  for (const { confirmed } of [a, b]) {
    const error = await confirmed!.catch((error) => error)
    t.ok(error instanceof WebSocketBrokerError)
    t.equal(error.message, 'the broker refuses to subscribe to the topic "room": NOPERM')
    t.equal(error.cause, refusal)
  }
  t.type(fixture.join('room').confirmed, Promise)
  t.strictSame(fixture.broker.calls, ['subscribe room', 'subscribe room'])
})

t.test('an unobserved refusal is no unhandled rejection', async (t) => {
  const fixture = await createUp(t)
  t.strictSame(await unhandledRejections(async () => {
    fixture.join('room')
    const call = await fixture.broker.next()
    call.fail(new Error('no'))
    await setImmediate()
  }), [])
})

t.test('a broker that throws has refused, and one that returns nothing has confirmed', async (t) => {
  const { broker, join } = await createUp(t)
  broker.subscribe = () => { throw null } // eslint-disable-line no-throw-literal -- users can throw any value
  await t.rejects(join('a').confirmed!, { code: 'FST_WS_BROKER', message: /: null$/ })
  broker.subscribe = () => undefined as never
  await join('b').confirmed
  t.equal(join('b').confirmed, null)
})

t.test('a pending operation is no failure when the broker goes down', async (t) => {
  const { broker, link, join } = await createUp(t)
  const { confirmed } = join('room')
  const call = await broker.next()
  link.onDown(new Error('gone'))
  await confirmed
  call.fail(new Error('late'))
  await setImmediate()
})

t.test('an operation that rejects in the turn in which the broker goes down is no failure', async (t) => {
  const { broker, link, join } = await createUp(t)
  const { confirmed } = join('room')
  const call = await broker.next()
  call.fail(new Error('connection closed'))
  await Promise.resolve()
  link.onDown(new Error('gone'))
  await confirmed
})

t.test('an operation from before an outage is obsolete when the broker is up again', async (t) => {
  const { broker, link, join } = await createUp(t)
  join('room')
  const before = await broker.next()
  link.onDown(new Error('gone'))
  link.onUp()
  const after = await broker.next()
  before.done()
  await setImmediate()
  t.equal(link.state, 'down')
  after.done()
  await setImmediate()
  t.equal(link.state, 'up')
})

t.test('while the broker is down, a subscriber waits for nothing, and the broker is not called', async (t) => {
  const { broker, link, join, leave } = await createUp(t)
  link.onDown(new Error('gone'))
  const { listener, confirmed } = join('room')
  t.equal(confirmed, null)
  leave('room', listener)
  t.strictSame(broker.calls, [])
})

t.test('while the broker is down, publish rejects, and no message is kept', async (t) => {
  const { broker, link } = await createUp(t)
  link.onDown(new Error('gone'))
  const error = await link.publish('room', 'hello').catch((error) => error)
  t.ok(error instanceof WebSocketBrokerError)
  t.match(error.message, /is down.*only the subscribers in this process/)
  link.onUp()
  await link.publish('room', 'hello').constructor
  t.strictSame(broker.calls, ['publish room'])
})

t.test('when the broker is back, every topic is subscribed to, and only then the link is up and resync is emitted', async (t) => {
  const fixture = await createUp(t)
  const { broker, link, resyncs } = fixture
  await joined(fixture, 'a')
  await joined(fixture, 'b')
  link.onDown(new Error('gone'))
  t.equal(link.state, 'down')
  fixture.join('c')
  link.onUp()
  const calls = [await broker.next(), await broker.next(), await broker.next()]
  t.strictSame(calls.map(({ verb, topic }) => `${verb} ${topic}`), ['subscribe a', 'subscribe b', 'subscribe c'])
  calls[0].done()
  calls[2].done()
  await setImmediate()
  t.equal(link.state, 'down')
  await t.rejects(link.publish('a', 'hello'), { code: 'FST_WS_BROKER' })
  t.strictSame(resyncs, [])
  calls[1].done()
  await setImmediate()
  t.equal(link.state, 'up')
  t.strictSame(resyncs, [['a', 'b', 'c']])
})

t.test('a subscriber that joins during the resubscription waits for the broker', async (t) => {
  const fixture = await createUp(t)
  const { broker, link, join } = fixture
  await joined(fixture, 'a')
  link.onDown(new Error('gone'))
  link.onUp()
  const { confirmed } = join('b')
  const [a, b] = [await broker.next(), await broker.next()]
  a.done()
  await setImmediate()
  t.equal(link.state, 'up')
  t.ok(await isPending(confirmed!))
  b.done()
  await confirmed
})

t.test('if the broker goes down during the resubscription, the link is not up, and subscribes to every topic again', async (t) => {
  const fixture = await createUp(t)
  const { broker, link, resyncs } = fixture
  await joined(fixture, 'a')
  await joined(fixture, 'b')
  link.onDown(new Error('gone'))
  link.onUp()
  for (const call of [await broker.next(), await broker.next()]) call.done()
  link.onDown(new Error('gone again'))
  await setImmediate()
  t.equal(link.state, 'down')
  link.onUp()
  for (const call of [await broker.next(), await broker.next()]) call.done()
  await setImmediate()
  t.equal(link.state, 'up')
  t.strictSame(resyncs, [['a', 'b']])
})

t.test('topics that the broker refuses then do not keep the link from being up, and are logged in one line', async (t) => {
  const fixture = await createUp(t)
  const { broker, link, lines, resyncs, join } = fixture
  for (const topic of ['a', 'b', 'c']) await joined(fixture, topic)
  link.onDown(new Error('gone'))
  link.onUp()
  const calls = [await broker.next(), await broker.next(), await broker.next()]
  calls[0].fail(new Error('no'))
  calls[1].done()
  calls[2].fail(new Error('no'))
  await setImmediate()
  await setImmediate()
  t.equal(link.state, 'up')
  t.strictSame(resyncs, [['a', 'b', 'c']])
  t.equal(lines.filter((line) => /^warn the broker refuses .* \(2 times\)$/.test(line)).length, 1)
  t.not(join('a').confirmed, null, 'a subscriber of a refused topic asks again')
})

t.test('the first time that the broker is up there is no resync, unless there were subscribers before', async (t) => {
  const none = create(t, new ScriptedBroker())
  await none.link.start()
  none.link.onUp()
  t.equal(none.link.state, 'up')
  t.strictSame(none.resyncs, [])

  const some = create(t, new ScriptedBroker())
  await some.link.start()
  t.equal(some.join('room').confirmed, null)
  some.link.onUp()
  const call = await some.broker.next()
  call.done()
  await setImmediate()
  t.strictSame(some.resyncs, [['room']])
})

t.test('resync is emitted without topics, too', async (t) => {
  const { link, resyncs } = await createUp(t)
  link.onDown(new Error('gone'))
  link.onUp()
  t.strictSame(resyncs, [[]])
})

t.test('a second onUp or onDown changes nothing', async (t) => {
  const fixture = await createUp(t)
  const { link, lines, resyncs, broker } = fixture
  await joined(fixture, 'room')
  link.onUp()
  t.strictSame([broker.calls.length, resyncs.length, lines.length], [1, 0, 0])
  link.onDown(new Error('gone'))
  link.onDown(new Error('gone'))
  t.equal(lines.length, 1)
})

t.test('each change is logged in one line', async (t) => {
  const { link, lines } = await createUp(t)
  link.onDown(new Error('gone'))
  link.onUp()
  t.strictSame(lines, ['warn the broker is down: topics reach only this process until the broker is up', 'info the broker is up'])
})

t.test('a message goes out in an envelope, and publish settles like the broker', async (t) => {
  const { broker, link } = await createUp(t)
  const taken = link.publish('room', 'hello')
  const call = await broker.next()
  t.strictSame([call.verb, call.topic], ['publish', 'room'])
  t.match(Buffer.from(call.message!).toString('latin1'), /^\xf5.*hello$/s)
  t.ok(await isPending(taken))
  call.done()
  await taken
  const refused = link.publish('room', Buffer.from('hello'))
  const cause = new Error('too large')
  const second = await broker.next()
  second.fail(cause)
  const error = await refused.catch((error) => error)
  t.ok(error instanceof WebSocketBrokerError)
  t.equal(error.cause, cause)
  t.match(error.message, /only the subscribers in this process: too large$/)
})

t.test('if the broker throws in publish, publish rejects, observed or not', async (t) => {
  const { broker, link } = await createUp(t)
  broker.publish = () => { throw new Error('sync') }
  await t.rejects(link.publish('room', 'hello'), { code: 'FST_WS_BROKER', message: /: sync$/ })
  t.strictSame(await unhandledRejections(() => { link.publish('room', 'hello') }), [])
})

t.test('messages of other processes reach the subscribers: text as text, bytes as bytes', async (t) => {
  const { link, join } = await createUp(t)
  const { listener } = join('room')
  const other = createOrigin()
  link.onMessage('room', seal('日本', other))
  link.onMessage('room', new Uint8Array(seal(Buffer.from([0xff, 0]), other)))
  t.strictSame(listener.received, ['日本', Buffer.from([0xff, 0])])
})

t.test('the app\'s own messages are left out', async (t) => {
  const { broker, link, join } = await createUp(t)
  const { listener } = join('room')
  await broker.next()
  link.publish('room', 'hello')
  const { message } = await broker.next()
  link.onMessage('room', message!)
  t.strictSame(listener.received, [])
})

t.test('a message for a topic without subscribers is ignored, whatever it contains', async (t) => {
  const { link, lines } = await createUp(t)
  link.onMessage('room', seal('hello', createOrigin()))
  link.onMessage('room', Buffer.from('foreign'))
  t.strictSame(lines, [])
})

t.test('a message without an envelope is ignored, with one line', async (t) => {
  const { link, lines, join } = await createUp(t)
  const { listener } = join('room')
  for (const foreign of [Buffer.from('hello'), Buffer.alloc(0), Buffer.alloc(50, 0xf5), undefined, 'text']) link.onMessage('room', foreign as never)
  link.onMessage('room', seal('hello', createOrigin()))
  t.strictSame(listener.received, ['hello'])
  t.equal(lines.length, 1)
  t.match(lines[0], /^warn the broker has delivered a message .* is ignored$/)
})

t.test('an app starts when its broker is up', async (t) => {
  class Prompt extends ScriptedBroker {
    override async start (listener: BrokerLink): Promise<void> { listener.onUp() }
  }
  const { link, lines } = create(t, new Prompt())
  await link.start()
  t.equal(link.state, 'up')
  t.strictSame(lines, ['info the broker is up'])
})

t.test('an app starts without its broker, and says why', async (t) => {
  class Late extends ScriptedBroker {
    override async start (listener: BrokerLink): Promise<void> { listener.onDown(new Error('ECONNREFUSED')) }
  }
  const { link, lines } = create(t, new Late())
  await link.start()
  t.equal(link.state, 'down')
  t.strictSame(lines, ['warn the broker is out of reach: topics reach only this process until the broker is up'])
})

t.test('an app does not start if the start of its broker rejects', async (t) => {
  const cause = new Error('no such option')
  class Broken extends ScriptedBroker {
    override start (): Promise<void> { throw cause }
  }
  const { link } = create(t, new Broken())
  const error = await link.start().catch((error) => error)
  t.ok(error instanceof WebSocketBrokerError)
  t.match(error, { message: 'the broker cannot be started: no such option', cause })
})

t.test('a closed link is not up, and no caller waits for it', async (t) => {
  const { broker, link, join, resyncs } = await createUp(t)
  const { confirmed } = join('room')
  await broker.next()
  await link.close()
  await confirmed
  link.onUp()
  t.equal(link.state, 'down')
  t.strictSame(resyncs, [])
})

t.test('a broker that fails to close is logged', async (t) => {
  for (const close of [() => { throw new Error('no') }, async () => { throw new Error('no') }]) {
    const { broker, link, lines } = await createUp(t)
    broker.close = close
    await link.close()
    t.strictSame(lines, ['warn the broker has failed to close'])
  }
})

t.test('delays', async (t) => {
  /** Lets the time pass for which the link keeps a topic after the last subscriber has left. */
  const linger = (clock: FakeClock): Promise<void> => clock.pass(2_010)

  /** Mocks the timeouts of Node. */
  function mockTimeouts (t: Test): (ms: number) => void {
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    return (ms) => mock.timers.tick(ms)
  }

  t.test('the link unsubscribes from a topic a moment after the last subscriber has left', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    const [a, b] = [await joined(fixture, 'room'), fixture.join('room').listener]
    fixture.leave('room', a)
    fixture.leave('room', b)
    await clock.pass(1_990)
    t.strictSame(fixture.broker.calls, ['subscribe room'])
    await clock.pass(20)
    const { verb, topic, done } = await fixture.broker.next()
    t.strictSame([verb, topic], ['unsubscribe', 'room'])
    done()
    await setImmediate()
    fixture.join('room')
    t.strictSame(fixture.broker.calls, ['subscribe room', 'unsubscribe room', 'subscribe room'], 'a new subscriber waits for the broker again')
  })

  t.test('a topic that gets a subscriber within that moment is kept', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    const listener = await joined(fixture, 'kept')
    const other = await joined(fixture, 'left')
    fixture.leave('kept', listener)
    t.equal(fixture.join('kept').confirmed, null)
    fixture.leave('left', other)
    await linger(clock)
    t.match(await fixture.broker.next(), { verb: 'unsubscribe', topic: 'left' })
    t.strictSame(fixture.broker.calls, ['subscribe kept', 'subscribe left', 'unsubscribe left'])
  })

  t.test('a subscriber that joins during unsubscribe waits for both: there is one operation at a time', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    fixture.leave('room', await joined(fixture, 'room'))
    await linger(clock)
    const unsubscribing = await fixture.broker.next()
    const [a, b] = [fixture.join('room'), fixture.join('room')]
    await setImmediate()
    t.strictSame(fixture.broker.calls, ['subscribe room', 'unsubscribe room'])
    unsubscribing.done()
    const subscribing = await fixture.broker.next()
    t.equal(subscribing.verb, 'subscribe')
    t.ok(await isPending(a.confirmed!))
    subscribing.done()
    await a.confirmed
    await b.confirmed
    t.strictSame(fixture.broker.calls, ['subscribe room', 'unsubscribe room', 'subscribe room'])
  })

  t.test('a subscriber that joins during unsubscribe does not wait for a broker that goes down', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    fixture.leave('room', await joined(fixture, 'room'))
    await linger(clock)
    await fixture.broker.next()
    const { confirmed } = fixture.join('room')
    fixture.link.onDown(new Error('gone'))
    await confirmed
  })

  t.test('a topic that is left before the broker has confirmed it is unsubscribed afterwards', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    const { listener } = fixture.join('room')
    const subscribing = await fixture.broker.next()
    fixture.leave('room', listener)
    await linger(clock)
    t.strictSame(fixture.broker.calls, ['subscribe room'])
    subscribing.done()
    await linger(clock)
    t.equal((await fixture.broker.next()).verb, 'unsubscribe')
  })

  t.test('a topic whose unsubscribe fails is subscribed to again by the next subscriber', async (t) => {
    const clock = new FakeClock(t)
    const fixture = await createUp(t)
    fixture.leave('room', await joined(fixture, 'room'))
    await linger(clock)
    const call = await fixture.broker.next()
    call.fail(new Error('no'))
    await setImmediate()
    await setImmediate()
    t.strictSame(fixture.lines, ['warn the broker has failed to unsubscribe from a topic'])
    fixture.join('room')
    t.strictSame(fixture.broker.calls, ['subscribe room', 'unsubscribe room', 'subscribe room'])
  })

  t.test('a broker that never starts delays the start of the app by some seconds only', async (t) => {
    const tick = mockTimeouts(t)
    const { broker, link, lines } = create(t, new ScriptedBroker())
    broker.start = () => new Promise(() => {})
    const starting = link.start()
    tick(4_999)
    t.ok(await isPending(starting))
    tick(1)
    await starting
    t.strictSame(lines, ['warn the broker is out of reach: topics reach only this process until the broker is up'])
  })

  t.test('a broker whose start fails after that is logged', async (t) => {
    const tick = mockTimeouts(t)
    const { broker, link, lines } = create(t, new ScriptedBroker())
    const started = new Deferred<void>()
    broker.start = () => started.promise
    const starting = link.start()
    tick(5_000)
    await starting
    started.reject(new Error('late'))
    await setImmediate()
    t.strictSame(lines.slice(1), ['error the broker cannot be started: late'])
  })

  t.test('a broker that never closes delays the close of the app by some seconds only', async (t) => {
    const tick = mockTimeouts(t)
    const { broker, link, lines } = await createUp(t)
    broker.close = () => new Promise(() => {})
    const closing = link.close()
    tick(4_999)
    t.ok(await isPending(closing))
    tick(1)
    await closing
    t.strictSame(lines, ['warn the broker has not closed within 5000 ms'])
    broker.close = async () => {}
  })
})

t.test('the channel of brokers tells of each change, and of no close', async (t) => {
  const { broker, link } = create(t, new ScriptedBroker())
  const told: unknown[] = []
  t.teardown(subscribe(channel, ({ state, reason }) => { told.push([state, reason]) }))
  await link.start()
  broker.listener.onUp()
  const reason = new Error('lost')
  broker.listener.onDown(reason)
  broker.listener.onUp()
  await link.close()
  t.same(told, [['up', null], ['down', reason], ['up', null]])
})
