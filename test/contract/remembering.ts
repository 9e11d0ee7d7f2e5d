import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { WebSocketClient, WebSocketSession } from '../../lib/index'
import type { WebSocketPluginOptions } from '../../types/options'
import type { SubscribeOptions, TopicStanding } from '../../types/session'
import { createApp } from '../helpers/app'
import { CutBroker } from '../helpers/cut-broker'
import { inTime } from '../helpers/recorder'
import { until } from '../helpers/until'
import type { Engine } from './brokers'

/** In ms: enough for a connection and some round trips. */
const SOON = 15_000

const HISTORY = { size: 1_000, ttl: 60_000 }

interface Joined {
  client: WebSocketClient<any>
  session: WebSocketSession<any>
  /** What came before `subscribe` had resolved. */
  replayed: any[]
  standing: TopicStanding
}

interface Hub {
  app: FastifyInstance
  /** Null without an engine. */
  broker: CutBroker | null
  /** A client whose session has subscribed to `topic`. It gets its messages. The session publishes what the client sends. */
  join (topic: string, options?: SubscribeOptions): Promise<Joined>
}

/** Tests topics with history. Each app has a broker of the same engine; without an engine there is one app. */
export function rememberingContract (t: Test, engine?: Engine): void {
  async function createHub (t: Test, options: WebSocketPluginOptions = {}): Promise<Hub> {
    const broker = engine === undefined ? null : new CutBroker(await engine.createBroker(t))
    const app = await createApp(t, { closeTimeout: 200, history: HISTORY, ...broker !== null && { broker }, ...options })
    let session!: WebSocketSession<any>
    app.websocket('/', async (ws) => {
      session = ws
      await ws.accept()
      const { topic, options } = JSON.parse((ws.query as any).wanted)
      await ws.sendJson({ standing: await ws.subscribe(topic, options) })
      for await (const message of ws) await ws.publish(topic, message)
    })
    await app.ready()
    await until(() => app.websockets.brokerState === 'up')
    return {
      app,
      broker,
      async join (topic, options) {
        const client = await app.injectWebSocket('/', { query: { wanted: JSON.stringify({ topic, options }) }, receiveType: 'any' })
        const replayed = []
        for (;;) {
          const message = await client.receive({ timeout: SOON })
          if (typeof message === 'string' && message.startsWith('{"standing"')) return { client, session, replayed, standing: JSON.parse(message).standing }
          replayed.push(message)
        }
      }
    }
  }

  /** The apps that share an engine: two, or without an engine twice the same. */
  async function createHubs (t: Test, options?: WebSocketPluginOptions): Promise<[Hub, Hub]> {
    const one = await createHub(t, options)
    return [one, engine === undefined ? one : await createHub(t, options)]
  }

  async function receive (client: WebSocketClient<any>, count: number): Promise<any[]> {
    const messages = []
    while (messages.length < count) messages.push(await client.receive({ timeout: SOON }))
    return messages
  }

  const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i))
  const publishAll = async (app: FastifyInstance, topic: string, texts: string[]): Promise<string[]> => {
    const positions = []
    for (const text of texts) positions.push((await app.websockets.publish(topic, text)).position!)
    return positions
  }
  let topics = 0
  const newTopic = (): string => `topic ${topics++} of apps`

  t.test('a client that was away gets what it has missed, in order, and then what is live', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const first = await one.join(topic)
    const positions = await publishAll(two.app, topic, numbers(0, 5))
    t.strictSame(await receive(first.client, 5), numbers(0, 5))
    await first.client.close()
    await publishAll(two.app, topic, numbers(5, 300))
    const { client, replayed, standing } = await one.join(topic, { after: positions[4] })
    t.strictSame(replayed, numbers(5, 300))
    t.equal(standing.recovered, true)
    const [last] = await publishAll(two.app, topic, ['last'])
    t.equal(await client.receive({ timeout: SOON }), 'last')
    const again = await one.join(topic, { after: standing.position! })
    t.strictSame([again.replayed, again.standing], [['last'], { position: last, recovered: true }])
    const nothing = await two.join(topic, { after: last })
    t.strictSame([nothing.replayed, nothing.standing], [[], { position: last, recovered: true }])
  })

  t.test('with positions, a message tells its topic and its position: text, JSON and bytes', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = `${newTopic()} "quoted" é`
    const plain = await one.join(topic)
    const { client, standing } = await one.join(topic, { positions: true })
    t.match(standing, { position: /^[ -~]{1,64}$/, recovered: false })
    const messages: [unknown, any, any][] = [
      ['text "é"', 'text "é"', { data: 'text "é"' }],
      [{ json: ['é'] }, '{"json":["é"]}', { data: { json: ['é'] } }],
      [null, 'null', { data: null }],
      [5, '5', { data: '5' }],
      [true, 'true', { data: 'true' }],
      [Buffer.from([0, 255, 128]), Buffer.from([0, 255, 128]), { data: 'AP+A', encoding: 'base64' }],
      [Buffer.alloc(0), Buffer.alloc(0), { data: '', encoding: 'base64' }],
      ['', '', { data: '' }]
    ]
    const positions: (string | null)[] = []
    for (const [message, sent, data] of messages) {
      const { position } = await two.app.websockets.publish(topic, message)
      positions.push(position)
      t.strictSame(await plain.client.receive({ timeout: SOON }), sent)
      t.strictSame(JSON.parse(await client.receive({ timeout: SOON })), { topic, position, ...data })
    }
    const replayed = await one.join(topic, { after: standing.position!, positions: true })
    t.strictSame(replayed.replayed.map((message) => JSON.parse(message)), messages.map(([, , data], i) => ({ topic, position: positions[i], ...data })))
    t.equal(new Set(positions).size, positions.length)
    for (const position of positions) t.match(position, /^[ -~]{1,64}$/)
  })

  t.test('`last` delivers the newest messages, and history returns them', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const positions = await publishAll(one.app, topic, numbers(0, 20))
    t.strictSame((await two.join(topic, { last: 3 })).replayed, ['17', '18', '19'])
    t.strictSame((await two.join(topic, { last: 100 })).replayed, numbers(0, 20))
    const all = numbers(0, 20).map((data, i) => ({ position: positions[i], data }))
    t.strictSame(await two.app.websockets.history(topic), { messages: all, recovered: false })
    t.strictSame(await two.app.websockets.history(topic, { last: 2 }), { messages: all.slice(-2), recovered: false })
    t.strictSame(await two.app.websockets.history(topic, { after: positions[15] }), { messages: all.slice(16), recovered: true })
    t.strictSame(await two.app.websockets.history(topic, { after: positions[19] }), { messages: [], recovered: true })
    t.strictSame(await two.app.websockets.history(topic, { after: 'unknown' }), { messages: [], recovered: false })
    await one.app.websockets.publish(topic, { json: true })
    await one.app.websockets.publish(topic, Buffer.from('bytes'))
    t.strictSame((await two.app.websockets.history(topic, { last: 2 })).messages.map(({ data }) => data), [{ json: true }, Buffer.from('bytes')])
    t.strictSame(await two.app.websockets.history(newTopic()), { messages: [], recovered: false })
  })

  t.test('a publisher does not get its own message, and gets it when it comes back', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const [ada, bob] = [await one.join(topic), await two.join(topic)]
    await ada.client.send('from ada')
    t.equal(await bob.client.receive({ timeout: SOON }), 'from ada')
    await two.app.websockets.publish(topic, 'last')
    t.equal(await ada.client.receive({ timeout: SOON }), 'last')
    const { replayed } = await one.join(topic, { after: ada.standing.position! })
    t.strictSame(replayed, ['from ada', 'last'])
  })

  t.test('a position that is not known: nothing is replayed, and what is live comes', async (t) => {
    const [one, two] = await createHubs(t)
    const [topic, other] = [newTopic(), newTopic()]
    const [last] = (await publishAll(one.app, topic, numbers(0, 3))).slice(-1)
    const [elsewhere] = await publishAll(one.app, other, ['elsewhere'])
    for (const after of ['', 'x', '0', ' ', '~', '1-1~', `${last}x`, `x${last}`, elsewhere, '~'.repeat(64), '9'.repeat(64)]) {
      const { client, replayed, standing } = await two.join(topic, { after })
      t.strictSame([replayed, standing], [[], { position: last, recovered: false }], after)
      await client.close()
    }
    const { client } = await two.join(topic, { after: 'x' })
    await one.app.websockets.publish(topic, 'live')
    t.equal(await client.receive({ timeout: SOON }), 'live')
  })

  t.test('what has been trimmed cannot be recovered', async (t) => {
    const [one, two] = await createHubs(t, { history: { ...HISTORY, size: 10 } })
    const topic = newTopic()
    const positions = await publishAll(one.app, topic, numbers(0, 30))
    t.strictSame((await two.join(topic, { after: positions[20] })).replayed, numbers(21, 30))
    const { replayed, standing } = await two.join(topic, { after: positions[19] })
    t.strictSame([replayed, standing], [[], { position: positions[29], recovered: false }])
    t.strictSame((await two.app.websockets.history(topic)).messages.length, 10)
  })

  t.test('what has expired cannot be recovered', async (t) => {
    const [one, two] = await createHubs(t, { history: { ...HISTORY, ttl: 500 } })
    const topic = newTopic()
    const [first] = await publishAll(one.app, topic, ['first'])
    t.equal((await two.app.websockets.history(topic, { after: first })).recovered, true)
    await until(async () => !(await two.app.websockets.history(topic, { after: first })).recovered)
    t.equal((await two.join(topic, { after: first })).standing.recovered, false)
  })

  t.test('a topic goes on for its subscribers after all its messages have expired', async (t) => {
    const [one, two] = await createHubs(t, { history: { ...HISTORY, ttl: 500 } })
    const topic = newTopic()
    const { client } = await one.join(topic)
    for (const message of ['first', 'second']) {
      await two.app.websockets.publish(topic, message)
      t.strictSame(await receive(client, 1), [message])
      await until(async () => (await one.app.websockets.history(topic)).messages.length === 0)
    }
  })

  t.test('a topic without messages has a position, and nothing after it is missed', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const { standing: { position } } = await one.join(topic)
    t.strictSame(await two.join(topic, { after: position! }).then(({ replayed, standing }) => [replayed, standing]), [[], { position, recovered: true }])
    await two.app.websockets.publish(topic, 'first')
    t.strictSame((await one.join(topic, { after: position! })).replayed, ['first'])
  })

  t.test('messages that are published while clients come back reach each of them once, in order, with eight publishers', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const [from] = await publishAll(one.app, topic, ['first'])
    const clients: Joined[] = []
    const publishers = numbers(0, 8).map(async (p) => {
      for (const n of numbers(0, 60)) await [one, two][Number(p) % 2].app.websockets.publish(topic, `${p} ${n}`)
    })
    for (let i = 0; i < 12; i++) clients.push(await [one, two][i % 2].join(topic, { after: from, positions: i % 3 === 0 }))
    await Promise.all(publishers)
    const { messages } = await one.app.websockets.history(topic, { after: from })
    t.equal(messages.length, 480)
    for (const { client, replayed, standing } of clients) {
      t.equal(standing.recovered, true)
      const got = [...replayed, ...await receive(client, 480 - replayed.length)]
      t.strictSame(got.map((message) => message.startsWith('{') ? JSON.parse(message).data : message), messages.map(({ data }) => data))
    }
  })

  t.test('two topics in one session', async (t) => {
    const [one, two] = await createHubs(t)
    const [hall, room] = [newTopic(), newTopic()]
    const [[hallPosition], [roomPosition]] = [await publishAll(two.app, hall, ['hall 0']), await publishAll(two.app, room, ['room 0'])]
    for (let i = 1; i < 150; i++) {
      await two.app.websockets.publish(hall, `hall ${i}`)
      await two.app.websockets.publish(room, `room ${i}`)
    }
    const { client, session, replayed } = await one.join(hall, { after: hallPosition, positions: true })
    t.equal(replayed.length, 149)
    const subscribed = session.subscribe(room, { after: roomPosition })
    await two.app.websockets.publish(hall, 'hall live')
    await two.app.websockets.publish(room, 'room live')
    t.equal((await subscribed).recovered, true)
    const messages = await receive(client, 151)
    t.strictSame(messages.filter((message) => message.startsWith('room')), [...numbers(1, 150).map((n) => `room ${n}`), 'room live'])
    t.strictSame(messages.filter((message) => message.startsWith('{')).map((message) => JSON.parse(message).data), ['hall live'])
    t.strictSame([...session.topics].sort(), [hall, room].sort())
    t.ok(one.app.websockets.subscribers(hall).has(session as never))
  })

  t.test('a session that unsubscribes, or closes, in a replay', async (t) => {
    const [one, two] = await createHubs(t, { history: { ...HISTORY, maxBytes: 100_000_000 } })
    const topic = newTopic()
    const [from] = await publishAll(two.app, topic, ['first'])
    await Promise.all(numbers(0, 200).map((n) => two.app.websockets.publish(topic, n.padEnd(100_000)))) // more than a connection holds
    for (const end of ['unsubscribe', 'close'] as const) {
      const { client, session } = await one.join(newTopic())
      client.raw.pause()
      const subscribed = session.subscribe(topic, { after: from })
      subscribed.catch(() => {})
      await until(() => session.bufferedAmount > 0)
      if (end === 'close') session.close()
      else await session.unsubscribe(topic)
      client.raw.resume()
      receive(client, Infinity).catch(() => {})
      if (end === 'close') await t.rejects(subscribed, { name: 'WebSocketDisconnect' })
      else t.equal((await subscribed).recovered, false)
      t.notOk(session.topics.has(topic))
      t.equal(one.app.websockets.subscribers(topic).size, 0)
    }
  })

  t.test('a session that subscribes again keeps its place, or begins where it says', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const { client, session, standing } = await one.join(topic)
    await publishAll(two.app, topic, ['first'])
    t.equal(await client.receive({ timeout: SOON }), 'first')
    t.strictSame(await session.subscribe(topic), standing)
    t.equal((await session.subscribe(topic, { after: standing.position! })).recovered, true)
    await session.subscribe(topic, { positions: true })
    await publishAll(two.app, topic, ['second'])
    const [again, second] = await receive(client, 2)
    t.strictSame([again, JSON.parse(second).data], ['first', 'second'])
    await session.unsubscribe(topic)
    t.equal(one.app.websockets.subscribers(topic).size, 0)
  })

  t.test('a slow session with positions catches up from the history; without, it misses messages', async (t) => {
    const [one, two] = await createHubs(t, { slowSubscriber: 'skip', sendHighWaterMark: 4096, history: { ...HISTORY, maxBytes: 100_000_000 } })
    const topic = newTopic()
    const [remembers, misses] = [await one.join(topic, { positions: true }), await one.join(topic)]
    for (const { client } of [remembers, misses]) client.raw.pause()
    let count = 0
    while (misses.session.skipped === 0) await two.app.websockets.publish(topic, String(count++).padEnd(20_000))
    for (let i = 0; i < 50; i++) await two.app.websockets.publish(topic, String(count++))
    for (const { client } of [remembers, misses]) client.raw.resume()
    const messages = await receive(remembers.client, count)
    t.strictSame(messages.map((message) => Number(JSON.parse(message).data)), Array.from({ length: count }, (_, i) => i))
    await two.app.websockets.publish(topic, 'last')
    t.match(JSON.parse(await remembers.client.receive({ timeout: SOON })), { data: 'last' })
    t.equal(remembers.session.skipped, 0)
  })

  t.test('a slow session with positions whose messages are gone from the history is closed with 1013', async (t) => {
    const [one, two] = await createHubs(t, { closeTimeout: SOON, slowSubscriber: 'skip', sendHighWaterMark: 4096, history: { ...HISTORY, size: 5 } })
    const topic = newTopic()
    const [slow, witness] = [await one.join(topic, { positions: true }), await one.join(topic)]
    for (const { client } of [slow, witness]) client.raw.pause()
    while (witness.session.skipped === 0) await two.app.websockets.publish(topic, 'x'.repeat(20_000))
    for (let i = 0; i < 250; i++) await two.app.websockets.publish(topic, 'x') // more than a session holds while it is behind
    slow.client.raw.resume()
    const drained = (async (): Promise<void> => {
      for await (const message of slow.client) t.equal(JSON.parse(message).topic, topic)
    })()
    await t.rejects(drained, { name: 'WebSocketDisconnect' })
    t.equal((await inTime(slow.session.closed, () => 'the session stays open')).code, 1013)
    witness.client.terminate() // app.close() would wait for it
  })

  t.test('options that cannot be', async (t) => {
    const [one] = await createHubs(t, { history: (topic) => topic.startsWith('plain') ? false : HISTORY })
    const { session, client } = await one.join('plain topic')
    for (const options of [{ after: 'x' }, { last: 1 }, { positions: true }]) {
      await t.rejects(session.subscribe('plain topic', options), { name: 'WebSocketTopicError', closeCode: 1008, message: /has no history/ })
    }
    t.strictSame(await session.subscribe('plain topic', {}), { position: null, recovered: false })
    t.strictSame(await session.publish('plain topic', 'x'), { position: null })
    await t.rejects(one.app.websockets.history('plain topic'), { name: 'WebSocketTopicError', closeCode: 1008 })
    for (const after of ['x'.repeat(65), 'é', 'a\nb', '\u007f', 5, null, {}] as any[]) {
      await t.rejects(session.subscribe('topic', { after }), { name: 'WebSocketTopicError', closeCode: 1008 })
      await t.rejects(one.app.websockets.history('topic', { after }), { name: 'WebSocketTopicError' })
    }
    await t.rejects(session.subscribe('topic', { after: 'x', last: 1 }), { name: 'WebSocketTopicError', closeCode: 1008, message: /not both/ })
    for (const last of [0, -1, 1.5, NaN, Infinity, '1', null] as any[]) await t.rejects(session.subscribe('topic', { last }), { name: 'WebSocketOptionError', message: /last is/ })
    for (const positions of [1, 'yes', null] as any[]) await t.rejects(session.subscribe('topic', { positions }), { name: 'WebSocketOptionError', message: /positions is/ })
    for (const options of [5, 'x', null, []] as any[]) await t.rejects(session.subscribe('topic', options), { name: 'WebSocketOptionError' })
    t.strictSame([...session.topics], ['plain topic'])
    await client.close()
  })

  if (engine === undefined) return

  t.test('an app that loses its broker brings its sessions up to date, in order, and says so', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const [plain, positioned] = [await one.join(topic), await one.join(topic, { positions: true })]
    await publishAll(two.app, topic, numbers(0, 5))
    await receive(positioned.client, 5)
    await receive(plain.client, 5)
    one.broker!.cut()
    t.equal(one.app.websockets.brokerState, 'down')
    await t.rejects(one.app.websockets.publish(topic, 'lost'), { name: 'WebSocketBrokerError', message: /reached no subscriber/ })
    await t.rejects(one.app.websockets.history(topic), { name: 'WebSocketBrokerError' })
    await t.rejects(plain.session.subscribe(newTopic(), { last: 5 }), { name: 'WebSocketBrokerError' })
    t.strictSame(await plain.session.subscribe(topic), plain.standing)
    const late = newTopic()
    t.strictSame(await plain.session.subscribe(late), { position: null, recovered: false })
    await publishAll(two.app, topic, numbers(5, 400))
    const resync = once(one.app.websockets, 'resync')
    one.broker!.mend()
    const [event] = await inTime(resync, () => 'there is no resync')
    t.strictSame(event, { topics: [topic, late], recovered: [topic], missed: [late] })
    await publishAll(two.app, topic, ['last'])
    t.strictSame(await receive(plain.client, 396), [...numbers(5, 400), 'last'])
    t.strictSame((await receive(positioned.client, 396)).map((message) => JSON.parse(message).data), [...numbers(5, 400), 'last'])
    await publishAll(two.app, late, ['late'])
    t.equal(await plain.client.receive({ timeout: SOON }), 'late')
  })

  t.test('an app that comes back too late says that messages are missed, and goes on', async (t) => {
    const [one, two] = await createHubs(t, { history: { ...HISTORY, size: 10 } })
    const topic = newTopic()
    const { client } = await one.join(topic)
    await publishAll(two.app, topic, ['first'])
    t.equal(await client.receive({ timeout: SOON }), 'first')
    one.broker!.cut()
    await publishAll(two.app, topic, numbers(0, 50))
    const resync = once(one.app.websockets, 'resync')
    one.broker!.mend()
    t.strictSame(await inTime(resync, () => 'there is no resync'), [{ topics: [topic], recovered: [], missed: [topic] }])
    await publishAll(two.app, topic, ['last'])
    t.equal(await client.receive({ timeout: SOON }), 'last')
  })

  t.test('a subscribe that is under way when the broker goes down rejects, and leaves nothing', async (t) => {
    const [one, two] = await createHubs(t)
    const topic = newTopic()
    const [from] = await publishAll(two.app, topic, numbers(0, 500))
    const { session } = await one.join(newTopic())
    const subscribed = session.subscribe(topic, { after: from })
    subscribed.catch(() => {})
    one.broker!.cut()
    await t.rejects(subscribed, { name: 'WebSocketBrokerError' })
    t.notOk(session.topics.has(topic))
    one.broker!.mend()
    await until(() => one.app.websockets.brokerState === 'up')
    t.equal((await session.subscribe(topic, { after: from })).recovered, true)
  })
}
