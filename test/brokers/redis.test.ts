import { once } from 'node:events'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { redisBroker, type RedisBrokerOptions } from '../../lib/brokers/redis'
import { start } from '../contract/redis'
import { Recorder } from '../helpers/recorder'
import { RedisServer, skip } from '../helpers/redis'

function clientOf (server: RedisServer): Redis {
  return new Redis({ host: '127.0.0.1', port: server.port, lazyConnect: true })
}

t.test('start refuses a value that is not a Redis client, and names the clients that work', async (t) => {
  const broker = redisBroker({} as any)
  await t.rejects(broker.start(new Recorder()), {
    name: 'WebSocketOptionError',
    code: 'FST_WS_OPTION',
    message: 'redisBroker takes a client of ioredis (Redis or Cluster) or of node-redis (createClient or createCluster)'
  })
})

t.test('start refuses a value whose getter throws', async (t) => {
  const client = { get duplicate () { throw new Error('from the getter') } }
  await t.rejects(redisBroker(client as any).start(new Recorder()), { name: 'WebSocketOptionError', message: /^redisBroker takes a client/, cause: { message: 'from the getter' } })
})

t.test('redisBroker refuses a prefix that is not a string', async (t) => {
  t.throws(() => redisBroker(new Redis({ lazyConnect: true }), { prefix: 5 as any }), { name: 'WebSocketOptionError', message: 'option prefix is 5: use a string' })
  t.throws(() => redisBroker({} as any, { prefx: 'a' } as any), { name: 'WebSocketOptionError', message: 'unknown option prefx of redisBroker: the options are prefix' })
})

t.test('before start, every call rejects and says why', async (t) => {
  const broker = redisBroker(new Redis({ lazyConnect: true }))
  for (const attempt of [broker.subscribe('room'), broker.unsubscribe('room'), broker.publish('room', Buffer.from('hello'))]) {
    await t.rejects(attempt, { name: 'WebSocketBrokerError', message: 'the broker has not been started' })
  }
  await broker.close()
})

t.test('onDown reports the first failed attempt with its reason, and not the later ones', async (t) => {
  const { broker, told } = await start(t, new Redis({ host: '127.0.0.1', port: 1, lazyConnect: true }))
  t.match(told.downs, [{ name: 'WebSocketBrokerError', message: /^Redis cannot be reached: Error: connect ECONNREFUSED/, cause: { code: 'ECONNREFUSED' } }])
  const [reason] = told.downs
  for (;;) { // until the next attempt has failed, too
    const error = await broker.publish('room', Buffer.from('hello')).catch((error) => error)
    t.match(error.message, /ECONNREFUSED/)
    if (error !== reason) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.equal(told.downs.length, 1)
  t.equal(told.ups, 0)
})

t.test('on a server', { skip }, async (t) => {
  const server = await RedisServer.start(t)

  async function channelOf (t: Test, options?: RedisBrokerOptions): Promise<string> {
    const broker = redisBroker(clientOf(server), options)
    t.teardown(() => broker.close())
    await broker.start(new Recorder())
    await broker.subscribe('a:b é')
    return await server.ask('--raw', 'pubsub', 'channels')
  }

  await t.test('a channel is a prefix and the topic, and the user can set the prefix', async (t) => {
    await t.test('by default', async (t) => t.equal(await channelOf(t), 'fastify-async-websocket:a:b é'))
    await t.test('with a prefix', async (t) => t.equal(await channelOf(t, { prefix: 'chât/' }), 'chât/a:b é'))
  })

  await t.test('the topic is the part of the channel after the prefix', async (t) => {
    for (const prefix of ['', 'chât/']) {
      const broker = redisBroker(clientOf(server), { prefix })
      t.teardown(() => broker.close())
      const told = new Recorder()
      await broker.start(told)
      await broker.subscribe('a:b é')
      await broker.publish('a:b é', Buffer.from('hello'))
      await told.until(() => told.messages.length > 0)
      t.strictSame(told.texts('a:b é'), ['hello'])
      await broker.unsubscribe('a:b é')
      t.equal(await server.ask('--raw', 'pubsub', 'channels'), '')
    }
  })

  await t.test('the broker passes on any bytes that another client publishes to the channel', async (t) => {
    const { broker, told } = await start(t, clientOf(server))
    const other = clientOf(server)
    t.teardown(() => other.disconnect())
    await broker.subscribe('room')
    await other.publish('fastify-async-websocket:room', Buffer.from([0xff, 0x00]))
    await other.publish('fastify-async-websocket:room', '')
    await told.until(() => told.messages.length === 2)
    t.strictSame(told.messages.map(({ bytes }) => [...bytes]), [[0xff, 0x00], []])
  })

  await t.test('a listener that throws causes a warning, and gets the next message', async (t) => {
    const broker = redisBroker(clientOf(server))
    t.teardown(() => broker.close())
    const texts: string[] = []
    const told = new Recorder()
    await broker.start({
      onUp: () => {},
      onDown: (reason) => told.onDown(reason),
      onMessage (topic, message) {
        texts.push(String(message))
        told.onMessage(topic, message)
        if (texts.length === 1) throw new Error('thrown by a listener')
      },
      onEntry: () => {}
    })
    await broker.subscribe('room')
    const warned = once(process, 'warning')
    await broker.publish('room', Buffer.from('first'))
    await broker.publish('room', Buffer.from('last'))
    await told.until(() => told.messages.length === 2)
    const [warning] = await warned
    t.match(warning.message, /thrown by a listener/)
    t.strictSame([texts, told.downs], [['first', 'last'], []])
  })

  await t.test('a broker is down with a reason, and does not come back when it is closed while down', async (t) => {
    const { broker, told } = await start(t, clientOf(server))
    const other = await start(t, clientOf(server))
    await server.kill()
    await told.until(() => told.downs.length === 1)
    t.match(told.downs, [{ name: 'WebSocketBrokerError', message: /^Redis cannot be reached: / }])
    await t.rejects(broker.publish('room', Buffer.from('hello')), told.downs[0])
    await broker.close()
    await t.rejects(broker.publish('room', Buffer.from('hello')), { name: 'WebSocketBrokerError', message: 'the broker is closed' })
    await server.start()
    await other.told.until(() => other.told.ups === 2)
    t.equal(told.ups, 1)
  })
})
