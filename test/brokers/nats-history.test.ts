import { headers, type MsgHdrs, type NatsConnection as Connection } from '@nats-io/transport-node'
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { quiet } from '../../lib/base/deferred'
import { timers } from '../../lib/base/timers'
import { natsBroker, type NatsBrokerOptions, type NatsConnection } from '../../lib/brokers/nats'
import type { BrokerEntry, BrokerHistory, Retention } from '../../types/broker'
import { TRICKY_TOPICS } from '../contract/brokers'
import { createApp } from '../helpers/app'
import { NatsServer, skip, startBroker } from '../helpers/nats'
import { inTime, Recorder } from '../helpers/recorder'
import { until } from '../helpers/until'

const RETENTION: Retention = { size: 1_000, ttl: 60_000, maxBytes: 1024 * 1024 }

/** The number of timer entries before the tests. */
const entries = timers.size

interface Started {
  history: BrokerHistory
  told: Recorder
  connection: NatsConnection
}

function startServer (t: Test, config = ''): Promise<NatsServer> {
  return NatsServer.start(t, config, { jetStream: true })
}

/** Starts a broker, and resolves when it is up. */
async function start (t: Test, connection: NatsConnection, options?: NatsBrokerOptions): Promise<Started> {
  const { broker, told } = await startBroker(t, connection, options)
  return { history: broker.history!, told, connection }
}

async function append (history: BrokerHistory, topic: string, texts: string[], retention = RETENTION): Promise<string[]> {
  const positions = []
  for (const text of texts) positions.push(await history.append(topic, Buffer.from(text), retention))
  return positions
}

function textsOf (entries: BrokerEntry[]): string[] {
  return entries.map(({ message }) => Buffer.from(message).toString())
}

async function newest (history: BrokerHistory, topic: string, retention = RETENTION): Promise<string[]> {
  return textsOf(await history.readNewest(topic, 1_000, retention))
}

function numbers (count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i))
}

/** Asks the API of JetStream. */
async function ask (connection: Connection, subject: string, payload: object = {}): Promise<any> {
  return (await connection.request(`$JS.API.${subject}`, JSON.stringify(payload))).json()
}

async function streamsOf (connection: Connection): Promise<any[]> {
  return (await ask(connection, 'STREAM.LIST')).streams ?? []
}

/** Deletes the stream, if only one topic has been used. */
async function deleteStream (connection: Connection): Promise<void> {
  const [{ config }] = await streamsOf(connection)
  await ask(connection, `STREAM.DELETE.${config.name}`)
}

/** The calls of a history that need the server. */
const CALLS: Record<string, (history: BrokerHistory) => Promise<unknown>> = {
  subscribe: (history) => history.subscribe('room', RETENTION),
  append: (history) => history.append('room', Buffer.from('hello'), RETENTION),
  read: (history) => history.read('room', '1', 10, RETENTION),
  readNewest: (history) => history.readNewest('room', 10, RETENTION)
}

t.test('history on NATS', { skip, timeout: 120_000, jobs: 2 }, async (t) => {
  t.test('without JetStream, every call rejects with what to set, and topics without history go on', async (t) => {
    const accounts = 'accounts: { APP: { users: [{ user: app, password: secret }] } }'
    for (const server of [await NatsServer.start(t), await startServer(t, accounts)]) {
      const connection = await server.connect(t, { user: 'app', pass: 'secret' })
      const broker = natsBroker(connection)
      t.teardown(() => broker.close())
      const told = new Recorder()
      await broker.start(told)
      for (const [name, call] of Object.entries(CALLS)) {
        await t.rejects(call(broker.history!), { message: 'JetStream is not enabled, and topics with history need it: set jetstream in the configuration of the NATS server, and in that of the account if the server has accounts' }, name)
      }
      await broker.subscribe('room')
      await broker.publish('room', Buffer.from('hello'))
      await told.until(() => told.messages.length === 1)
      t.strictSame(told.downs, [])
    }
  })

  t.test('when JetStream has been enabled, the next call works', async (t) => {
    const server = await NatsServer.start(t, 'accounts: { APP: { users: [{ user: app, password: secret }] } }', { jetStream: true })
    const { history, told } = await start(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    await t.rejects(append(history, 'room', ['early']))
    await server.reload('accounts: { APP: { jetstream: enabled, users: [{ user: app, password: secret }] } }')
    await server.kill() // NATS 2.9 enables it when it starts
    await server.start()
    await told.until(() => told.ups === 2)
    await append(history, 'room', ['hello'])
    t.strictSame(await newest(history, 'room'), ['hello'])
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    t.test(`the history stays when the server is ended by ${signal} and starts again`, async (t) => {
      const server = await startServer(t)
      const { history, told } = await start(t, await server.connect(t))
      const positions = await append(history, 'room', numbers(50))
      await server.kill(signal)
      await told.until(() => told.downs.length === 1)
      await server.start()
      await told.until(() => told.ups === 2)
      t.strictSame(await newest(history, 'room'), numbers(50))
      t.strictSame(textsOf(await history.read('room', positions[20], 100, RETENTION)), numbers(50).slice(20))
      const [after] = await append(history, 'room', ['after'])
      t.ok(history.compare(positions[49], after) < 0, 'the positions go on')
    })
  }

  t.test('calls that are under way when the server goes reject at once, and none is sent later', async (t) => {
    const server = await startServer(t)
    const { history, told } = await start(t, await server.connect(t))
    await history.subscribe('room', RETENTION)
    await append(history, 'room', ['before'])
    await server.freeze()
    const calls = [...Array.from({ length: 100 }, () => history.append('room', Buffer.from('lost'), RETENTION)), history.read('room', '1', 10, RETENTION), history.readNewest('room', 10, RETENTION), history.subscribe('other', { ...RETENTION, size: 7 })]
    const settled = Promise.allSettled(calls)
    await setImmediate()
    await server.kill()
    const results = await inTime(settled, () => 'a call has not settled', 2_000)
    for (const result of results) t.match(result, { status: 'rejected', reason: { message: /the connection to NATS is lost/ } })
    await server.start()
    await told.until(() => told.ups === 2)
    t.strictSame(await newest(history, 'room'), ['before'])
  })

  t.test('a request that the server does not answer rejects in the end, and the others do not wait for it', async (t) => {
    const server = await NatsServer.start(t)
    const silent = await server.connect(t)
    silent.subscribe('$JS.API.STREAM.CREATE.*', { callback: () => {} })
    await silent.flush()
    const { history, told } = await start(t, await server.connect(t))
    const first = append(history, 'room', ['hello'])
    await setTimeout(50)
    const second = append(history, 'another', ['hello'])
    for (const call of [first, second]) await t.rejects(inTime(call, () => 'pending', 8_000), { message: /^NATS has not answered the request to \$JS\.API\.STREAM\.CREATE\.\S+ for 5 s: whether the request has been carried out is not known$/ })
    t.strictSame(told.downs, [])
  })

  t.test('a late answer is ignored', async (t) => {
    const server = await startServer(t)
    const slow = await server.connect(t)
    const { history, connection } = await start(t, await server.connect(t))
    const inboxes: string[] = []
    const { publish } = connection
    connection.publish = function (subject, payload, options) {
      if (options !== undefined) inboxes.push(options.reply)
      return publish.call(this, subject, payload, options)
    }
    await append(history, 'room', ['one'])
    slow.publish(inboxes[0], 'again')
    await slow.flush()
    await append(history, 'room', ['two'])
    t.strictSame(await newest(history, 'room'), ['one', 'two'])
  })

  t.test('a stream that is deleted is made anew by the next call, and the positions begin again', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const { history, told } = await start(t, await server.connect(t))
    await history.subscribe('room', RETENTION)
    const positions = await append(history, 'room', numbers(3))
    t.strictSame(positions, ['1', '2', '3'])
    await deleteStream(admin)
    t.strictSame(await append(history, 'room', ['anew']), ['1'])
    t.strictSame(await newest(history, 'room'), ['anew'])
    await told.until(() => told.entries.length === 4)
    t.strictSame(told.entries.map(({ position }) => position), ['1', '2', '3', '1'])
    await deleteStream(admin)
    t.strictSame(await history.read('room', '1', 10, RETENTION), [])
    await append(history, 'room', ['again'])
    await deleteStream(admin)
    t.strictSame(await history.readNewest('room', 10, RETENTION), [])
    t.strictSame(told.downs, [])
  })

  t.test('when a stream is lost, the messages that are kept are in the order in which they were appended', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const { history } = await start(t, await server.connect(t))
    for (let round = 0; round < 3; round++) {
      await append(history, 'room', ['before'])
      const calls = numbers(100).map((n) => quiet(history.append('room', Buffer.from(n), RETENTION)))
      const deleted = deleteStream(admin)
      for (let n = 100; n < 200; n++) {
        calls.push(quiet(history.append('room', Buffer.from(String(n)), RETENTION)))
        if (n % 10 === 0) await setImmediate()
      }
      await deleted
      const results = await Promise.allSettled(calls)
      for (const result of results) if (result.status === 'rejected') t.match(result.reason.message, /^(no NATS server answers requests to fastify-async-websocket\.log\.|NATS has not answered the request to fastify-async-websocket\.log\.|the NATS server refuses the stream)/)
      await append(history, 'room', ['last'])
      const kept = await newest(history, 'room')
      t.equal(kept.pop(), 'last')
      if (kept[0] === 'before') kept.shift()
      t.strictSame(kept, [...kept].sort((a, b) => Number(a) - Number(b)))
      t.equal(new Set(kept).size, kept.length)
      await deleteStream(admin)
      t.strictSame(await newest(history, 'room'), [])
    }
  })

  t.test('an app tells by itself that a stream was lost and made anew, while its connection stays', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const other = await start(t, await server.connect(t))
    const app = await createApp(t, { broker: natsBroker(await server.connect(t)), history: { size: 100, ttl: 60_000 } })
    const events: any[] = []
    app.websockets.on('resync', (event) => events.push(event))
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.send(await ws.subscribe('room', { positions: true, ...ws.query as object }))
      for await (const message of ws) await ws.publish('room', message)
    })
    const client = await app.injectWebSocket('/', { receiveType: 'json' })
    await client.receive()
    const received = async (): Promise<unknown> => (await client.receive({ timeout: 5_000 }) as any).data
    for (const n of [1, 2, 3]) {
      await app.websockets.publish('room', { n })
      t.strictSame(await received(), { n })
    }
    const { messages: [{ position }] } = await app.websockets.history('room', { last: 1 })
    await deleteStream(admin)
    const { position: anew } = await app.websockets.publish('room', { n: 4 })
    t.match(anew, /^1~/)
    await until(() => events.length > 0)
    t.match(events, [{ topics: ['room'], recovered: [], missed: ['room'] }])
    await app.websockets.publish('room', { n: 5 })
    for (let data = await received(); (data as any).n !== 5;) data = await received()
    t.strictSame(await app.websockets.history('room', { after: position! }), { messages: [], recovered: false })
    t.match(await app.websockets.history('room', { after: anew! }), { messages: [{ data: { n: 5 } }], recovered: true })
    const late = await app.injectWebSocket('/', { query: { after: position! }, receiveType: 'json' })
    t.match(await late.receive({ timeout: 5_000 }), { recovered: false })
    t.equal(other.told.entries.length, 0)
  })

  t.test('many processes create the stream at once', async (t) => {
    const server = await startServer(t)
    const all = await Promise.all(Array.from({ length: 10 }, async () => await start(t, await server.connect(t))))
    const positions = await Promise.all(all.flatMap(({ history }, i) => [history.append('room', Buffer.from(String(i)), RETENTION), history.subscribe('room', RETENTION).then(() => null)]))
    t.strictSame(positions.filter((position) => position !== null).sort((a, b) => Number(a) - Number(b)), Array.from({ length: 10 }, (_, i) => String(i + 1)))
    t.strictSame((await newest(all[0].history, 'room')).sort(), numbers(10))
    t.equal((await streamsOf(await server.connect(t))).length, 1)
  })

  t.test('topics with the same retention share 16 streams, which have its limits', async (t) => {
    const server = await startServer(t)
    const { history } = await start(t, await server.connect(t))
    const retentions = [[10, 60_000], [20, 60_000], [10, 0.5], [10, 1_500.5], [10, 2 ** 31 - 1]].map(([size, ttl]) => ({ ...RETENTION, size, ttl }))
    for (const retention of retentions) {
      for (const topic of numbers(retention === retentions[0] ? 100 : 1)) await append(history, topic, ['hello'], retention)
    }
    const admin = await server.connect(t)
    const streams = [...await streamsOf(admin)]
    t.equal(streams.length, 16 + 4)
    t.strictSame(new Set(streams.map(({ config }) => [config.name.replace(/_[0-9a-f]{12}_(.*)_\d+$/, '_…_$1'), config.max_msgs_per_subject, config.max_age / 1e6].join(' '))), new Set([
      'fastify-async-websocket_…_10_60000 10 60000',
      'fastify-async-websocket_…_20_60000 20 60000',
      'fastify-async-websocket_…_10_100 10 100',
      'fastify-async-websocket_…_10_1501 10 1501',
      'fastify-async-websocket_…_10_2147483647 10 2147483647'
    ]))
    for (const { state } of streams) t.ok(state.messages <= 20, 'the topics are spread')
    for (const { config } of streams) t.match(config, { storage: 'file', allow_direct: true, num_replicas: 1, max_msgs: -1, max_bytes: -1, discard: 'old', retention: 'limits' })
  })

  t.test('any prefix has streams of its own', async (t) => {
    const server = await startServer(t)
    const prefixes = ['a', 'a.', 'a.b', 'a_', 'A', '$x._y.', 'é', 'è', 'a/b', 'a\\b', 'a'.repeat(256), `${'a'.repeat(255)}b`]
    const all = []
    for (const prefix of prefixes) all.push(await start(t, await server.connect(t), { prefix }))
    for (const { history } of all) await history.subscribe('room', RETENTION)
    for (const [i, { history }] of all.entries()) await append(history, 'room', [String(i)])
    for (const [i, { history, told }] of all.entries()) {
      await told.until(() => told.entries.length > 0)
      t.strictSame(await newest(history, 'room'), [String(i)], prefixes[i])
      t.strictSame(told.entries.map(({ bytes }) => bytes.toString()), [String(i)])
    }
    t.equal((await streamsOf(await server.connect(t))).length, prefixes.length)
  })

  t.test('an administrator may change the stream', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const first = await start(t, await server.connect(t))
    await append(first.history, 'room', ['one'])
    const [{ config }] = await streamsOf(admin)
    t.notOk((await ask(admin, `STREAM.UPDATE.${config.name}`, { ...config, max_bytes: 1024 * 1024 * 1024, description: 'ours' })).error)
    const second = await start(t, await server.connect(t))
    await append(second.history, 'room', ['two'])
    t.strictSame(await newest(second.history, 'room'), ['one', 'two'])
    t.match((await streamsOf(admin))[0].config, { description: 'ours' })
  })

  t.test('the reason why the server refuses a stream or a message reaches the caller', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    await ask(admin, 'STREAM.CREATE.all', { name: 'all', subjects: ['fastify-async-websocket.>'] })
    const { history } = await start(t, await server.connect(t))
    for (const [name, call] of Object.entries(CALLS)) await t.rejects(call(history), { message: /^the NATS server refuses the stream fastify-async-websocket_[0-9a-f]{12}_1000_60000_\d+: subjects overlap with an existing stream$/ }, name)
    await ask(admin, 'STREAM.DELETE.all')
    await append(history, 'room', ['hello'])
    const [{ config }] = await streamsOf(admin)
    await ask(admin, `STREAM.UPDATE.${config.name}`, { ...config, max_msg_size: 10 })
    await t.rejects(append(history, 'room', ['x'.repeat(11)]), { message: 'the NATS server does not keep the message: message size exceeds maximum allowed' })
    await append(history, 'room', ['again'])
    t.strictSame(await newest(history, 'room'), ['hello', 'again'])
  })

  t.test('a stream that does not answer direct gets is an error, not an empty history', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const { history } = await start(t, await server.connect(t))
    await append(history, 'room', ['hello', 'world'])
    const [{ config }] = await streamsOf(admin)
    await ask(admin, `STREAM.UPDATE.${config.name}`, { ...config, allow_direct: false })
    await Promise.all([CALLS.read, CALLS.readNewest].map((call) => t.rejects(call(history), { message: new RegExp(`^NATS has not answered the request to \\$JS\\.API\\.DIRECT\\.GET\\.${config.name} for 5 s`) })))
  })

  t.test('what the server does not permit rejects with its reason, at once, and nothing else does', async (t) => {
    const denied: Record<string, string> = {
      '$JS.API.STREAM.CREATE.>': 'append',
      'fastify-async-websocket.log.>': 'append',
      '$JS.API.STREAM.MSG.GET.>': 'read'
    }
    for (const version of [3, 2]) {
      for (const [subject, call] of Object.entries(denied)) {
        const server = await startServer(t, USER(`publish: { deny: "${subject}" }`))
        const connection = await server.connect(t, { user: 'app', pass: 'secret' })
        const { history, told } = await start(t, version === 2 ? asVersion2(connection) : connection)
        const message = version === 3 ? /^Permissions Violation for Publish to "/ : /PERMISSIONS_VIOLATION/
        await t.rejects(inTime(CALLS[call](history), () => 'pending', 2_000), { message }, `${subject}, version ${version}`)
        t.strictSame(told.downs, [])
        t.equal(told.ups, 1)
      }
    }
    const server = await startServer(t, USER('subscribe: { deny: ["fastify-async-websocket.live.*.*.private"] }'))
    const { history, told } = await start(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    await t.rejects(history.subscribe('private', RETENTION), { message: /^Permissions Violation for Subscription to "fastify-async-websocket\.live\.1000_60000\.\d+\.private"/ })
    await history.subscribe('public', RETENTION)
    await append(history, 'public', ['hello'])
    await told.until(() => told.entries.length > 0)
  })

  t.test('answers come to an inbox with the prefix of the connection; without permission for it, calls reject', async (t) => {
    const server = await startServer(t, USER('subscribe: ["_INBOX_APP.>", "fastify-async-websocket.>"]'))
    const refused = await start(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    for (let i = 0; i < 2; i++) await t.rejects(inTime(append(refused.history, 'room', ['hello']), () => 'pending', 2_000), { message: /^Permissions Violation for Subscription to "_INBOX\./ })
    const { history } = await start(t, await server.connect(t, { user: 'app', pass: 'secret', inboxPrefix: '_INBOX_APP' }))
    await append(history, 'room', ['hello'])
    t.strictSame(await newest(history, 'room'), ['hello'])
    t.strictSame(refused.told.downs, [])
  })

  t.test('the permissions that the docs name are enough', async (t) => {
    const server = await startServer(t, USER(`
      publish: ["fastify-async-websocket.>", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.PURGE.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.*"]
      subscribe: ["fastify-async-websocket.>", "_INBOX.>"]
    `))
    const { history, told } = await start(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    await history.subscribe('room', RETENTION)
    const [position] = await append(history, 'room', numbers(3))
    await told.until(() => told.entries.length === 3)
    t.strictSame(await newest(history, 'room'), numbers(3))
    t.strictSame(textsOf(await history.read('room', position, 10, RETENTION)), numbers(3))
  })

  t.test('every topic becomes one token below the prefix, and none is that of a topic without history', async (t) => {
    const server = await startServer(t)
    const heard: string[] = []
    const admin = await server.connect(t)
    admin.subscribe('fastify-async-websocket.>', { callback: (_error, message) => { heard.push(message.subject) } })
    await admin.flush()
    const { history } = await start(t, await server.connect(t))
    const topics = [...TRICKY_TOPICS, '\n', '\0', '\r\nPUB a 0', '\ud800', '\udfff', '%d800', 'log.1000_60000.1.a', 'live.1000_60000.1.a']
    for (const topic of topics) await append(history, topic, [topic])
    await until(() => heard.length >= 2 * topics.length)
    t.equal(new Set(heard).size, 2 * topics.length)
    t.strictSame(heard.filter((subject) => !/^fastify-async-websocket\.(log|live)\.1000_60000\.\d+\.[^ \t\r\n\0.*>]+$/.test(subject)), [])
    for (const [i, topic] of topics.entries()) t.strictSame(await newest(history, topic), [Buffer.from(topic).toString()], `topic ${i}`)
  })

  t.test('append refuses a message above the limit of the server; one of just that length is kept, and arrives', async (t) => {
    const server = await startServer(t, 'max_payload: 1000')
    const { history, told } = await start(t, await server.connect(t))
    await history.subscribe('room', RETENTION)
    await t.rejects(history.append('room', Buffer.alloc(1_001), RETENTION), { message: 'the message has 1001 bytes, and the NATS server takes 1000 (max_payload)' })
    await history.append('room', Buffer.alloc(1_000, 'a'), RETENTION)
    await told.until(() => told.entries.length > 0)
    t.ok(told.entries[0].bytes.equals(Buffer.alloc(1_000, 'a')))
    t.strictSame(await newest(history, 'room'), ['a'.repeat(1_000)])
    t.strictSame(told.downs, [])
  })

  t.test('equal messages are all kept: no message has the header Nats-Msg-Id', async (t) => {
    const server = await startServer(t)
    const { history } = await start(t, await server.connect(t))
    for (const topic of ['one', 'two', 'one']) await append(history, topic, ['same', 'same'])
    t.strictSame(await newest(history, 'one'), Array(4).fill('same'))
    t.strictSame(await newest(history, 'two'), ['same', 'same'])
  })

  t.test('a client may send any string as position', async (t) => {
    const server = await startServer(t)
    const { history } = await start(t, await server.connect(t))
    await append(history, 'room', numbers(3))
    for (const position of ['', '0', '01', '-1', '+1', '1.5', '1e0', ' 1', '1 ', '1\n', '0x1', '9007199254740992', '9'.repeat(40), 'NaN', '1-1', '$', '>']) t.strictSame(await history.read('room', position, 10, RETENTION), [], position)
    for (const position of ['4', '9007199254740991']) t.strictSame(await history.read('room', position, 10, RETENTION), [], position)
    t.strictSame(textsOf(await history.read('room', '2', 10, RETENTION)), ['1', '2'])
  })

  t.test('a message that somebody publishes to the live subject, without the stream, is ignored', async (t) => {
    const server = await startServer(t)
    const other = await server.connect(t)
    const { history, told } = await start(t, await server.connect(t))
    await history.subscribe('room', RETENTION)
    const subjects: string[] = []
    other.subscribe('fastify-async-websocket.live.>', { callback: (_error, { subject }) => { subjects.push(subject) } })
    await other.flush()
    await append(history, 'room', ['one'])
    await until(() => subjects.length > 0)
    other.publish(subjects[0], 'foreign')
    other.publish(subjects[0], 'foreign', { headers: withHeaders({ foreign: 'yes' }) })
    await other.flush()
    await append(history, 'room', ['two'])
    await told.until(() => told.entries.length > 1)
    t.strictSame(told.entries.map(({ bytes }) => bytes.toString()), ['one', 'two'])
  })

  t.test('live messages of many publishers arrive in the order in which they are kept', async (t) => {
    const server = await startServer(t)
    const reader = await start(t, await server.connect(t))
    const publishers = await Promise.all(Array.from({ length: 8 }, async () => await start(t, await server.connect(t))))
    await reader.history.subscribe('room', { ...RETENTION, size: 10_000 })
    for (let round = 1; round <= 5; round++) {
      await Promise.all(publishers.flatMap(({ history }) => numbers(200).map((n) => history.append('room', Buffer.from(n), { ...RETENTION, size: 10_000 }))))
      await reader.told.until(() => reader.told.entries.length >= round * 1_600)
    }
    t.strictSame(reader.told.entries.map(({ position }) => position), Array.from({ length: 8_000 }, (_, i) => String(i + 1)))
    t.strictSame(reader.told.downs, [])
  })

  t.test('if a live message does not come, the broker goes down and up, so that the app reads it', async (t) => {
    const server = await startServer(t)
    const other = await server.connect(t)
    const subjects: string[] = []
    other.subscribe('fastify-async-websocket.live.>', { callback: (_error, { subject }) => { subjects.push(subject) } })
    await other.flush()
    const { history, told } = await start(t, await server.connect(t))
    await history.subscribe('room', RETENTION)
    await append(history, 'room', ['one'])
    await until(() => subjects.length > 0)
    other.publish(subjects[0], 'three', { headers: withHeaders({ 'Nats-Sequence': '3', 'Nats-Last-Sequence': '2' }) })
    await told.until(() => told.ups === 2)
    t.match(told.downs, [{ message: "a message of the topic 'room' has not come from NATS" }])
    await history.subscribe('room', RETENTION)
    await append(history, 'room', ['two'])
    await told.until(() => told.entries.length === 2)
    t.strictSame(told.entries.map(({ position }) => position), ['1', '2'])
  })

  t.test('if a replica that answers a read is behind, the leader is asked', async (t) => {
    const server = await startServer(t)
    const { history, connection } = await start(t, await server.connect(t))
    const [, position] = await append(history, 'room', numbers(20))
    replace(connection, 'DIRECT.GET', { seq: 1_000_000, next_by_subj: 'none' })
    t.strictSame(await newest(history, 'room'), numbers(20))
    t.strictSame(textsOf(await history.read('room', position, 10, RETENTION)), numbers(20).slice(1, 11))
  })

  t.test('when the messages are gone meanwhile, none is read', async (t) => {
    const server = await startServer(t)
    const { history, connection } = await start(t, await server.connect(t))
    await append(history, 'room', numbers(20))
    for (const api of ['DIRECT.GET', 'STREAM.MSG.GET']) replace(connection, api, { seq: 1_000_000, next_by_subj: 'none' }, 'next_by_subj')
    t.strictSame(await newest(history, 'room'), [])
  })

  t.test('the reason why the server cannot read reaches the caller', async (t) => {
    const server = await startServer(t)
    for (const [api, reason] of [['DIRECT.GET', 'Empty Request'], ['STREAM.MSG.GET', 'bad request']]) {
      const { history, connection } = await start(t, await server.connect(t))
      await append(history, 'room', numbers(2))
      replace(connection, api, {})
      await t.rejects(newest(history, 'room'), { message: new RegExp(`^the NATS server cannot read the stream fastify-async-websocket_\\w+: ${reason}$`) })
    }
  })

  t.test('a topic that is left before its subscription has begun gets nothing', async (t) => {
    const server = await startServer(t)
    const { history, told, connection } = await start(t, await server.connect(t))
    const subscribing = history.subscribe('room', RETENTION)
    await history.unsubscribe('room', RETENTION)
    await subscribing
    await append(history, 'room', ['missed'])
    await connection.flush()
    t.strictSame(told.entries, [])
    await Promise.all([history.subscribe('room', RETENTION), history.subscribe('room', RETENTION)])
    await append(history, 'room', ['hello'])
    await told.until(() => told.entries.length > 0)
    t.strictSame(told.entries.map(({ bytes }) => bytes.toString()), ['hello'])
  })

  for (const isSubscribed of [true, false]) {
    t.test(`long messages are kept up to about maxBytes, if the publisher has ${isSubscribed ? '' : 'not '}subscribed`, async (t) => {
      const server = await startServer(t)
      const { history } = await start(t, await server.connect(t))
      const retention = { ...RETENTION, maxBytes: 100_000 }
      await append(history, 'other', ['short'], retention)
      if (isSubscribed) await history.subscribe('room', retention)
      const texts = numbers(100).map((n) => n.padEnd(10_000))
      await append(history, 'room', texts, retention)
      let kept: string[] = []
      await until(async () => {
        kept = await newest(history, 'room', retention)
        return kept.length <= 12
      })
      t.ok(kept.length >= 10, `${kept.length} of 10,000 bytes`)
      t.strictSame(kept.map((text) => text.trim()), numbers(100).slice(-kept.length))
      t.strictSame(await newest(history, 'other', retention), ['short'])
      await append(history, 'room', ['x'.repeat(300_000)], retention)
      await until(async () => (await newest(history, 'room', retention)).length === 1)
      await history.unsubscribe('room', retention)
      await append(history, 'room', numbers(200), retention)
      t.equal((await newest(history, 'room', retention)).length, 201, 'short messages are not counted')
    })
  }

  t.test('a process emits a warning if NATS does not permit to remove messages', async (t) => {
    const server = await startServer(t, USER('publish: { deny: "$JS.API.STREAM.PURGE.>" }'))
    const { history } = await start(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    const warned = once(process, 'warning')
    await append(history, 'room', Array(3).fill('x'.repeat(10)), { ...RETENTION, maxBytes: 20 })
    t.match(await warned, [{ code: 'FST_WS_NATS_PURGE', message: /^the messages of a topic exceed maxBytes, and NATS does not remove them: .*Permissions Violation/ }])
  })

  t.test('a stream may deny the removal; when the broker closes, a removal under way emits no warning', async (t) => {
    const server = await startServer(t)
    const admin = await server.connect(t)
    const retention = { ...RETENTION, maxBytes: 20 }
    const connection = await server.connect(t)
    const broker = natsBroker(connection)
    await broker.start(new Recorder())
    await append(broker.history!, 'room', ['x'.repeat(20)], retention)
    const [{ config }] = await streamsOf(admin)
    t.notOk((await ask(admin, `STREAM.UPDATE.${config.name}`, { ...config, deny_purge: true })).error)
    const warned = once(process, 'warning')
    await append(broker.history!, 'room', ['x'.repeat(20)], retention)
    t.match(await warned, [{ code: 'FST_WS_NATS_PURGE', message: /stream purge not permitted/ }])
    const warnings: Error[] = []
    const collect = (warning: Error): void => { warnings.push(warning) }
    process.on('warning', collect)
    await append(broker.history!, 'room', ['x'.repeat(20)], retention)
    await broker.close()
    await connection.flush()
    await setImmediate()
    process.off('warning', collect)
    t.strictSame(warnings, [])
  })

  t.test('close leaves the connection as it was, and calls reject', async (t) => {
    const server = await startServer(t)
    const connection = await server.connect(t)
    const broker = natsBroker(connection)
    await broker.start(new Recorder())
    await broker.history!.subscribe('room', RETENTION)
    await append(broker.history!, 'room', ['hello'])
    const underWay = t.rejects(broker.history!.append('room', Buffer.from('late'), RETENTION), { message: 'the broker is closed' })
    await broker.close()
    await underWay
    t.equal((connection as any).protocol.subscriptions.size(), 0)
    for (const call of [...Object.values(CALLS), (history: BrokerHistory) => history.unsubscribe('room', RETENTION)]) await t.rejects(call(broker.history!), { message: 'the broker is closed' })
  })

  t.test('before start, every call rejects', async (t) => {
    const server = await startServer(t)
    const { history } = natsBroker(await server.connect(t))
    for (const call of Object.values(CALLS)) await t.rejects(call(history!), { message: 'the broker has not been started' })
  })
})

t.test('a closed broker leaves no timer entry', { skip }, async (t) => {
  t.equal(timers.size, entries)
})

/** A server configuration with one user, app, that has `permissions`. */
function USER (permissions: string): string {
  return `authorization: { users: [{ user: app, password: secret, permissions: { ${permissions} } }] }`
}

function withHeaders (values: Record<string, string>): MsgHdrs {
  const all = headers()
  for (const [name, value] of Object.entries(values)) all.set(name, value)
  return all
}

/** Replaces what `connection` asks an API of JetStream, if it has `part`. */
function replace (connection: NatsConnection, api: string, query: object, part = ''): void {
  const { publish } = connection
  connection.publish = function (subject, payload, options) {
    const isReplaced = subject.startsWith(`$JS.API.${api}.`) && Buffer.from(payload).includes(part)
    publish.call(this, subject, isReplaced ? Buffer.from(JSON.stringify(query)) : payload, options)
  }
}

/** A connection that reports its status like a connection of the `nats` package, version 2. */
function asVersion2 (connection: Connection): NatsConnection {
  return Object.create(connection, {
    status: {
      value: async function * () {
        for await (const status of connection.status()) {
          yield status.type === 'error' ? { type: status.type, data: 'PERMISSIONS_VIOLATION', permissionContext: { subject: (status.error as any).subject } } : status
        }
      }
    }
  })
}

t.test('what is read while the server removes the oldest messages has no gap', { skip }, async (t) => {
  const server = await startServer(t)
  const [reader, writer] = [await start(t, await server.connect(t)), await start(t, await server.connect(t))]
  const retention = { ...RETENTION, size: 50 }
  let count = 0
  const write = (): Promise<unknown> => writer.history.append('room', Buffer.from(String(count++)), retention)
  for (let i = 0; i < 60; i++) await write()
  let readings = 0
  const end = new AbortController()
  const writing = (async () => { while (!end.signal.aborted) await write() })()
  for (let i = 0; i < 200; i++) {
    const [oldest] = (await reader.history.readNewest('room', 40, retention))
    const found = i % 2 === 0 ? await reader.history.readNewest('room', 50, retention) : await reader.history.read('room', oldest.position, 101, retention)
    const numbers = found.map(({ message }) => Number(Buffer.from(message).toString()))
    const gap = numbers.findIndex((number, place) => place > 0 && number !== numbers[place - 1] + 1)
    if (gap !== -1) t.fail(`${numbers[gap]} after ${numbers[gap - 1]}`)
    if (found.length > 0) readings++
  }
  end.abort()
  await writing
  t.ok(readings > 50, `${readings} readings found messages`)
})
