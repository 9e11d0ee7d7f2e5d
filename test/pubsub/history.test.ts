import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { beginningIn } from '../../lib/pubsub/beginning'
import { PubSub } from '../../lib/pubsub/pubsub'
import { FakeClock } from '../helpers/fake-clock'
import { historyModel } from '../helpers/history-model'
import { messagesIn } from '../helpers/frames'
import { ModelBroker, ModelServer } from '../helpers/model-broker'
import { until } from '../helpers/until'
import type { Batch } from '../../lib/protocol/prepared-message'
import type { Follower, Subscription } from '../../lib/pubsub/subscription'

const RETENTION = { size: 1_000, ttl: 60_000, maxBytes: 1_000_000 }

/** A subscriber that keeps its messages. */
class Keeper implements Follower {
  readonly got: unknown[] = []
  isSlow = false
  givenUp = 0

  deliver (batch: Batch): void {
    this.got.push(...messagesIn(batch.bytes).map((message) => String(message).startsWith('{') ? JSON.parse(String(message)).data : String(message)))
  }

  offer (batch: Batch): boolean {
    if (!this.isSlow) this.deliver(batch)
    return !this.isSlow
  }

  async replay (batch: Batch): Promise<void> {
    this.deliver(batch)
  }

  giveUp (): void {
    this.givenUp++
  }
}

interface Fixture {
  pubsub: PubSub<any, Keeper>
  missed: string[]
  publish (text: string): Promise<string>
  join (options?: object, positions?: boolean): { keeper: Keeper, subscription: Subscription<Keeper>, begun: Promise<{ position: string | null, recovered: boolean }> }
}

function create (t: Test, broker?: ModelBroker): Fixture {
  const pubsub = new PubSub<any, Keeper>()
  const missed: string[] = []
  const log: any = { info () {}, warn () {}, error () {} }
  if (broker !== undefined) {
    pubsub.connect(broker, () => { pubsub.history!.recover() }, { log })
    t.teardown(() => pubsub.link!.close())
  }
  pubsub.remember(() => RETENTION, broker, (topic) => missed.push(topic))
  return {
    pubsub,
    missed,
    publish: async (text) => (await pubsub.publishKept('room', RETENTION, 'text', text)).position!,
    join (options = {}, positions = true) {
      const keeper = new Keeper()
      const subscription = pubsub.history!.create('room', RETENTION, keeper, positions)
      const begun = pubsub.history!.begin(subscription, beginningIn('subscribe', options))
      begun.catch(() => {})
      return { keeper, subscription, begun }
    }
  }
}

async function createUp (t: Test): Promise<Fixture & { server: ModelServer, broker: ModelBroker }> {
  const server = new ModelServer(() => 0)
  const broker = new ModelBroker(server)
  const fixture = create(t, broker)
  await fixture.pubsub.link!.start()
  await until(() => fixture.pubsub.link!.state === 'up')
  return { ...fixture, server, broker }
}

// First, since the logs of the other tests have timers on the real clock.
t.test('the position that a topic has after all its messages have expired can be resumed from', async (t) => {
  const clock = new FakeClock(t)
  const { pubsub, join, publish } = create(t)
  await join().begun
  await clock.pass(RETENTION.ttl + 1_000)
  const standings = [await join().begun, await join().begun]
  t.equal(standings[0].position, standings[1].position, 'the topic has got one new position')
  await publish('first')
  const { keeper, begun } = join({ after: standings[1].position })
  t.match(await begun, { recovered: true })
  t.strictSame(keeper.got, ['first'])
  await pubsub.close()
})

t.test('random runs: nothing is missing unless the client is told, nothing comes twice or too early', async (t) => historyModel(t, 120))

t.test('in one process a subscription is live in the turn in which it begins, as without history', async (t) => {
  const { pubsub, join, publish } = create(t)
  const { keeper, subscription } = join({}, false)
  const first = publish('first')
  const other = join({}, false)
  await publish('second')
  await first
  await turn()
  t.strictSame([keeper.got, other.keeper.got], [['first', 'second'], ['second']])
  t.strictSame([...pubsub.names], ['room'])
  t.equal(pubsub.has('room'), true)
  t.equal(pubsub.history!.followers('room').length, 2)
  for (const { subscription: each } of [{ subscription }, other]) pubsub.history!.end(each)
  t.equal(pubsub.has('room'), false)
  t.strictSame(pubsub.history!.followers('room'), [])
})

t.test('close forgets what is kept in this process', async (t) => {
  const { pubsub, publish } = create(t)
  await publish('first')
  await pubsub.close()
  t.strictSame((await pubsub.history!.read('room', RETENTION, {})).messages, [])
  const { pubsub: withBroker } = await createUp(t)
  await withBroker.close()
  t.equal(withBroker.link!.state, 'down')
})

t.test('much that is published in one turn resolves in the next turn', async (t) => {
  const { pubsub } = create(t)
  let isDone = false
  const published = pubsub.publishKept('room', RETENTION, 'text', 'x'.repeat(40_000)).then(() => { isDone = true })
  await Promise.resolve().then(() => {}).then(() => {})
  t.equal(isDone, false)
  await published
})

t.test('a subscription that ends before it has begun is none', async (t) => {
  const { pubsub, join, publish } = await createUp(t)
  const position = await publish('first')
  for (const options of [{}, { last: 5 }, { after: position }]) {
    const { keeper, subscription, begun } = join(options)
    pubsub.history!.end(subscription)
    t.equal((await begun).recovered, false)
    await publish('second')
    await turn()
    t.strictSame(keeper.got, [])
    t.equal(pubsub.has('room'), false)
  }
})

t.test('while the broker is down: what is live comes later, what was asked for rejects', async (t) => {
  const { broker, join, publish, pubsub } = await createUp(t)
  const position = await publish('first')
  broker.cut()
  await t.rejects(publish('lost'), { name: 'WebSocketBrokerError', message: /is down: the message has reached no subscriber/ })
  await t.rejects(pubsub.history!.read('room', RETENTION, {}), { name: 'WebSocketBrokerError' })
  for (const options of [{ last: 5 }, { after: position }]) await t.rejects(join(options).begun, { name: 'WebSocketBrokerError' })
  const { keeper, begun } = join()
  t.strictSame(await begun, { position: null, recovered: false })
  broker.mend()
  await until(() => pubsub.link!.state === 'up')
  await publish('second')
  await until(() => keeper.got.length > 0)
  t.strictSame(keeper.got, ['second'])
})

t.test('a log that begins anew while the broker is up is noticed, and what is live goes on', async (t) => {
  const { server, join, publish, missed } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  for (let i = 0; i < 5; i++) await publish(String(i))
  await until(() => keeper.got.length === 5)
  server.lose('room', true)
  await publish('anew')
  await until(() => missed.length === 1)
  await publish('next')
  await until(() => keeper.got.includes('next'))
  t.strictSame(missed, ['room'])
})

t.test('a log that cannot be read, though the broker is up: what is live goes on, and messages are said to be missed', async (t) => {
  const { broker, server, join, publish, missed } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  for (let i = 0; i < 5; i++) await publish(String(i))
  await until(() => keeper.got.length === 5)
  const { read, readNewest } = broker
  broker.read = broker.readNewest = async () => { throw new Error('cannot read') }
  await t.rejects(join({ last: 5 }).begun, { name: 'WebSocketBrokerError', message: 'the broker cannot read the history of the topic: cannot read' })
  server.lose('room', true)
  await publish('anew')
  await until(() => missed.length === 1)
  await publish('next')
  await until(() => keeper.got.includes('next'))
  Object.assign(broker, { read, readNewest })
})

t.test('a slow subscriber whose messages cannot be read is given up', async (t) => {
  const { broker, join, publish } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  keeper.isSlow = true
  const { read } = broker
  broker.read = async () => { throw new Error('cannot read') }
  await publish('first')
  await until(() => keeper.givenUp === 1)
  Object.assign(broker, { read })
  t.strictSame(keeper.got, [])
})

t.test('a broker that does not take a message, and one that brings foreign bytes', async (t) => {
  const { broker, server, join, publish, pubsub } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  server.append('room', Buffer.from('foreign'))
  await publish('first')
  await until(() => keeper.got.length > 0)
  t.strictSame(keeper.got, ['first'])
  t.strictSame((await pubsub.history!.read('room', RETENTION, {})).messages.map(({ data }) => data), ['first'])
  broker.append = async () => { throw new Error('no') }
  await t.rejects(publish('second'), { name: 'WebSocketBrokerError', message: 'the broker has not confirmed the message, which may have been kept: no' })
})

t.test('an entry that cannot be delivered is logged, and the next ones come', async (t) => {
  const { pubsub, join, publish } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  const { deliver } = keeper
  keeper.offer = () => { throw new Error('from a subscriber') }
  pubsub.link!.onEntry('room', 'x', Buffer.alloc(0))
  await publish('first')
  await turn()
  keeper.offer = Keeper.prototype.offer
  keeper.deliver = deliver
  await publish('second')
  await until(() => keeper.got.includes('second'))
})

t.test('history reads page by page what came after a position', async (t) => {
  const { pubsub } = create(t)
  const size = 1_200
  const retention = { ...RETENTION, size }
  const positions: string[] = []
  for (let i = 0; i < size; i++) positions.push((await pubsub.publishKept('room', retention, 'json', String(i))).position!)
  const after = async (position: string): Promise<unknown[]> => (await pubsub.history!.read('room', retention, beginningIn('history', { after: position }))).messages.map(({ data }) => data)
  t.strictSame(await after(positions[99]), Array.from({ length: size - 100 }, (_, i) => i + 100))
  t.strictSame(await after(positions[size - 501]), Array.from({ length: 500 }, (_, i) => i + size - 500))
  t.strictSame(await after(positions[size - 1]), [])
  t.strictSame(await after('unknown'), [])
})

t.test('a log that is trimmed in the middle of a replay: the subscriber is given up', async (t) => {
  const { broker, server, join, publish } = await createUp(t)
  const position = await publish('first')
  for (let i = 0; i < 250; i++) await publish(String(i))
  const { read } = broker
  let reads = 0
  broker.read = async (...words) => {
    if (++reads === 2) server.trim('room', 5)
    return await read.apply(broker, words)
  }
  const { keeper, begun } = join({ after: position })
  t.equal((await begun).recovered, false)
  t.strictSame([keeper.got.length, keeper.givenUp], [100, 1])
  broker.read = async () => []
  const newest = join({ last: 3 })
  await newest.begun
  t.strictSame([newest.keeper.got, newest.keeper.givenUp], [['247', '248', '249'], 1])
  Object.assign(broker, { read })
})

t.test('a topic whose recovery is cut off goes on with the next one', async (t) => {
  const { broker, join, publish, pubsub, missed } = await createUp(t)
  const { keeper, begun } = join()
  await begun
  await publish('first')
  await until(() => keeper.got.length === 1)
  const { read } = broker
  for (const answer of [() => [], () => { throw new Error('cut off') }]) {
    let isRead = false
    broker.cut()
    broker.read = async () => {
      isRead = true
      broker.cut()
      return answer()
    }
    broker.mend()
    await until(() => isRead)
    t.equal(pubsub.link!.state, 'down')
  }
  Object.assign(broker, { read })
  broker.mend()
  await until(() => pubsub.link!.state === 'up')
  await publish('second')
  await until(() => keeper.got.length === 2)
  t.strictSame([keeper.got, missed], [['first', 'second'], []])
})

t.test('a subscription that ends in a replay of the newest messages gets no more of them', async (t) => {
  const { pubsub, join, publish } = create(t)
  for (let i = 0; i < 5; i++) await publish(String(i))
  const { keeper, subscription, begun } = join({ last: 5 })
  keeper.replay = async (batch) => {
    keeper.deliver(batch)
    if (keeper.got.length === 2) pubsub.history!.end(subscription)
  }
  t.equal((await begun).recovered, false)
  t.strictSame(keeper.got, ['0', '1'])
  const empty = create(t).join({ last: 5 })
  t.match(await empty.begun, { position: /./, recovered: false })
})
