import { once } from 'node:events'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { redisBroker } from '../../lib/brokers/redis'
import { createApp } from '../helpers/app'
import { inTime, Recorder } from '../helpers/recorder'
import { RedisServer, skip } from '../helpers/redis'
import { until } from '../helpers/until'

const HISTORY = { size: 1_000, ttl: 60_000 }
const RETENTION = { ...HISTORY, maxBytes: 1024 * 1024 }

const keyOf = (topic: string): string => `{h:fastify-async-websocket:${topic}}:log`

function clientOf (t: Test, server: RedisServer): Redis {
  const client = new Redis({ host: '127.0.0.1', port: server.port, lazyConnect: true })
  t.teardown(() => client.disconnect())
  return client
}

async function createOn (t: Test, server: RedisServer, history: object = HISTORY): Promise<FastifyInstance> {
  const app = await createApp(t, { broker: redisBroker(clientOf(t, server)), history: history as typeof HISTORY })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await ws.subscribe('room')
    await ws.send('ready')
    await ws.closed
  })
  await app.ready()
  await until(() => app.websockets.brokerState === 'up')
  return app
}

async function publishAll (app: FastifyInstance, texts: string[], topic = 'room'): Promise<string[]> {
  const positions = []
  for (const text of texts) positions.push((await app.websockets.publish(topic, text)).position!)
  return positions
}

async function recovers (app: FastifyInstance, after: string): Promise<boolean> {
  return (await app.websockets.history('room', { after })).recovered
}

/** Kills and starts the server under a session of `app`. Returns what 'resync' told, and whether a position of before is recovered. */
async function restart (t: Test, server: RedisServer, app: FastifyInstance): Promise<{ isRecovered: boolean, resync: unknown }> {
  const client = await app.injectWebSocket('/')
  await client.expect('ready')
  const [position] = await publishAll(app, ['first'])
  await client.expect('first')
  const resynced = once(app.websockets, 'resync')
  await server.kill()
  await until(() => app.websockets.brokerState === 'down')
  await server.start()
  const [resync] = await inTime(resynced, () => 'there is no resync')
  await publishAll(app, ['second'])
  t.equal(await client.receive({ timeout: 5_000 }), 'second', 'the session goes on')
  return { isRecovered: await recovers(app, position), resync }
}

t.test('a prefix with which the keys of histories begin is refused', async (t) => {
  t.throws(() => redisBroker(new Redis({ lazyConnect: true }), { prefix: '{h:x' }), { name: 'WebSocketOptionError', message: /option prefix is '\{h:x': use one that does not begin with \{h:/ })
})

t.test('before start every call of the history rejects and says why', async (t) => {
  const { history } = redisBroker(new Redis({ lazyConnect: true }))
  for (const call of [() => history!.subscribe('room', RETENTION), () => history!.append('room', Buffer.from('x'), RETENTION), () => history!.read('room', '1-1', 1, RETENTION)]) {
    await t.rejects(call() as Promise<unknown>, { name: 'WebSocketBrokerError', message: 'the broker has not been started' })
  }
})

t.test('what a server can lose', { skip }, async (t) => {
  t.test('a log that was deleted, and made anew', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    const [first, last] = await publishAll(app, ['first', 'last'])
    t.equal(await recovers(app, last), true)
    await server.ask('del', keyOf('room'))
    t.equal(await recovers(app, last), false)
    const [anew] = await publishAll(app, ['anew'])
    t.strictSame([await recovers(app, first), await recovers(app, last), await recovers(app, anew)], [false, false, true])
  })

  t.test('a log that was made anew in the same millisecond, so that its first message has the position of another one', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    const [position] = await publishAll(app, ['before'])
    const client = clientOf(t, server)
    await publishAll(app, ['other'], 'other')
    const [[, [, envelope]]] = await client.xrangeBuffer(keyOf('other'), '-', '+') as any
    await server.ask('del', keyOf('room'))
    await client.xadd(keyOf('room'), position.split('~')[0], 'm', envelope)
    t.equal(await recovers(app, position), false)
  })

  t.test('a server that restarts without its memory: sessions go on, and are said to have missed messages', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    t.strictSame(await restart(t, server, app), { isRecovered: false, resync: { topics: ['room'], recovered: [], missed: ['room'] } })
  })

  t.test('a server with persistence that restarts: nothing is missed', async (t) => {
    const server = await RedisServer.start(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    const app = await createOn(t, server)
    t.strictSame(await restart(t, server, app), { isRecovered: true, resync: { topics: ['room'], recovered: ['room'], missed: [] } })
  })

  t.test('a replica that becomes master, with the last message and without', async (t) => {
    const master = await RedisServer.start(t, { args: ['--repl-diskless-sync-delay', '0'] }) // by default a master waits 5 s for more replicas
    const replica = await RedisServer.start(t, { args: ['--replicaof', '127.0.0.1', String(master.port)] })
    const before = await createOn(t, master)
    const positions = await publishAll(before, ['0', '1', '2', '3', '4'])
    await until(async () => await replica.ask('xlen', keyOf('room')) === '5')
    await replica.ask('replicaof', 'no', 'one')
    const [lost] = await publishAll(before, ['lost'])
    const after = await createOn(t, replica)
    t.strictSame([await recovers(after, positions[4]), await recovers(after, positions[1]), await recovers(after, lost)], [true, true, false])
    await publishAll(after, ['5', '6'])
    t.equal(await recovers(after, lost), false)
    t.strictSame((await after.websockets.history('room', { after: positions[3] })).messages.map(({ data }) => data), ['4', '5', '6'])
  })

  t.test('the scripts, when somebody flushes them', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    await publishAll(app, ['first'])
    await server.ask('script', 'flush')
    await publishAll(app, ['second'])
    t.strictSame((await app.websockets.history('room')).messages.map(({ data }) => data), ['first', 'second'])
    await server.ask('script', 'flush')
    t.strictSame((await app.websockets.history('room', { last: 1 })).messages.map(({ data }) => data), ['second'])
  })

  t.test('a server without memory for a message: publish rejects, and nobody has the message', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    await publishAll(app, ['first'])
    await server.ask('config', 'set', 'maxmemory', '1', 'maxmemory-policy', 'noeviction')
    await t.rejects(app.websockets.publish('room', 'second'), { name: 'WebSocketBrokerError', message: /has not confirmed the message.*OOM/ })
    await server.ask('config', 'set', 'maxmemory', '0')
    await publishAll(app, ['third'])
    t.strictSame((await app.websockets.history('room')).messages.map(({ data }) => data), ['first', 'third'])
  })

  t.test('messages that nobody has published with this version are no messages', async (t) => {
    const server = await RedisServer.start(t)
    const app = await createOn(t, server)
    const client = clientOf(t, server)
    const [first] = await publishAll(app, ['first'])
    await client.xadd(keyOf('room'), '*', 'm', 'foreign')
    await publishAll(app, ['second'])
    t.strictSame((await app.websockets.history('room', { after: first })).messages.map(({ data }) => data), ['second'])
  })
})

t.test('what a topic takes', { skip }, async (t) => {
  const server = await RedisServer.start(t)
  const usage = async (topic: string): Promise<number> => Number(await server.ask('memory', 'usage', keyOf(topic), 'samples', '0'))

  t.test('no more than about twice maxBytes, of which the newest are kept', async (t) => {
    const broker = redisBroker(clientOf(t, server))
    t.teardown(() => broker.close())
    await broker.start(new Recorder())
    for (const [topic, lengths] of [['large', [20_000]], ['mixed', [100, 100, 100, 30_000]], ['small', [50]]] as [string, number[]][]) {
      const retention = { size: 1_000, ttl: 60_000, maxBytes: 100_000 }
      let appended = 0
      for (let i = 0; i < 2_000; i++) {
        const length = lengths[i % lengths.length]
        await broker.history!.append(topic, Buffer.alloc(length, i), retention)
        appended += length
      }
      const entries = await broker.history!.readNewest(topic, 10_000, retention)
      const bytes = entries.reduce((sum, { message }) => sum + message.length, 0)
      t.ok(await usage(topic) < 260_000, `${topic}: ${await usage(topic)} bytes of the server, ${entries.length} messages with ${bytes} bytes of ${appended}`)
      t.ok(topic === 'small' ? entries.length === 1_000 : bytes > 70_000)
    }
  })

  t.test('nothing, some time after its last message', async (t) => {
    const app = await createOn(t, server, { size: 10, ttl: 300 })
    await publishAll(app, ['x'], 'short')
    t.equal(await server.ask('exists', keyOf('short')), '1')
    await until(async () => await server.ask('exists', keyOf('short')) === '0')
  })
})
