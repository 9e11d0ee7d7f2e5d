import t from 'tap'
import { WebSocketTopicError } from '../../lib/base/errors'
import { checkTopic, Topics } from '../../lib/pubsub/topics'
import { Listener } from '../helpers/listener'

t.test('a non-empty string of at most 256 bytes is a topic', async (t) => {
  for (const topic of ['a', ' ', 'room/1', 'a'.repeat(256), 'é'.repeat(128), '😀'.repeat(64), '*', '#', '__proto__', 'constructor', '\u00a0', '\u2028']) {
    t.doesNotThrow(() => checkTopic(topic), encodeURIComponent(topic))
  }
})

t.test('a value that is no string is no topic, and the error names its type', async (t) => {
  const cases: [unknown, string][] = [
    [undefined, 'undefined'], [null, 'null'], [1, 'number'], [1n, 'bigint'], [true, 'boolean'], [Symbol('room'), 'symbol'],
    [{}, 'object'], [['room'], 'object'], [Object('room'), 'object'], [Buffer.from('room'), 'object'], [() => 'room', 'function']
  ]
  for (const [topic, type] of cases) t.throws(() => checkTopic(topic), { code: 'FST_WS_TOPIC', message: `a topic is a string, not ${type}` }, type)
})

t.test('an empty string is no topic', async (t) => {
  t.throws(() => checkTopic(''), { code: 'FST_WS_TOPIC', message: 'a topic is not empty' })
})

t.test('a string of more than 256 bytes is no topic, however few characters it has', async (t) => {
  for (const topic of ['a'.repeat(257), 'é'.repeat(129), '€'.repeat(86), '😀'.repeat(65)]) {
    t.throws(() => checkTopic(topic), { code: 'FST_WS_TOPIC', message: 'a topic has at most 256 bytes' })
  }
})

t.test('a string with a control character, wherever it stands, is no topic', async (t) => {
  const controls = [...Array.from({ length: 32 }, (_, i) => i), ...Array.from({ length: 33 }, (_, i) => 0x7f + i)]
  for (const code of controls) {
    const control = String.fromCharCode(code)
    for (const topic of [control, `${control}room`, `ro${control}om`, `room${control}`]) {
      t.throws(() => checkTopic(topic), { code: 'FST_WS_TOPIC', message: 'has a control character' }, encodeURIComponent(topic))
    }
  }
})

t.test('a string with a lone surrogate, which has no UTF-8, is no topic', async (t) => {
  for (const topic of ['\ud800', 'room\udc00', '\udc00\ud800', 'é\udfffé']) {
    t.throws(() => checkTopic(topic), { code: 'FST_WS_TOPIC', message: `the topic ${JSON.stringify(topic)} has a lone surrogate, which has no UTF-8` }, JSON.stringify(topic))
  }
})

t.test('an invalid topic throws a WebSocketTopicError, which is a TypeError', async (t) => {
  try {
    checkTopic('')
    t.fail('it has not thrown')
  } catch (error) {
    t.ok(error instanceof WebSocketTopicError)
    t.ok(error instanceof TypeError)
  }
})

t.test('a message reaches every subscriber of the topic once, in the order of their subscriptions', async (t) => {
  const topics = new Topics<Listener>()
  const order: string[] = []
  const listeners = ['a', 'b', 'c'].map((name) => {
    const listener = new Listener()
    listener.onDeliver = () => order.push(name)
    topics.add('room', listener)
    topics.add('room', listener)
    return listener
  })
  topics.publish('room', 'hello')
  for (const listener of listeners) t.strictSame(listener.received, ['hello'])
  t.strictSame(order, ['a', 'b', 'c'])
})

t.test('all subscribers get the same prepared message', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  topics.add('room', a)
  topics.add('room', b)
  topics.publish('room', Buffer.from('hello'))
  t.equal(a.batches.length, 1)
  t.equal(a.batches[0], b.batches[0])
})

t.test('the excepted subscriber gets nothing', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  topics.add('room', a)
  topics.add('room', b)
  topics.publish('room', 'hello', a)
  t.strictSame(a.received, [])
  t.strictSame(b.received, ['hello'])
})

t.test('topics are matched exactly', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('room', listener)
  for (const topic of ['Room', 'room ', 'roo', 'rooms', '*', 'room/*', '__proto__']) topics.publish(topic, topic)
  t.strictSame(listener.received, [])
})

t.test('a subscriber that has left a topic gets no more of its messages, and still gets those of others', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('a', listener)
  topics.add('b', listener)
  topics.remove('a', listener)
  topics.publish('a', 'of a')
  topics.publish('b', 'of b')
  t.strictSame(listener.received, ['of b'])
})

t.test('leaving a topic without having joined it changes nothing', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  topics.add('room', a)
  topics.remove('room', b)
  topics.remove('other', a)
  t.strictSame(topics.subscribers('room'), new Set([a]))
})

t.test('remove returns true for the last subscriber', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  topics.add('room', a)
  topics.add('room', b)
  t.equal(topics.remove('room', a), false)
  t.equal(topics.remove('room', a), false)
  t.equal(topics.remove('room', b), true)
  t.equal(topics.remove('room', b), false)
})

t.test('names lists the topics that have subscribers', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('a', listener)
  topics.add('b', listener)
  topics.remove('a', listener)
  t.strictSame([...topics.names], ['b'])
  t.strictSame([topics.has('a'), topics.has('b')], [false, true])
})

t.test('the only subscriber of a topic gets its messages, except those that it is excepted from', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('room', listener)
  topics.publish('room', 'hello')
  topics.publish('room', 'from itself', listener)
  t.strictSame(listener.received, ['hello'])
})

t.test('the UTF-8 of a text is delivered as a text', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('room', listener)
  topics.publish('room', Buffer.from('日本'), undefined, true)
  topics.publish('room', Buffer.from('日本'))
  t.strictSame(listener.received, ['日本', Buffer.from('日本')])
})

t.test('publishing to a topic without subscribers does nothing', async (t) => {
  const topics = new Topics<Listener>()
  t.doesNotThrow(() => topics.publish('room', 'hello'))
})

t.test('the subscribers of a topic are those that have joined and not left', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b] = [new Listener(), new Listener()]
  t.strictSame(topics.subscribers('room'), new Set())
  topics.add('room', a)
  topics.add('room', b)
  t.strictSame(topics.subscribers('room'), new Set([a, b]))
  topics.remove('room', a)
  t.strictSame(topics.subscribers('room'), new Set([b]))
  topics.remove('room', b)
  t.strictSame(topics.subscribers('room'), new Set())
})

t.test('subscribers() returns a copy', async (t) => {
  const topics = new Topics<Listener>()
  const listener = new Listener()
  topics.add('room', listener)
  topics.subscribers('room').clear()
  topics.publish('room', 'hello')
  t.strictSame(listener.received, ['hello'])
})

t.test('a subscriber that leaves, or makes others leave, during a delivery keeps no other from being served', async (t) => {
  const topics = new Topics<Listener>()
  const [a, b, c] = [new Listener(), new Listener(), new Listener()]
  for (const listener of [a, b, c]) topics.add('room', listener)
  a.onDeliver = () => {
    topics.remove('room', a)
    topics.remove('room', b)
  }
  topics.publish('room', 'hello')
  t.strictSame([a.received, b.received, c.received], [['hello'], [], ['hello']])
})
