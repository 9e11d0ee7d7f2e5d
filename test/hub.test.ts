import t from 'tap'
import { Hub } from '../lib/hub'
import { Link } from '../lib/link'
import { Listener } from './helpers/listener'
import { ScriptedBroker } from './helpers/scripted-broker'

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
