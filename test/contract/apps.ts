import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { WebSocketClient } from '../../lib/index'
import type { WebSocketPluginOptions } from '../../types/options'
import { createApp } from '../helpers/app'
import { collectLogs, WARN, type LogLine } from '../helpers/logs'
import { inTime } from '../helpers/recorder'
import type { Engine } from './brokers'

/** In ms: enough for a connection and some round trips. */
const SOON = 15_000

interface Hub {
  app: FastifyInstance
  lines: LogLine[]
  /** The calls to the broker, as 'verb topic'. */
  calls: string[]
  /** A client whose session has subscribed to `topics`. The client gets the messages of these topics. It sends 'verb topic text', and the session does that. */
  join (...topics: string[]): Promise<WebSocketClient<any>>
}

/** Tests topics that several apps share. Each app has a broker of the same engine. */
export function appsContract (t: Test, engine: Engine): void {
  async function createHub (t: Test, options: WebSocketPluginOptions = {}): Promise<Hub> {
    const { lines, serverOptions } = collectLogs()
    const broker = await engine.createBroker(t)
    const calls: string[] = []
    for (const verb of ['subscribe', 'unsubscribe'] as const) {
      const original = broker[verb].bind(broker)
      broker[verb] = (topic) => {
        calls.push(`${verb} ${topic}`)
        return original(topic)
      }
    }
    const app = await createApp(t, { ...options, broker }, serverOptions)
    app.websocket('/', async (ws) => {
      await ws.accept()
      for (const topic of JSON.parse((ws.query as any).topics)) await ws.subscribe(topic)
      await ws.send('ready')
      for await (const message of ws) {
        const [verb, topic, text] = message.split(' ')
        if (verb === 'publish') await ws.publish(topic, text).then(() => ws.send('taken'), (error) => ws.send(error.code))
        else await ws[verb as 'subscribe' | 'unsubscribe'](topic).then(() => ws.send('done'), (error) => ws.send(error.code))
      }
    })
    return {
      app,
      lines,
      calls,
      async join (...topics) {
        const client = await app.injectWebSocket('/', { query: { topics: JSON.stringify(topics) }, receiveType: 'any' })
        await client.expect('ready', { timeout: SOON })
        return client
      }
    }
  }

  /** Starts hubs whose brokers are up. */
  async function createHubs (t: Test, count: number, options?: WebSocketPluginOptions): Promise<Hub[]> {
    const pubsubs = []
    for (let i = 0; i < count; i++) pubsubs.push(await createHub(t, options))
    for (const pubsub of pubsubs) {
      await pubsub.app.ready()
      await becomes(pubsub, 'up')
    }
    return pubsubs
  }

  async function becomes ({ app }: Hub, state: 'up' | 'down'): Promise<void> {
    const deadline = performance.now() + SOON
    while (app.websockets.brokerState !== state) {
      if (performance.now() > deadline) throw new Error(`the broker is not ${state}`)
      await setTimeout(2)
    }
  }

  async function receive (client: WebSocketClient<any>, count: number): Promise<any[]> {
    const messages = []
    while (messages.length < count) messages.push(await client.receive({ timeout: SOON }))
    return messages
  }

  t.test('a message published in one app reaches the subscribers in all apps once, but not the publishing session', async (t) => {
    const [one, two] = await createHubs(t, 2)
    const [ada, bob, cay, dan] = [await one.join('room'), await one.join('room'), await two.join('room'), await two.join('hall')]
    await ada.send('publish room hello')
    for (const client of [bob, cay]) t.equal(await client.receive({ timeout: SOON }), 'hello')
    t.equal(await ada.receive({ timeout: SOON }), 'taken')
    await two.app.websockets.publish('room', 'last')
    await two.app.websockets.publish('hall', 'last')
    for (const client of [ada, bob, cay, dan]) t.equal(await client.receive({ timeout: SOON }), 'last')
  })

  t.test('text arrives as text and bytes arrive as bytes, byte for byte', async (t) => {
    const [one, two] = await createHubs(t, 2)
    const [here, there] = [await one.join('room'), await two.join('room')]
    const messages = ['', 'text', '日本 😀\0', Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, i) => i)), 'x'.repeat(100_000), Buffer.alloc(100_000, 0xf5)]
    for (const message of messages) await one.app.websockets.publish('room', message)
    await one.app.websockets.publish('room', { json: ['é'] })
    for (const client of [here, there]) t.strictSame(await receive(client, messages.length + 1), [...messages, '{"json":["é"]}'])
  })

  t.test('messages that one app publishes to a topic arrive in order in every app, awaited or not', async (t) => {
    const pubsubs = await createHubs(t, 3)
    const clients = await Promise.all(pubsubs.map(({ join }) => join('room')))
    await Promise.all(Array.from({ length: 500 }, (_, i) => pubsubs.map(({ app }, h) => app.websockets.publish('room', `${h} ${i}`))).flat())
    for (const client of clients) {
      const messages = await receive(client, 1500)
      for (const h of ['0', '1', '2']) {
        const numbers = messages.filter((message) => message.startsWith(h)).map((message) => Number(message.slice(2)))
        t.strictSame(numbers, Array.from({ length: 500 }, (_, i) => i))
      }
    }
  })

  t.test('after subscribe has resolved, messages published by another app arrive', async (t) => {
    const [one, two] = await createHubs(t, 2)
    const client = await one.join()
    for (let i = 0; i < 20; i++) {
      t.equal(await client.pair(`subscribe room${i}`, { timeout: SOON }), 'done')
      await two.app.websockets.publish(`room${i}`, String(i))
      t.equal(await client.receive({ timeout: SOON }), String(i))
    }
  })

  t.test('an app subscribes to a topic at the broker once for all its sessions, and unsubscribes when all have left', async (t) => {
    const [one] = await createHubs(t, 1)
    const clients = await Promise.all(Array.from({ length: 20 }, () => one.join('room')))
    t.strictSame(one.calls, ['subscribe room'])
    for (const client of clients) await client.close()
    const deadline = performance.now() + SOON
    while (one.calls.length === 1 && performance.now() < deadline) await setTimeout(10)
    t.strictSame(one.calls, ['subscribe room', 'unsubscribe room'])
  })

  t.test('while sessions join and leave at the same time, a session that has joined gets the messages published then', async (t) => {
    const [one, two] = await createHubs(t, 2)
    const clients = await Promise.all(Array.from({ length: 8 }, () => one.join()))
    for (let round = 0; round < 10; round++) {
      const joins = clients.filter((_, i) => (round + i) % 3 !== 0)
      await Promise.all(clients.map((client) => client.pair(`${joins.includes(client) ? 'subscribe' : 'unsubscribe'} room`, { timeout: SOON })))
      await two.app.websockets.publish('room', `round ${round}`)
      for (const client of joins) t.equal(await client.receive({ timeout: SOON }), `round ${round}`)
      for (const client of clients) await client.pair('unsubscribe room', { timeout: SOON })
    }
  })

  t.test('topics do not mix, whatever their names are', async (t) => {
    const [one, two] = await createHubs(t, 2)
    const topics = ['a.*', 'a.>', 'a.b', '*', '>', 'a b', 'a:b', '{a}', 'é', '日本', 'a'.repeat(256)]
    const clients = await Promise.all(topics.map((topic) => one.join(topic)))
    for (const topic of topics) await two.app.websockets.publish(topic, topic)
    for (const topic of topics) await two.app.websockets.publish(topic, `last of ${topic}`)
    for (const [i, client] of clients.entries()) t.strictSame(await receive(client, 2), [topics[i], `last of ${topics[i]}`])
  })

  t.test('the app of a slow subscriber decides how to handle it, also for messages from another app', async (t) => {
    const [one, two] = await createHubs(t, 2, { sendHighWaterMark: 4096, slowSubscriber: 'skip', closeTimeout: 100 })
    await one.join('room')
    const [session] = one.app.websockets
    while (session.skipped === 0) {
      await two.app.websockets.publish('room', 'x'.repeat(2000))
      await setTimeout()
    }
    t.equal(session.state, 'open')
  })

  if (engine.publishForeign !== undefined) {
    t.test('the app ignores bytes that are no message of an app, and logs one line', async (t) => {
      const [one, two] = await createHubs(t, 2)
      const client = await one.join('room')
      for (const foreign of ['hello', '', '{"json":true}', Buffer.alloc(20, 0xf5), Buffer.from([0xf5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff])]) {
        await engine.publishForeign!(t, 'room', Buffer.from(foreign))
      }
      await two.app.websockets.publish('room', 'last')
      t.equal(await client.receive({ timeout: SOON }), 'last')
      t.equal(one.lines.filter(({ level }) => level >= WARN).length, 1)
    })
  }

  t.test('while the server is away, each app goes on by itself; when the server is back, resync lists the topics that may have missed messages', async (t) => {
    const pubsubs = await createHubs(t, 2)
    const [one, two] = pubsubs
    const [here, alsoHere, there] = [await one.join('room'), await one.join('room'), await two.join('room')]
    const lines = one.lines.length
    const resyncs = Promise.all(pubsubs.map(({ app }) => once(app.websockets, 'resync')))
    await engine.stop()
    try {
      for (const pubsub of pubsubs) await becomes(pubsub, 'down')
      await here.send('publish room local')
      t.equal(await alsoHere.receive({ timeout: SOON }), 'local')
      t.equal(await here.receive({ timeout: SOON }), 'FST_WS_BROKER')
      t.equal(await here.pair('subscribe new', { timeout: SOON }), 'done')
      await setTimeout(1_000)
    } finally {
      await engine.start()
    }
    const [[ofOne], [ofTwo]] = await inTime(resyncs, () => 'there was no resync')
    t.strictSame([...ofOne.topics].sort(), ['new', 'room'])
    t.strictSame(ofTwo.topics, ['room'])
    for (const { app } of pubsubs) t.equal(app.websockets.brokerState, 'up')
    await one.app.websockets.publish('room', 'again')
    await two.app.websockets.publish('new', 'of new')
    t.equal(await there.receive({ timeout: SOON }), 'again')
    t.strictSame(await receive(here, 2).then((messages) => messages.sort()), ['again', 'of new'])
    t.ok(one.lines.slice(lines).filter(({ level }) => level >= WARN).length <= 2, 'the log is not flooded')
  })

  t.test('an app starts while the server is away, and shares its topics when the server is back', async (t) => {
    const [one] = await createHubs(t, 1)
    const two = await createHub(t)
    await engine.stop()
    try {
      await becomes(one, 'down')
      await inTime(Promise.resolve(two.app.ready()), () => 'the app does not start')
      t.equal(two.app.websockets.brokerState, 'down')
      const client = await two.join('room')
      await client.send('publish room hello')
      t.equal(await client.receive({ timeout: SOON }), 'FST_WS_BROKER')
    } finally {
      await engine.start()
    }
    const client = await one.join('hall')
    for (const pubsub of [one, two]) await becomes(pubsub, 'up')
    await two.app.websockets.publish('hall', 'hello')
    t.equal(await client.receive({ timeout: SOON }), 'hello')
  })

  t.test('app.close() does not wait for a server that is away', async (t) => {
    const pubsubs = await createHubs(t, 2)
    const client = await pubsubs[0].join('room')
    await engine.stop()
    try {
      for (const pubsub of pubsubs) await becomes(pubsub, 'down')
      const begin = performance.now()
      await pubsubs[0].app.close()
      t.ok(performance.now() - begin < 3_000, `${performance.now() - begin} ms`)
      t.equal((await client.closed).code, 1001)
    } finally {
      await engine.start()
    }
  })
}
