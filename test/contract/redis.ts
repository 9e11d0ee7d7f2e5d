import { setTimeout } from 'node:timers/promises'
import { createClientPool, createSentinel } from 'redis'
import type { Test } from 'tap'
import { redisBroker, type RedisClient } from '../../lib/brokers/redis'
import { Link } from '../helpers/broker-link'
import { Recorder, type Recorded } from '../helpers/recorder'
import { RedisCluster, RedisServer } from '../helpers/redis'
import { until } from '../helpers/until'

/** Options for a client of one server. */
export interface ClientOptions {
  port: number
  username?: string
  password?: string
  keyPrefix?: string
  /** The version of the Redis protocol. */
  protocol?: 2 | 3
  /** The certificate authority to trust; with it, the client uses TLS. */
  ca?: Buffer
}

/** Options for a client of a cluster. */
export interface ClusterClientOptions {
  nodes: { host: string, port: number }[]
  password?: string
  keyPrefix?: string
}

/** Makes clients of a library as a user does. The clients are not connected. */
export interface Clients {
  create (options: ClientOptions): RedisClient
  createCluster (options: ClusterClientOptions): RedisClient
}

/** In ms: the broker notices a silent link within this time. */
const FOUND = 5_000

/** Starts a broker. The end of `t` closes it. */
export async function start (t: Test, client: RedisClient): Promise<Recorded> {
  const broker = redisBroker(client)
  t.teardown(() => broker.close())
  const told = new Recorder()
  await broker.start(told)
  return { broker, told }
}

/** Asserts that a message arrives. */
async function works (t: Test, { broker, told }: Recorded, topic: string, text: string): Promise<void> {
  await broker.subscribe(topic)
  await broker.publish(topic, Buffer.from(text))
  await told.until(() => told.texts(topic).includes(text))
  t.pass(`${topic}: ${text}`)
}

/** The ids of the clients of a server, except the client that asks. */
async function clientsOf (server: RedisServer): Promise<string[]> {
  const lines = (await server.ask('client', 'list')).split('\n').filter((line) => !line.includes('cmd=client'))
  return lines.map((line) => line.match(/^id=(\d+)/)![1])
}

/** The id of the client whose line in the server's client list matches. */
async function clientOf (server: RedisServer, pattern: RegExp): Promise<string> {
  const line = (await server.ask('client', 'list')).split('\n').find((line) => pattern.test(line))
  return line!.match(/^id=(\d+)/)![1]
}

/** Tests the rules for a broker on one Redis server, with any library. */
export function redisContract (t: Test, clients: Clients): void {
  t.test('start refuses a value that is not a client', async (t) => {
    const nodes = [{ host: '127.0.0.1', port: 1 }]
    const pool = createClientPool()
    const sentinel = createSentinel({ name: 'main', sentinelRootNodes: nodes })
    const method = (): void => {}
    for (const client of [undefined, null, {}, 'redis://localhost', pool, sentinel, { duplicate: method }, { duplicate: method, destroy: method }] as any[]) {
      await t.rejects(redisBroker(client).start(new Recorder()), { name: 'WebSocketOptionError', message: /takes a client of ioredis .* or of node-redis/ })
    }
  })

  t.test('the broker does not change the user\'s client', async (t) => {
    const server = await RedisServer.start(t)
    const client = clients.create({ port: server.port }) as any
    await client.connect()
    t.teardown(() => client.quit())
    const before = await clientsOf(server)
    const listeners = client.eventNames().map((name: string) => [name, client.listenerCount(name)])
    const recorded = await start(t, client)
    await works(t, recorded, 'room', 'hello')
    t.equal((await clientsOf(server)).length, before.length + 2)
    await recorded.broker.close()
    await until(async () => (await clientsOf(server)).length === before.length)
    t.strictSame(await clientsOf(server), before)
    t.strictSame(client.eventNames().map((name: string) => [name, client.listenerCount(name)]), listeners)
    t.equal(await client.ping(), 'PONG')
  })

  t.test('a client that is not connected stays unconnected', async (t) => {
    const server = await RedisServer.start(t)
    const client = clients.create({ port: server.port })
    await works(t, await start(t, client), 'room', 'hello')
    t.equal((await clientsOf(server)).length, 2)
  })

  t.test('a key prefix does not apply to topics', async (t) => {
    const server = await RedisServer.start(t)
    const one = await start(t, clients.create({ port: server.port, keyPrefix: 'mine:' }))
    const two = await start(t, clients.create({ port: server.port }))
    await one.broker.subscribe('room')
    await two.broker.publish('room', Buffer.from('hello'))
    await one.told.until(() => one.told.messages.length > 0)
    t.strictSame(one.told.texts('room'), ['hello'])
  })

  for (const protocol of [2, 3] as const) {
    t.test(`over version ${protocol} of the protocol an idle connection stays up`, async (t) => {
      const server = await RedisServer.start(t)
      const recorded = await start(t, clients.create({ port: server.port, protocol }))
      await works(t, recorded, 'room', 'hello')
      await setTimeout(FOUND)
      await works(t, recorded, 'room', 'still there')
      t.strictSame([recorded.told.ups, recorded.told.downs], [1, []])
    })
  }

  t.test('over TLS, with a password', async (t) => {
    const server = await RedisServer.start(t, { isSecure: true, args: ['--requirepass', 'secret'] })
    const recorded = await start(t, clients.create({ port: server.port, password: 'secret', ca: server.ca }))
    await works(t, recorded, 'room', 'hello')
    await server.kill()
    await recorded.told.until(() => recorded.told.downs.length === 1)
    await server.start()
    await recorded.told.until(() => recorded.told.ups === 2)
    await works(t, recorded, 'room', 'again')
  })

  t.test('with a wrong password the broker is down, and the reason says so', async (t) => {
    const server = await RedisServer.start(t, { args: ['--requirepass', 'secret'] })
    const { broker, told } = await start(t, clients.create({ port: server.port, password: 'wrong' }))
    t.equal(told.ups, 0)
    t.match(told.downs, [{ name: 'WebSocketBrokerError', message: /WRONGPASS/, cause: { message: /WRONGPASS/ } }])
    await t.rejects(broker.publish('room', Buffer.from('hello')), { message: /WRONGPASS/ })
    await server.ask('-a', 'secret', 'config', 'set', 'requirepass', 'wrong')
    await told.until(() => told.ups === 1)
    t.equal(told.downs.length, 1)
  })

  for (const [verb, other] of [['publish', 'subscribe'], ['subscribe', 'publish']]) {
    t.test(`a user who may ${other} but not ${verb} is not up until the server allows it`, async (t) => {
      const server = await RedisServer.start(t)
      await server.ask('acl', 'setuser', 'somebody', 'on', '>secret', '&*', '+@all', `-${verb}`)
      const recorded = await start(t, clients.create({ port: server.port, username: 'somebody', password: 'secret' }))
      t.equal(recorded.told.ups, 0)
      t.match(recorded.told.downs, [{ message: /NOPERM/ }])
      await server.ask('acl', 'setuser', 'somebody', `+${verb}`)
      await recorded.told.until(() => recorded.told.ups === 1)
      await works(t, recorded, 'room', 'hello')
    })
  }

  t.test('the server refuses a topic without permission, and no other topic', async (t) => {
    const server = await RedisServer.start(t)
    await server.ask('acl', 'setuser', 'somebody', 'on', '>secret', '+@all', 'resetchannels', '&fastify-async-websocket:[^s]*')
    const recorded = await start(t, clients.create({ port: server.port, username: 'somebody', password: 'secret' }))
    await t.rejects(recorded.broker.subscribe('secret'), { message: /NOPERM/ })
    await t.rejects(recorded.broker.publish('secret', Buffer.from('hello')), { message: /NOPERM/ })
    await works(t, recorded, 'room', 'hello')
    t.strictSame([recorded.told.ups, recorded.told.downs], [1, []])
  })

  for (const [role, pattern] of [['subscribes', / sub=1 /], ['publishes', / sub=0 .* cmd=publish/]] as const) {
    t.test(`when only the connection that ${role} is lost, the broker is down, and then up again with both connections`, async (t) => {
      const server = await RedisServer.start(t)
      const recorded = await start(t, clients.create({ port: server.port }))
      await works(t, recorded, 'room', 'hello')
      const before = await clientsOf(server)
      await server.ask('client', 'kill', 'id', await clientOf(server, pattern))
      await recorded.told.until(() => recorded.told.downs.length === 1)
      await t.rejects(recorded.broker.publish('room', Buffer.from('missed')))
      await recorded.told.until(() => recorded.told.ups === 2)
      const after = await clientsOf(server)
      t.equal(after.length, 2)
      t.notOk(after.some((id) => before.includes(id)), 'neither is from before')
      await works(t, recorded, 'room', 'again')
    })
  }

  t.test('the broker notices a silently dead link within 5 s', async (t) => {
    const server = await RedisServer.start(t)
    const link = await Link.start(t, server.port)
    const recorded = await start(t, clients.create({ port: link.port }))
    await works(t, recorded, 'room', 'hello')
    link.die()
    const begin = performance.now()
    const underWay = recorded.broker.publish('room', Buffer.from('missed'))
    await t.rejects(underWay)
    const found = performance.now() - begin
    t.ok(found < FOUND, `found after ${Math.round(found)} ms`)
    link.revive()
    await recorded.told.until(() => recorded.told.ups === 2)
    t.comment(`up again after ${Math.round(performance.now() - begin)} ms`)
    t.equal(recorded.told.downs.length, 1)
    await works(t, recorded, 'room', 'again')
  })

  t.test('the broker notices a stopped server within 5 s, and notices when the server continues', async (t) => {
    const server = await RedisServer.start(t)
    const recorded = await start(t, clients.create({ port: server.port }))
    await works(t, recorded, 'room', 'hello')
    await server.freeze()
    const begin = performance.now()
    await recorded.told.until(() => recorded.told.downs.length === 1)
    const found = performance.now() - begin
    t.ok(found < FOUND, `found after ${Math.round(found)} ms`)
    await setTimeout(FOUND) // in this time an attempt to connect fails
    t.equal(recorded.told.ups, 1)
    server.thaw()
    await recorded.told.until(() => recorded.told.ups === 2)
    await works(t, recorded, 'room', 'again')
    t.equal(recorded.told.downs.length, 1)
  })

  t.test('a broker that is closed while the server is stopped, or while the broker connects, leaves nothing behind', async (t) => {
    const server = await RedisServer.start(t)
    const recorded = await start(t, clients.create({ port: server.port }))
    await server.freeze()
    const late = redisBroker(clients.create({ port: server.port }))
    const told = new Recorder()
    const started = late.start(told)
    const underWay = recorded.broker.publish('room', Buffer.from('hello'))
    for (const broker of [recorded.broker, late]) {
      const begin = performance.now()
      await broker.close()
      t.ok(performance.now() - begin < 500)
    }
    await t.rejects(underWay)
    await started
    t.equal(told.calls, 0)
    t.strictSame([recorded.told.ups, recorded.told.downs], [1, []])
    await until(() => server.connections().length === 0)
    server.thaw()
  })
}

/** Tests the rules for a broker on a Redis cluster, with any library. */
export function redisClusterContract (t: Test, clients: Clients): void {
  const topics = Array.from({ length: 30 }, (_, i) => `room ${i}`)

  t.test('messages go only through the server that has the channel', async (t) => {
    const cluster = await RedisCluster.start(t)
    const recorded = await start(t, clients.createCluster({ nodes: cluster.addresses.slice(0, 1) }))
    for (const topic of topics) await works(t, recorded, topic, 'hello')
    const channels = await Promise.all(cluster.nodes.map(async (node) => (await node.ask('pubsub', 'shardchannels')).split('\n').filter(Boolean)))
    t.equal(channels.flat().length, topics.length)
    t.equal(channels.filter((some) => some.length > 0).length, 3)
    for (const topic of topics) await recorded.broker.unsubscribe(topic)
    t.strictSame(await Promise.all(cluster.nodes.map((node) => node.ask('pubsub', 'shardchannels'))), cluster.nodes.map(() => ''))

    await t.test('a key prefix does not apply to topics', async (t) => {
      const prefixed = await start(t, clients.createCluster({ nodes: cluster.addresses, keyPrefix: 'mine:' }))
      for (const topic of topics) await prefixed.broker.subscribe(topic)
      for (const topic of topics) await recorded.broker.publish(topic, Buffer.from('hello'))
      await prefixed.told.until(() => prefixed.told.messages.length === topics.length)
    })

    await t.test('when a slot moves, the brokers of the publisher and the subscriber are down and up again', async (t) => {
      const publisher = await start(t, clients.createCluster({ nodes: cluster.addresses }))
      const subscriber = await start(t, clients.createCluster({ nodes: cluster.addresses }))
      await subscriber.broker.subscribe('room 0')
      await cluster.move('fastify-async-websocket:room 0')
      await subscriber.told.until(() => subscriber.told.ups === 2)
      t.equal(subscriber.told.downs.length, 1)
      await t.rejects(publisher.broker.publish('room 0', Buffer.from('missed')), { message: /MOVED/ })
      t.equal(publisher.told.downs.length, 1)
      await publisher.told.until(() => publisher.told.ups === 2)
      await subscriber.broker.subscribe('room 0')
      await publisher.broker.publish('room 0', Buffer.from('hello'))
      await subscriber.told.until(() => subscriber.told.messages.length > 0)
      t.strictSame(subscriber.told.texts(), ['hello'])
    })

    await t.test('when a master hands over to its replica, the subscriber\'s broker is down and up again, and gets the publisher\'s messages', async (t) => {
      await cluster.ready()
      const publisher = await start(t, clients.createCluster({ nodes: cluster.addresses }))
      const subscriber = await start(t, clients.createCluster({ nodes: cluster.addresses }))
      await subscriber.broker.subscribe('room 2')
      await cluster.handOver('fastify-async-websocket:room 2')
      await subscriber.told.until(() => subscriber.told.ups === 2)
      t.equal(subscriber.told.downs.length, 1)
      await subscriber.broker.subscribe('room 2')
      await publisher.broker.publish('room 2', Buffer.from('hello'))
      await subscriber.told.until(() => subscriber.told.messages.length > 0)
      t.strictSame(subscriber.told.texts(), ['hello'])
    })

    for (const [how, end] of [['dies', 'kill'], ['stands still', 'freeze']] as const) {
      await t.test(`when a master ${how}, the broker is down, and up again with the replica as master`, async (t) => {
        await cluster.ready()
        const master = await cluster.masterOf('fastify-async-websocket:room 1')
        // The user's client knows only one node: the one that goes.
        const recorded = await start(t, clients.createCluster({ nodes: [{ host: '127.0.0.1', port: master.port }] }))
        for (const topic of topics) await works(t, recorded, topic, 'hello')
        const begin = performance.now()
        await master[end]()
        await recorded.told.until(() => recorded.told.downs.length === 1)
        const found = performance.now() - begin
        t.ok(found < FOUND, `found after ${Math.round(found)} ms`)
        await recorded.told.until(() => recorded.told.ups === 2)
        t.comment(`up again after ${Math.round(performance.now() - begin)} ms`)
        for (const topic of topics) await works(t, recorded, topic, 'again')
        t.equal(recorded.told.downs.length, 1)
        if (end === 'kill') await master.start()
        else master.thaw()
      })
    }
  })

  t.test('a broker that is closed while it looks for the servers leaves nothing behind', async (t) => {
    const server = await RedisServer.start(t, { args: ['--cluster-enabled', 'yes'] })
    await server.freeze()
    const broker = redisBroker(clients.createCluster({ nodes: [{ host: '127.0.0.1', port: server.port }] }))
    const told = new Recorder()
    const started = broker.start(told)
    await until(() => server.connections().length > 0)
    await broker.close()
    await started
    await until(() => server.connections().length === 0)
    t.equal(told.calls, 0)
    server.thaw()
  })

  t.test('a cluster with a slot without a server is not up yet', async (t) => {
    const server = await RedisServer.start(t, { args: ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no', '--cluster-announce-ip', '127.0.0.1'] })
    await server.ask('cluster', 'addslotsrange', '0', '16382')
    const { told } = await start(t, clients.createCluster({ nodes: [{ host: '127.0.0.1', port: server.port }] }))
    t.match(told.downs, [{ message: /no server of the cluster has slot 16383/ }])
    await server.ask('cluster', 'addslots', '16383')
    await told.until(() => told.ups === 1)
  })

  t.test('a cluster accepts a client with the password; without it, the reason says why not', async (t) => {
    const server = await RedisServer.start(t, { args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--requirepass', 'secret'] })
    await server.ask('-a', 'secret', 'cluster', 'addslotsrange', '0', '16383')
    const nodes = [{ host: '127.0.0.1', port: server.port }]
    const { told } = await start(t, clients.createCluster({ nodes }))
    t.match(told.downs, [{ message: /NOAUTH/ }])
    const recorded = await start(t, clients.createCluster({ nodes, password: 'secret' }))
    await recorded.told.until(() => recorded.told.ups === 1)
    await works(t, recorded, 'room', 'hello')
  })
}
