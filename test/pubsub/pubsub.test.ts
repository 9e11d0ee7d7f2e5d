import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Hub } from '../../lib/pubsub/pubsub'
import { Link } from '../../lib/pubsub/broker-link'
import { Listener } from '../helpers/listener'
import { ScriptedBroker } from '../helpers/scripted-broker'
import { unhandledRejections } from '../helpers/unhandled'

async function createHub (broker: ScriptedBroker): Promise<Hub<Listener>> {
  const hub = new Hub<Listener>()
  const log: any = { info () {}, warn () {} }
  hub.link = new Link(broker, hub.topics, () => {}, { log })
  await hub.link.start()
  hub.link.onUp()
  return hub
}

t.test('without a broker there is nothing to wait for', async (t) => {
  const hub = new Hub<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  t.equal(hub.subscribe('room', a), null)
  t.equal(hub.subscribe('room', b), null)
  await hub.publish('room', 'hello', a)
  t.strictSame([a.received, b.received], [[], ['hello']])
  hub.unsubscribe('room', a)
  hub.unsubscribe('room', b)
  t.equal(hub.topics.has('room'), false)
})

t.test('a subscriber gets what is published in this process before the broker has confirmed', async (t) => {
  const broker = new ScriptedBroker()
  const hub = await createHub(broker)
  const listener = new Listener()
  const confirmed = hub.subscribe('room', listener)
  hub.publish('room', 'hello')
  t.strictSame(listener.received, ['hello'])
  const call = await broker.next()
  call.done()
  await confirmed
})

t.test('what is published reaches this process first, then the broker, whatever becomes of it there', async (t) => {
  const broker = new ScriptedBroker()
  const hub = await createHub(broker)
  const listener = new Listener()
  hub.topics.add('room', listener)
  broker.publish = async () => {
    t.strictSame(listener.received, ['hello'])
    throw new Error('no')
  }
  await t.rejects(hub.publish('room', 'hello'), { code: 'FST_WS_BROKER' })
  t.strictSame(listener.received, ['hello'])
})

t.test('the broker is told when the last one has left, and not when somebody leaves who was not in', async (t) => {
  const hub = await createHub(new ScriptedBroker())
  const left: string[] = []
  hub.link!.left = (topic) => left.push(topic)
  const [a, b] = [new Listener(), new Listener()]
  for (const listener of [a, b]) hub.topics.add('room', listener)
  hub.unsubscribe('room', a)
  hub.unsubscribe('room', a)
  hub.unsubscribe('hall', a)
  t.strictSame(left, [])
  hub.unsubscribe('room', b)
  t.strictSame(left, ['room'])
  hub.unsubscribe('room', b)
  t.strictSame(left, ['room'])
})

t.test('who awaits each of many publications lets the event loop turn once in 32 KiB', async (t) => {
  const hub = new Hub<Listener>()
  let turns = 0
  const counter = { isOver: false }
  const counting = (async () => {
    for (; !counter.isOver; turns++) await setImmediate()
  })()
  for (let i = 0; i < 31; i++) await hub.publish('room', 'x'.repeat(1024))
  t.equal(turns, 0)
  for (let i = 31; i < 320; i++) await hub.publish('room', 'x'.repeat(1024))
  t.equal(turns, 10)
  counter.isOver = true
  await counting
})

t.test('whoever publishes in a turn in which much has been waits for the same next one', async (t) => {
  const hub = new Hub<Listener>()
  const turn = hub.publish('room', Buffer.alloc(100_000))
  t.equal(hub.publish('hall', 'x'), turn)
  await turn
  t.not(hub.publish('room', 'x'), turn)
})

t.test('with a broker, it settles with what the broker says, in the next turn at the earliest', async (t) => {
  const broker = new ScriptedBroker()
  const hub = await createHub(broker)
  const order: string[] = []
  setImmediate().then(() => order.push('turn'))
  const taken = hub.publish('room', Buffer.alloc(100_000)).then(() => order.push('taken'))
  const call = await broker.next()
  call.done()
  await taken
  t.strictSame(order, ['turn', 'taken'])
  const refused = hub.publish('room', Buffer.alloc(100_000))
  const next = await broker.next()
  next.fail(new Error('no'))
  await t.rejects(refused, { code: 'FST_WS_BROKER' })
  t.strictSame(await unhandledRejections(async () => {
    hub.publish('room', Buffer.alloc(100_000))
    const call = await broker.next()
    call.fail(new Error('no'))
    await setImmediate()
  }), [])
})
