import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PubSub } from '../../lib/pubsub/pubsub'
import { Listener } from '../helpers/listener'
import { ScriptedBroker } from '../helpers/scripted-broker'
import { unhandledRejections } from '../helpers/unhandled'

async function createHub (broker: ScriptedBroker): Promise<PubSub<Listener>> {
  const pubsub = new PubSub<Listener>()
  const log: any = { info () {}, warn () {} }
  pubsub.connect(broker, () => {}, { log })
  await pubsub.link!.start()
  pubsub.link!.onUp()
  return pubsub
}

t.test('without a broker there is nothing to wait for', async (t) => {
  const pubsub = new PubSub<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  t.equal(pubsub.subscribe('room', a), null)
  t.equal(pubsub.subscribe('room', b), null)
  await pubsub.publish('room', 'hello', a)
  t.strictSame([a.received, b.received], [[], ['hello']])
  pubsub.unsubscribe('room', a)
  pubsub.unsubscribe('room', b)
  t.equal(pubsub.topics.has('room'), false)
})

t.test('a subscriber gets messages of this process before the broker has confirmed', async (t) => {
  const broker = new ScriptedBroker()
  const pubsub = await createHub(broker)
  const listener = new Listener()
  const confirmed = pubsub.subscribe('room', listener)
  pubsub.publish('room', 'hello')
  t.strictSame(listener.received, ['hello'])
  const call = await broker.next()
  call.done()
  await confirmed
})

t.test('a message reaches this process first, then the broker, whatever the broker does', async (t) => {
  const broker = new ScriptedBroker()
  const pubsub = await createHub(broker)
  const listener = new Listener()
  pubsub.topics.add('room', listener)
  broker.publish = async () => {
    t.strictSame(listener.received, ['hello'])
    throw new Error('no')
  }
  await t.rejects(pubsub.publish('room', 'hello'), { code: 'FST_WS_BROKER' })
  t.strictSame(listener.received, ['hello'])
})

t.test('the link is told when the last subscriber has left, and not when a non-subscriber leaves', async (t) => {
  const pubsub = await createHub(new ScriptedBroker())
  const left: string[] = []
  pubsub.link!.left = (topic) => left.push(topic)
  const [a, b] = [new Listener(), new Listener()]
  for (const listener of [a, b]) pubsub.topics.add('room', listener)
  pubsub.unsubscribe('room', a)
  pubsub.unsubscribe('room', a)
  pubsub.unsubscribe('hall', a)
  t.strictSame(left, [])
  pubsub.unsubscribe('room', b)
  t.strictSame(left, ['room'])
  pubsub.unsubscribe('room', b)
  t.strictSame(left, ['room'])
})

t.test('a loop of awaited publish calls lets the event loop turn once in 32 KiB', async (t) => {
  const pubsub = new PubSub<Listener>()
  let turns = 0
  const counter = { isOver: false }
  const counting = (async () => {
    for (; !counter.isOver; turns++) await setImmediate()
  })()
  for (let i = 0; i < 31; i++) await pubsub.publish('room', 'x'.repeat(1024))
  t.equal(turns, 0)
  for (let i = 31; i < 320; i++) await pubsub.publish('room', 'x'.repeat(1024))
  t.equal(turns, 10)
  counter.isOver = true
  await counting
})

t.test('all publish calls after 32 KiB in one turn wait for the same next turn', async (t) => {
  const pubsub = new PubSub<Listener>()
  const turn = pubsub.publish('room', Buffer.alloc(100_000))
  t.equal(pubsub.publish('hall', 'x'), turn)
  await turn
  t.not(pubsub.publish('room', 'x'), turn)
})

t.test('with a broker, publish settles like the broker, and after 32 KiB in the next turn at the earliest', async (t) => {
  const broker = new ScriptedBroker()
  const pubsub = await createHub(broker)
  const order: string[] = []
  setImmediate().then(() => order.push('turn'))
  const taken = pubsub.publish('room', Buffer.alloc(100_000)).then(() => order.push('taken'))
  const call = await broker.next()
  call.done()
  await taken
  t.strictSame(order, ['turn', 'taken'])
  const refused = pubsub.publish('room', Buffer.alloc(100_000))
  const next = await broker.next()
  next.fail(new Error('no'))
  await t.rejects(refused, { code: 'FST_WS_BROKER' })
  t.strictSame(await unhandledRejections(async () => {
    pubsub.publish('room', Buffer.alloc(100_000))
    const call = await broker.next()
    call.fail(new Error('no'))
    await setImmediate()
  }), [])
})
