import type { NatsConnection as Connection } from '@nats-io/transport-node'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { timers } from '../../lib/base/timers'
import { natsBroker, type NatsConnection } from '../../lib/brokers/nats'
import { WebSocketOptionError } from '../../lib/base/errors'
import { TRICKY_TOPICS } from '../contract/brokers'
import { Link } from '../helpers/broker-link'
import { NatsServer, skip, startBroker } from '../helpers/nats'
import { Recorder, type Recorded } from '../helpers/recorder'

/** In ms: the broker gives up a server that does not answer within this time. */
const FOUND = 5_000

/** The number of timer entries before the tests. */
const entries = timers.size

/** Asserts that `broker` can subscribe to `topic`, and that a message it publishes there arrives. */
async function works (t: Test, { broker, told }: Recorded, topic = 'works'): Promise<void> {
  await broker.subscribe(topic)
  const { length } = told.texts(topic)
  await broker.publish(topic, Buffer.from('hello'))
  await told.until(() => told.texts(topic).length > length)
  t.equal(told.texts(topic).length, length + 1)
}

/** Resolves with the process warnings that `action` causes. */
async function warnings (action: () => Promise<unknown>): Promise<NodeJS.ErrnoException[]> {
  const all: NodeJS.ErrnoException[] = []
  const collect = (warning: Error): void => { all.push(warning) }
  process.on('warning', collect)
  await action()
  await setImmediate() // Node emits warnings when the turn is over
  process.off('warning', collect)
  return all
}

/** Resolves when a connection reports a status of the given type. */
async function status (connection: Connection, type: string): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return
}

/** Listens on `subject`. Returns a function that resolves with the subjects of the messages so far; call it when all has been sent. */
async function listen (server: NatsServer, t: Test, subject: string): Promise<() => Promise<string[]>> {
  const connection = await server.connect(t)
  const subjects: string[] = []
  connection.subscribe(subject, { callback: (_error, message) => { subjects.push(message.subject) } })
  await connection.flush()
  return async () => {
    await connection.flush()
    return subjects
  }
}

t.test('NATS', { skip, timeout: 60_000, jobs: 2 }, async (t) => {
  const parallel = { buffered: true } // for tests that wait for seconds

  t.test('a dead link', parallel, async (t) => {
    const server = await NatsServer.start(t)
    const link = await Link.start(t, server.port)
    const connection = await server.connect(t, { servers: `127.0.0.1:${link.port}`, timeout: 500 })
    const started = await startBroker(t, connection)
    const { broker, told } = started
    await works(t, started)
    link.die()
    const begin = performance.now()
    const lost = broker.publish('works', Buffer.from('lost'))
    await t.resolves(lost, 'the broker does not know yet')
    const subscribed = broker.subscribe('another')
    await Promise.all([
      t.rejects(subscribed, { message: 'the NATS server has not answered for 3 s' }),
      told.until(() => told.downs.length > 0)
    ])
    const found = performance.now() - begin
    t.comment(`found after ${Math.round(found)} ms`)
    t.ok(found < FOUND, 'is noticed within 5 s, whatever the pingInterval of the connection')
    await t.rejects(broker.publish('works', Buffer.from('late')), { message: 'the NATS server has not answered for 3 s' })
    link.revive()
    await told.until(() => told.ups === 2)
    await works(t, started)
    t.strictSame(told.texts(), ['hello', 'hello'])
    t.equal(told.downs.length, 1)
  })

  t.test('a stopped server', parallel, async (t) => {
    const server = await NatsServer.start(t)
    const heard = await listen(server, t, '*.flood')
    const connection = await server.connect(t)
    const disconnected = status(connection, 'disconnect')
    const started = await startBroker(t, connection)
    const { broker, told } = started
    const late = { broker: natsBroker(await server.connect(t)), told: new Recorder() }
    t.teardown(() => late.broker.close())
    await server.freeze()
    const begin = performance.now()
    for (let i = 0; i < 30; i++) {
      await broker.publish('flood', Buffer.alloc(1_000_000)) // more than the kernel takes
      await setImmediate()
    }
    await Promise.all([told.until(() => told.downs.length > 0), late.broker.start(late.told)])
    const found = performance.now() - begin
    t.comment(`found after ${Math.round(found)} ms`)
    t.ok(found < FOUND, 'is noticed within 5 s, with many bytes not yet sent')
    t.equal(late.told.ups, 0, 'a broker that starts meanwhile starts without the server')
    await disconnected
    server.thaw()
    await Promise.all([told.until(() => told.ups === 2), late.told.until(() => late.told.ups === 1)])
    await works(t, started)
    await works(t, late)
    t.ok((await heard()).length < 30, 'messages that were not sent are not sent later')
  })

  t.test('close, with a stopped server', async (t) => {
    const server = await NatsServer.start(t)
    const started = await startBroker(t, await server.connect(t))
    await works(t, started)
    const connection = await server.connect(t)
    const late = natsBroker(connection)
    const told = new Recorder()
    await server.freeze()
    const starting = late.start(told)
    const subscribing = started.broker.subscribe('another')
    const { calls } = started.told
    const begin = performance.now()
    const settled = Promise.all([t.rejects(starting, { message: 'the broker is closed' }), t.rejects(subscribing, { message: 'the broker is closed' })])
    await Promise.all([late.close(), started.broker.close()])
    t.ok(performance.now() - begin < 100, 'resolves soon')
    await settled
    server.thaw()
    await connection.flush()
    t.equal(started.told.calls, calls)
    t.equal(told.calls, 0)
  })

  t.test('every topic becomes one token below the prefix, of a length that the server takes', async (t) => {
    const server = await NatsServer.start(t)
    const heard = await listen(server, t, '>')
    const { broker } = await startBroker(t, await server.connect(t))
    const topics = [...TRICKY_TOPICS, '\n', '\0', '\r\nPUB a 0', '\ud800', '\udfff', '\udc00\ud800', '\ud83d!', '!\udc00', '%d800', '%d83d!']
    for (const topic of topics) await broker.publish(topic, Buffer.from('hello'))
    await broker.subscribe('flush')
    const subjects = await heard()
    t.equal(new Set(subjects).size, topics.length, 'no two topics have the same subject')
    t.strictSame(subjects.filter((subject) => !/^fastify-async-websocket\.[^ \t\r\n\0.*>]+$/.test(subject)), [])
    t.ok(Math.max(...subjects.map((subject) => Buffer.byteLength(subject))) < 1_000)
  })

  t.test('the number of topics to publish to has no limit', async (t) => {
    const server = await NatsServer.start(t)
    const heard = await listen(server, t, '>')
    const { broker } = await startBroker(t, await server.connect(t))
    const topics = Array.from({ length: 2_500 }, (_, i) => `room${i}`)
    for (const topic of [...topics, ...topics]) await broker.publish(topic, Buffer.from('hello'))
    await broker.subscribe('flush')
    t.strictSame(await heard(), [...topics, ...topics].map((topic) => `fastify-async-websocket.${topic}`))
  })

  t.test('the user sets the prefix', async (t) => {
    const server = await NatsServer.start(t)
    const heard = await listen(server, t, '>')
    for (const prefix of ['a', 'a.', 'a.b', '$x._y.', 'é', 'a'.repeat(256)]) await works(t, await startBroker(t, await server.connect(t), { prefix }), 'room')
    t.strictSame(await heard(), ['aroom', 'a.room', 'a.broom', '$x._y.room', 'éroom', `${'a'.repeat(256)}room`])
  })

  t.test('a value that can never work is an error that says what to do', async (t) => {
    const server = await NatsServer.start(t)
    const connection = await server.connect(t)
    for (const prefix of ['', '.', '.a', 'a..', 'a..b', 'a b', 'a\n', '*', 'a.*.', '>', 'a.>', 'a'.repeat(257), 1, Symbol('a')] as any[]) {
      const broker = natsBroker(connection, { prefix })
      await t.rejects(broker.start(new Recorder()), { constructor: WebSocketOptionError, message: /^the prefix of natsBroker is .*: use the beginning of a subject/ }, String(prefix))
    }
    t.throws(() => natsBroker(connection, { prefx: 'a' } as any), { constructor: WebSocketOptionError, message: 'unknown option prefx of natsBroker: the options are prefix' })
    for (const wrong of [undefined, null, 'nats://127.0.0.1', {}, { get publish () { throw new Error('from the getter') } }, () => {}, Promise.resolve(connection), { ...connection }] as any[]) {
      const broker = natsBroker(wrong)
      await t.rejects(broker.start(new Recorder()), { constructor: WebSocketOptionError, message: /^natsBroker takes a connection of @nats-io\/transport-node, await connect/ })
    }
    await connection.close()
    await t.rejects(natsBroker(connection).start(new Recorder()), { constructor: WebSocketOptionError, message: 'natsBroker takes an open connection, and has got one that is closed' })
  })

  t.test('the server refuses a subscription without permission, and nothing else', async (t) => {
    const server = await NatsServer.start(t, USERS(['fastify-async-websocket.allowed.>', 'fastify-async-websocket.public']))
    const started = await startBroker(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    const { broker, told } = started
    const topics = ['public', 'private', 'secret']
    const results = await Promise.allSettled(topics.map((topic) => broker.subscribe(topic)))
    t.strictSame(results.map(({ status }) => status), ['fulfilled', 'rejected', 'rejected'])
    for (const [i, result] of results.entries()) {
      if (result.status === 'rejected') t.match(result.reason, { message: `Permissions Violation for Subscription to "fastify-async-websocket.${topics[i]}"` })
    }
    await t.rejects(broker.subscribe('private'), /Permissions Violation/, 'at each attempt')
    await broker.unsubscribe('private')
    await works(t, started, 'public')
    t.strictSame(told.downs, [])
  })

  t.test('a message published without permission is lost, and nothing else', async (t) => {
    const server = await NatsServer.start(t, USERS(['>'], 'fastify-async-websocket.private'))
    const connection = await server.connect(t, { user: 'app', pass: 'secret' })
    const errors: unknown[] = []
    ;(async () => { for await (const status of connection.status()) errors.push((status as any).error?.message) })()
    const started = await startBroker(t, connection)
    const publishing = started.broker.publish('private', Buffer.from('hello'))
    await Promise.all([publishing, works(t, started, 'public')])
    t.strictSame(errors, ['Permissions Violation for Publish to "fastify-async-websocket.private"'], 'the connection reports it')
    t.strictSame(started.told.downs, [])
  })

  t.test('when the server withdraws the permission for a topic, the broker goes down and up, so that the app subscribes again', async (t) => {
    const server = await NatsServer.start(t, USERS(['>']))
    const started = await startBroker(t, await server.connect(t, { user: 'app', pass: 'secret' }))
    const { broker, told } = started
    await works(t, started, 'private')
    await works(t, started, 'public')
    await server.reload(USERS(['fastify-async-websocket.public']))
    await told.until(() => told.ups === 2)
    t.match(told.downs, [{ message: /Permissions Violation for Subscription to "fastify-async-websocket.private"/ }])
    await t.rejects(broker.subscribe('private'), /Permissions Violation/)
    await works(t, started, 'public')
  })

  for (const version of [3, 2]) {
    t.test(`the server refuses subscriptions over its limit, and nothing else: version ${version} of the client`, async (t) => {
      const server = await NatsServer.start(t, 'max_subscriptions: 2')
      const connection = await server.connect(t)
      const started = await startBroker(t, version === 2 ? asVersion2(connection) : connection)
      const { broker, told } = started
      await works(t, started, 'one')
      await works(t, started, 'two')
      const message = version === 2 ? 'PROTOCOL' : 'maximum subscriptions exceeded'
      await t.rejects(broker.subscribe('three'), { message })
      await broker.unsubscribe('one')
      await works(t, started, 'three')
      await works(t, started, 'two')
      t.strictSame(told.downs, [])
    })
  }

  t.test('publish refuses a message above the limit of the server, and nothing else', async (t) => {
    const server = await NatsServer.start(t, 'max_payload: 1000')
    const started = await startBroker(t, await server.connect(t))
    const { broker, told } = started
    await broker.subscribe('room')
    await t.rejects(broker.publish('room', Buffer.alloc(1001)), { message: 'the message has 1001 bytes, and the NATS server takes 1000 (max_payload)' })
    await broker.publish('room', Buffer.alloc(1000))
    await told.until(() => told.messages.length > 0)
    await works(t, started)
    t.strictSame(told.downs, [])
    t.equal(told.texts('room').length, 1)
  })

  t.test('an error of the app does not reach the client, which would stop reading', async (t) => {
    const server = await NatsServer.start(t)
    const started = await startBroker(t, await server.connect(t))
    const { broker, told } = started
    await broker.subscribe('room')
    told.onMessage = () => {
      told.onMessage = Recorder.prototype.onMessage
      throw new Error('from the app')
    }
    const warned = await warnings(async () => {
      await broker.publish('room', Buffer.from('hello'))
      await works(t, started)
    })
    t.match(warned, [{ message: /from the app/ }])
  })

  t.test('a connection that gives up', async (t) => {
    const server = await NatsServer.start(t)
    const connection = await server.connect(t, { maxReconnectAttempts: 2, reconnectTimeWait: 10 })
    let started!: Recorded
    const warned = await warnings(async () => { started = await startBroker(t, connection) })
    t.match(warned, [{ code: 'FST_WS_NATS_RECONNECT', message: /for good.*maxReconnectAttempts: -1/ }], 'start emits a warning')
    const { broker, told } = started
    await server.kill()
    await connection.closed()
    await setImmediate()
    t.match(told.downs, [{ message: 'the connection to NATS is lost; to try again for ever, connect with maxReconnectAttempts: -1' }], 'onDown says what to set')
    await t.rejects(broker.publish('room', Buffer.from('hello')), { message: /closed for good, .*maxReconnectAttempts: -1/ }, 'publish says what to set, too')
    await t.rejects(broker.subscribe('room'), { message: /closed for good/ })
    await server.start()
    await broker.close()
    t.equal(told.calls, 2)
  })

  t.test('start emits no warning for a connection that tries for ever, or that has no options', async (t) => {
    const server = await NatsServer.start(t)
    const connections: NatsConnection[] = [await server.connect(t), Object.create(await server.connect(t), { options: { value: undefined } })]
    for (const connection of connections) t.strictSame(await warnings(() => startBroker(t, connection)), [])
    const never = await server.connect(t, { reconnect: false })
    t.match(await warnings(() => startBroker(t, never)), [{ code: 'FST_WS_NATS_RECONNECT' }])
  })

  t.test('when the user closes the connection, the broker is down', async (t) => {
    const server = await NatsServer.start(t)
    const connection = await server.connect(t)
    const { broker, told } = await startBroker(t, connection)
    await broker.subscribe('room')
    await connection.close()
    await told.until(() => told.downs.length > 0)
    t.match(told.downs, [{ message: /closed for good, by the user/ }])
    await t.rejects(broker.publish('room', Buffer.from('hello')), { message: /closed for good, by the user/ })
  })

  t.test('the server cuts off a subscriber that does not read, and its broker calls onDown', async (t) => {
    const server = await NatsServer.start(t, 'max_pending: 1MB, write_deadline: "200ms"')
    const link = await Link.start(t, server.port)
    const started = await startBroker(t, await server.connect(t, { servers: `127.0.0.1:${link.port}` }))
    const { broker, told } = started
    const publisher = await startBroker(t, await server.connect(t))
    await broker.subscribe('room')
    link.pause()
    for (let i = 0; i < 30; i++) await publisher.broker.publish('room', Buffer.alloc(1_000_000))
    await server.said(/Slow Consumer/)
    link.resume()
    await told.until(() => told.ups === 2)
    t.equal(told.downs.length, 1)
    await works(t, started)
    t.strictSame(publisher.told.downs, [], 'the publisher stays up')
  })

  t.test('close leaves the connection as it was', async (t) => {
    const server = await NatsServer.start(t)
    const connection = await server.connect(t)
    const own: string[] = []
    connection.subscribe('fastify-async-websocket.room', { callback: (_error, message) => { own.push(message.string()) } })
    const { broker, told } = await startBroker(t, connection)
    for (const topic of ['room', 'hall']) await broker.subscribe(topic)
    await broker.close()
    const { calls } = told
    const { inMsgs } = connection.stats()
    connection.publish('fastify-async-websocket.hall', 'hello')
    connection.publish('fastify-async-websocket.room', 'hello')
    await connection.flush()
    t.strictSame(own, ['hello'], 'the user\'s subscriptions remain')
    t.equal(connection.stats().inMsgs, inMsgs + 1, 'the broker\'s subscriptions are gone')
    t.equal((connection as any).protocol.listeners.length, 0, 'the broker has no listener on the connection')
    t.equal(told.calls, calls)
    await works(t, await startBroker(t, connection))
  })

  t.test('a call in the same turn as close rejects', async (t) => {
    const server = await NatsServer.start(t)
    const { broker } = await startBroker(t, await server.connect(t))
    const rejected = t.rejects(broker.subscribe('room'), { message: 'the broker is closed' })
    await broker.close()
    await rejected
    await setImmediate()
  })
})

t.test('a closed broker leaves no timer entry', { skip }, async (t) => {
  t.equal(timers.size, entries)
})

/** A server configuration with one user, app, that may subscribe to `subjects` only, and may not publish to `denied`. */
function USERS (subjects: string[], denied = 'nothing'): string {
  return `authorization: { users: [{ user: app, password: secret, permissions: { subscribe: ${JSON.stringify(subjects)}, publish: { deny: ${denied} } } }] }`
}

/** A connection that reports its status like a connection of the `nats` package, version 2. */
function asVersion2 (connection: Connection): NatsConnection {
  return Object.create(connection, {
    status: {
      value: async function * () {
        for await (const { type } of connection.status()) yield type === 'error' ? { type, data: 'PROTOCOL' } : { type }
      }
    }
  })
}
