import { setImmediate, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { PubSub } from '../../lib/pubsub/pubsub'
import { Deferred } from '../../lib/base/deferred'
import { PreparedMessage, type Batch } from '../../lib/protocol/prepared-message'
import { RouteObserver } from '../../lib/observe/route-observer'
import { TopicSubscriber, type SubscribingSession } from '../../lib/session/subscriber'
import { createApp, listen, serve } from '../helpers/app'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'
import { connectPeer } from '../helpers/peer'
import { ScriptedBroker } from '../helpers/scripted-broker'
import { isPending } from '../helpers/send-queue'
import { sendHandshake, type RequestClient } from '../helpers/request-client'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketClient, WebSocketSession } from '../../types/session'

const MiB = 1024 * 1024

/** An app whose broker confirms only when the test says so, and a session of the app. */
async function withBroker (t: Test): Promise<{ broker: ScriptedBroker, ws: WebSocketSession, client: WebSocketClient<any> }> {
  const broker = new ScriptedBroker()
  const app = await createApp(t, { broker })
  const session = new Deferred<WebSocketSession>()
  app.websocket('/', async (ws) => {
    session.resolve(await ws.accept())
    await ws.closed
  })
  await app.ready()
  broker.listener.onUp()
  const client = await app.injectWebSocket('/')
  return { broker, ws: await session.promise, client }
}

t.test('subscribe waits until the broker has confirmed the subscription', async (t) => {
  const { broker, ws } = await withBroker(t)
  const subscribing = ws.subscribe('a')
  t.same([...ws.topics], ['a'])
  const call = await broker.next()
  t.ok(await isPending(subscribing))
  call.done()
  await subscribing
  t.same([...ws.topics], ['a'])
})

t.test('a subscription that the broker refuses is removed', async (t) => {
  const { broker, ws } = await withBroker(t)
  const subscribing = [ws.subscribe('a'), ws.subscribe('a')]
  const call = await broker.next()
  call.fail(new Error('no permission'))
  for (const promise of subscribing) await t.rejects(promise, { code: 'FST_WS_BROKER', cause: { message: 'no permission' } })
  t.same([...ws.topics], [])
  t.strictSame(await unhandledRejections(async () => {
    ws.subscribe('b')
    const call = await broker.next()
    call.fail(new Error('no permission'))
  }), [])
})

t.test('an earlier subscription stays if the broker refuses a second subscribe', async (t) => {
  const { broker, ws } = await withBroker(t)
  for (const topics of [['a'], ['a', 'b']]) {
    broker.listener.onDown(new Error('gone'))
    for (const topic of topics) await ws.subscribe(topic)
    broker.listener.onUp()
    for (let i = 0; i < topics.length; i++) (await broker.next()).fail(new Error('no permission'))
    await until(() => ws.topics.size === topics.length && broker.pending.length === 0)
    await setImmediate() // the link hears of a failure in an immediate
    await setImmediate()
    const subscribing = ws.subscribe('a')
    const call = await broker.next()
    call.fail(new Error('no permission'))
    await t.rejects(subscribing, { code: 'FST_WS_BROKER' })
    t.same([...ws.topics], topics)
  }
})

t.test('a session that ends while it subscribes leaves the topic, and subscribe rejects with the end of the session', async (t) => {
  const { broker, ws, client } = await withBroker(t)
  const subscribing = ws.subscribe('a')
  const call = await broker.next()
  await client.close(4001, 'bye')
  await t.rejects(subscribing, { name: 'WebSocketDisconnect', closeCode: 4001 })
  t.same([...ws.topics], [])
  call.fail(new Error('late'))
})

t.test('publish settles as the publish of the broker does', async (t) => {
  const { broker, ws } = await withBroker(t)
  const taken = ws.publish('a', 'x')
  const call = await broker.next()
  t.match(call, { verb: 'publish', topic: 'a' })
  call.done()
  await taken
  broker.listener.onDown(new Error('gone'))
  await t.rejects(ws.publish('a', 'x'), { name: 'WebSocketBrokerError' })
})

/* Slow subscribers: a send queue of the test says how much is published, has drained and waits. */

const LIMITS = { sendHighWaterMark: 1_000, maxBufferedAmount: 10_000 }

class FakeOutbox {
  bufferedAmount = 0
  drained = 0
  /** The bytes that the kernel has room for. */
  room = 0
  forced = 0

  share (): boolean { return false }

  forceShare (batch: Batch): void {
    this.forced += batch.count
    this.bufferedAmount += batch.byteLength
  }

  write (): void {
    this.drain(Math.min(this.room, this.bufferedAmount))
    this.room = 0
  }

  drain (bytes: number): void {
    this.drained += bytes
    this.bufferedAmount -= bytes
  }
}

interface Fake {
  sendQueue: FakeOutbox
  subscriber: TopicSubscriber<SubscribingSession>
  closes: unknown[]
  /** Publishes a message of `bytes` bytes, including its header. */
  publish (bytes: number): void
}

function createFake (slowSubscriber: 'close' | 'skip'): Fake {
  const sendQueue = new FakeOutbox()
  const closes: unknown[] = []
  const socket: any = { sendQueue, state: 'open' }
  const session: SubscribingSession = {
    connection: socket,
    request: {} as any,
    observer: new RouteObserver('/'),
    deliver () {},
    close: async (...args) => {
      closes.push(args)
      socket.state = 'closing'
    }
  }
  const subscriber = new TopicSubscriber(session, new PubSub<SubscribingSession, TopicSubscriber<SubscribingSession>>(), { ...LIMITS, slowSubscriber } as any)
  subscriber.join('x')
  return { sendQueue, subscriber, closes, publish: (bytes) => subscriber.deliver(new PreparedMessage('x'.repeat(bytes - 4))) }
}

/** Lets the event loop look at all sockets. */
async function comeRound (): Promise<void> {
  for (let i = 0; i < 3; i++) await setImmediate()
}

t.test('a subscriber that drains nothing is closed when more than maxBufferedAmount was published meanwhile', async (t) => {
  const { sendQueue, subscriber, closes, publish } = createFake('close')
  for (let i = 0; i < 11; i++) {
    t.strictSame(closes, [])
    publish(1_000)
    await comeRound()
  }
  publish(1_000)
  t.strictSame(closes, [[1013, 'too slow']])
  t.strictSame([sendQueue.forced, subscriber.topics.size], [11, 0])
  publish(1_000)
  t.strictSame([sendQueue.forced, closes.length, subscriber.skipped], [11, 1, 0])
})

t.test('with skip, a subscriber that drains nothing misses messages above sendHighWaterMark, until it drains', async (t) => {
  const { sendQueue, subscriber, closes, publish } = createFake('skip')
  for (let i = 0; i < 5; i++) {
    publish(500)
    await comeRound()
  }
  t.strictSame([sendQueue.forced, subscriber.skipped], [3, 2])
  subscriber.deliver(new PreparedMessage('a').and(new PreparedMessage('b')))
  t.equal(subscriber.skipped, 4, 'each message counts')
  sendQueue.drain(1)
  publish(500)
  t.strictSame([sendQueue.forced, subscriber.skipped, closes.length, subscriber.topics.size], [4, 4, 0, 1])
})

for (const slowSubscriber of ['close', 'skip'] as const) {
  t.test(`${slowSubscriber}: a subscriber is not too slow because of the bytes of one turn`, async (t) => {
    const { sendQueue, subscriber, closes, publish } = createFake(slowSubscriber)
    for (let i = 0; i < 50; i++) publish(1_000)
    t.strictSame([sendQueue.forced, subscriber.skipped, closes.length], [50, 0, 0])
    await setImmediate()
    publish(1_000)
    t.strictSame([sendQueue.forced, subscriber.skipped, closes.length], [51, 0, 0], 'the next turn may have begun before its socket could be written to')
  })

  t.test(`${slowSubscriber}: waiting bytes are written before the check`, async (t) => {
    const { sendQueue, subscriber, closes, publish } = createFake(slowSubscriber)
    for (let i = 0; i < 20; i++) {
      publish(1_000)
      await comeRound()
      sendQueue.room = Infinity
    }
    t.strictSame([sendQueue.forced, subscriber.skipped, closes.length], [20, 0, 0])
  })

  t.test(`${slowSubscriber}: a subscriber that drains a part of a large message gets the next messages`, async (t) => {
    const { sendQueue, subscriber, closes, publish } = createFake(slowSubscriber)
    publish(70 * LIMITS.maxBufferedAmount)
    for (let i = 0; i < 20; i++) {
      await comeRound()
      sendQueue.drain(1)
      publish(1_000)
    }
    t.strictSame([sendQueue.forced, subscriber.skipped, closes.length], [21, 0, 0])
  })

  t.test(`${slowSubscriber}: a subscriber that drains less than is published falls behind by at most 16 times maxBufferedAmount`, async (t) => {
    const { sendQueue, subscriber, closes, publish } = createFake(slowSubscriber)
    const limit = slowSubscriber === 'close' ? LIMITS.maxBufferedAmount : LIMITS.sendHighWaterMark
    while (subscriber.skipped + closes.length === 0) {
      publish(500)
      sendQueue.drain(1)
    }
    const most = limit + 16 * LIMITS.maxBufferedAmount
    t.ok(sendQueue.bufferedAmount > most, String(sendQueue.bufferedAmount))
    t.ok(sendQueue.bufferedAmount <= most + 1_000, String(sendQueue.bufferedAmount))
  })
}

/* Sessions and their clients. */

interface Room {
  app: FastifyInstance
  /** A session that has not subscribed. */
  publisher: WebSocketSession
  /** The number of messages that each of five clients has received, and its close code. */
  clients: { count: number, code?: number }[]
}

async function createRoom (t: Test, options: WebSocketPluginOptions): Promise<Room> {
  const app = await createApp(t, options)
  const publisher = new Deferred<WebSocketSession>()
  let subscribed = 0
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('x')
    subscribed++
    await ws.closed
  })
  app.websocket('/publish', async (ws) => {
    publisher.resolve(await ws.accept())
    await ws.closed
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  await connectPeer(t, `${url}/publish`)
  const clients = await Promise.all(Array.from({ length: 5 }, async () => {
    const client: Room['clients'][number] = { count: 0 }
    const { socket } = await connectPeer(t, url)
    socket.on('message', () => { client.count++ })
    socket.on('close', (code) => { client.code = code })
    return client
  }))
  await until(() => subscribed === clients.length)
  return { app, publisher: await publisher.promise, clients }
}

const brokers = { 'no broker': () => undefined, 'a broker': () => new MemoryBroker(new MemoryServer()) }

for (const slowSubscriber of ['close', 'skip'] as const) {
  for (const [name, createBroker] of Object.entries(brokers)) {
    for (const way of ['ws', 'app.websockets'] as const) {
      t.test(`a client that reads gets all messages that ${way}.publish publishes in a loop, with ${name} and slowSubscriber: ${slowSubscriber}`, async (t) => {
        const { app, publisher, clients } = await createRoom(t, { slowSubscriber, broker: createBroker() })
        const from: Pick<WebSocketSession, 'publish'> = way === 'ws' ? publisher : app.websockets
        for (let i = 0; i < 5_000; i++) await from.publish('x', `${i} `.padEnd(500, '.'))
        await until(() => clients.every(({ count, code }) => count === 5_000 || code !== undefined))
        await from.publish('x', 'x'.repeat(10 * MiB))
        await from.publish('x', 'x'.repeat(10))
        await until(() => clients.every(({ count, code }) => count === 5_002 || code !== undefined))
        t.strictSame(clients, Array(5).fill({ count: 5_002 }))
      })
    }
  }

  t.test(`a client that reads gets all messages of one turn, with slowSubscriber: ${slowSubscriber}`, async (t) => {
    const { app, clients } = await createRoom(t, { slowSubscriber })
    for (let i = 0; i < 20_000; i++) app.websockets.publish('x', 'x'.repeat(500))
    await until(() => clients.every(({ count, code }) => count === 20_000 || code !== undefined))
    t.strictSame(clients, Array(5).fill({ count: 20_000 }))
  })
}

const SMALL = { sendHighWaterMark: 16 * 1024, maxBufferedAmount: 64 * 1024 }
const BIG = 'x'.repeat(16 * 1024)

t.test('a subscriber that does not read is closed with 1013, and no more messages are queued for it', async (t) => {
  const app = await createApp(t, SMALL)
  const subscribed = new Deferred<WebSocketSession>()
  const ended = new Deferred<unknown>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    subscribed.resolve(ws)
    ended.resolve(await ws.closed)
  })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  const ws = await subscribed.promise
  while (ws.state === 'open') {
    await app.websockets.publish('a', BIG)
    await setTimeout() // lets the kernel take bytes
  }
  t.equal(ws.state, 'closing')
  t.equal(app.websockets.subscribers('a').size, 0)
  const { bufferedAmount } = ws
  t.ok(bufferedAmount < 2 * SMALL.maxBufferedAmount, `${bufferedAmount} bytes wait`)
  for (let i = 0; i < 100; i++) await app.websockets.publish('a', BIG)
  t.ok(ws.bufferedAmount <= bufferedAmount)
  client.stream.resume()
  const received = await client.until('too slow')
  t.equal(received.slice(-12), '\x88\x0a\x03\xf5too slow', 'the close frame comes last')
  client.leave()
  await ended.promise
})

t.test('with slowSubscriber: skip, messages for a client that does not read are dropped and counted until it drains', async (t) => {
  const app = await createApp(t, { ...SMALL, slowSubscriber: 'skip' })
  const subscribed = new Deferred<WebSocketSession>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    subscribed.resolve(ws)
    await ws.closed
  })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  const ws = await subscribed.promise
  t.equal(ws.skipped, 0)
  while (ws.skipped < 10) {
    await app.websockets.publish('a', BIG)
    await setTimeout()
  }
  t.equal(ws.state, 'open')
  const frame = BIG.length + 4
  t.ok(ws.bufferedAmount <= 3 * frame, `${ws.bufferedAmount} bytes wait`) // what came in two rounds of the event loop, beyond the mark
  client.stream.resume()
  await until(() => ws.bufferedAmount === 0)
  const { skipped } = ws
  await app.websockets.publish('a', 'it drains again')
  await client.until('it drains again')
  t.equal(ws.skipped, skipped)
})

t.test('publish does not wait for a slow subscriber, and the other subscribers get all messages', async (t) => {
  const app = await createApp(t, { ...SMALL, slowSubscriber: 'skip' })
  let count = 0
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    count++
    await ws.closed
  })
  const port = await listen(app)
  const slow = await sendHandshake(t, port, '/')
  slow.stream.pause()
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  await until(() => count === 2)
  for (let i = 0; i < 500; i++) {
    await app.websockets.publish('a', `${i} ${BIG}`)
    t.equal(parseInt(await peer.next() as string), i)
  }
})

t.test('messages that are published while a session closes do not reach it', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    const closing = ws.close()
    const { bufferedAmount } = ws
    await app.websockets.publish('a', 'too late')
    t.equal(ws.bufferedAmount, bufferedAmount)
    await closing
  }, { closeTimeout: 100 })
  const client = await sendHandshake(t, port, '/')
  t.notMatch(await client.ended, 'too late')
})

/** A client that does not read, and its session, which has subscribed to 'a'. */
async function connectDeaf (t: Test, options: WebSocketPluginOptions): Promise<{ app: FastifyInstance, client: RequestClient, ws: WebSocketSession }> {
  const app = await createApp(t, { closeTimeout: 500, ...options })
  const subscribed = new Deferred<WebSocketSession>()
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('a')
    subscribed.resolve(ws)
    await ws.closed
  })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  return { app, client, ws: await subscribed.promise }
}

t.test('a subscriber that does not read is closed, even by a loop without a pause', async (t) => {
  const { app, ws } = await connectDeaf(t, SMALL)
  while (ws.state === 'open') await app.websockets.publish('a', BIG)
  t.ok(ws.bufferedAmount < SMALL.sendHighWaterMark + 4 * SMALL.maxBufferedAmount, `${ws.bufferedAmount} bytes wait`)
  t.equal(app.websockets.subscribers('a').size, 0)
})

for (const slowSubscriber of ['close', 'skip'] as const) {
  t.test(`the messages of one turn take bounded memory for a client that does not read, with slowSubscriber: ${slowSubscriber}`, async (t) => {
    const { app, ws } = await connectDeaf(t, { ...SMALL, slowSubscriber })
    for (let i = 0; i < 2_000; i++) app.websockets.publish('a', BIG)
    t.ok(ws.bufferedAmount < 18 * SMALL.maxBufferedAmount, `${ws.bufferedAmount} bytes wait`)
    if (slowSubscriber === 'skip') t.ok(ws.skipped > 500)
    else t.equal(ws.state, 'closing')
  })
}
