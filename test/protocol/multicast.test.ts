import t, { type Test } from 'tap'
import { deliverTo, multicast, settle, type Subscriber } from '../../lib/protocol/multicast'
import { MAX_BATCH, PreparedMessage, type Batch } from '../../lib/protocol/prepared-message'
import { serve } from '../helpers/app'
import { messagesIn } from '../helpers/frames'
import { connectPeer, type Peer } from '../helpers/peer'
import type { Session } from '../model/world'

/** A subscriber that notes which messages come together. */
class Listener implements Subscriber {
  readonly batches: unknown[][] = []
  deliver (batch: Batch): void { this.batches.push(messagesIn(batch.bytes)) }
}

const endOfTurn = (): Promise<void> => new Promise(setImmediate)

t.test('messages to the same subscribers in one turn are delivered together at its end', async (t) => {
  const [a, b] = [new Listener(), new Listener()]
  const both = new Set([a, b])
  for (const text of ['1', '2']) multicast(new PreparedMessage(text), both)
  await null
  multicast(new PreparedMessage('3'), both)
  t.strictSame([a.batches, b.batches], [[], []])
  await endOfTurn()
  t.strictSame([a.batches, b.batches], [[['1', '2', '3']], [['1', '2', '3']]])
  multicast(new PreparedMessage('4'), both)
  await endOfTurn()
  t.strictSame(a.batches, [['1', '2', '3'], ['4']])
})

t.test('messages are delivered in order, to whichever subscribers', async (t) => {
  const [a, b] = [new Listener(), new Listener()]
  const [both, one] = [new Set([a, b]), new Set([a])]
  multicast(new PreparedMessage('1'), both)
  multicast(new PreparedMessage('2'), one)
  multicast(new PreparedMessage('3'), both, a)
  multicast(new PreparedMessage('4'), both)
  await endOfTurn()
  t.strictSame(a.batches.flat(), ['1', '2', '4'])
  t.strictSame(b.batches.flat(), ['1', '3', '4'])
})

t.test('at most one batch is pending until the end of the turn', async (t) => {
  const a = new Listener()
  const all = new Set([a])
  const half = 'x'.repeat(MAX_BATCH / 2 - 10)
  for (let i = 0; i < 3; i++) multicast(new PreparedMessage(half), all)
  t.strictSame(a.batches, [[half, half]])
  await endOfTurn()
  t.strictSame(a.batches, [[half, half], [half]])
})

t.test('settle delivers at once, and no message is delivered twice', async (t) => {
  const a = new Listener()
  settle()
  multicast(new PreparedMessage('1'), new Set([a]))
  settle()
  t.strictSame(a.batches, [['1']])
  settle()
  await endOfTurn()
  t.strictSame(a.batches, [['1']])
})

/* For sessions, published messages behave like messages that are sent at once. */

interface Room {
  client: Peer
  /** The session of the client. It has subscribed to 'room', like others. */
  ws: Session
  publish (text: string): void
}

async function open (t: Test, options = {}): Promise<Room> {
  const sessions: Session[] = []
  const { app, url } = await serve(t, async (ws: any) => {
    await ws.accept()
    await ws.subscribe('room')
    sessions.push(ws)
    await ws.send('ready')
    await ws.closed
  }, options)
  const clients: Peer[] = []
  for (let i = 0; i < 3; i++) {
    const client = await connectPeer(t, url)
    await client.next()
    clients.push(client)
  }
  return { client: clients[0], ws: sessions[0], publish: (text) => { app.websockets.publish('room', text) } }
}

/** Text that hardly becomes smaller by itself, but much smaller after a text that is like it. */
const LONG = Array.from({ length: 60 }, (_, n) => (n * 7919 % 1000).toString(36) + n).join('')

async function take (client: Peer, count: number): Promise<unknown[]> {
  const messages = []
  while (messages.length < count) messages.push(await client.next())
  return messages
}

for (const perMessageDeflate of [false, true]) {
  t.test(`a sent frame of any kind keeps its place among the published messages${perMessageDeflate ? ', compressed or not' : ''}`, async (t) => {
    const { client, ws, publish } = await open(t, { perMessageDeflate: perMessageDeflate && { threshold: 0 } })
    publish('1')
    ws.send('2')
    publish('3')
    ws.raw!.send('4')
    publish('5')
    ws.ping()
    publish('6')
    await ws.send('7')
    publish('8')
    ws.close(4000, 'bye')
    publish('too late')
    t.strictSame(await take(client, 8), ['1', '2', '3', '4', '5', '6', '7', '8'])
    t.strictSame([await client.rest(), await client.closed], [[], { code: 4000, reason: 'bye' }])
  })
}

t.test('with the context taken over, compressed messages refer to what was published before them', async (t) => {
  const { client, ws, publish } = await open(t, { perMessageDeflate: { serverNoContextTakeover: false } })
  const messages = Array.from({ length: 12 }, (_, n) => LONG + '.'.repeat(13 * n))
  for (const [n, message] of messages.entries()) {
    if (n % 2 === 0) publish(message)
    else if (n % 3 === 0) ws.raw!.send(message)
    else ws.send(message)
  }
  t.strictSame(await take(client, 12), messages)
})

t.test('published messages keep their place behind a long message that is being compressed', async (t) => {
  const { client, ws, publish } = await open(t, { perMessageDeflate: true })
  const long = 'x'.repeat(100_000)
  ws.send(long)
  publish('1')
  ws.send('2')
  publish('3')
  ws.raw!.ping()
  publish(long)
  ws.send(long)
  publish('4')
  t.strictSame(await take(client, 7), [long, '1', '2', '3', long, long, '4'])
  ws.send(long)
  publish('5')
  ws.send('6')
  publish('7')
  ws.terminate()
  t.strictSame(await client.rest(), [long, '5', '6', '7'])
})

t.test('a subscriber that has left gets the messages published before that, and none after', async (t) => {
  const { client, ws, publish } = await open(t)
  publish('1')
  ws.unsubscribe('room')
  publish('2')
  ws.subscribe('room')
  publish('3')
  t.strictSame(await take(client, 2), ['1', '3'])
})

t.test('messages published before terminate() are written', async (t) => {
  const { client, ws, publish } = await open(t)
  publish('1')
  ws.terminate()
  t.strictSame(await take(client, 1), ['1'])
  t.strictSame([await client.rest(), (await client.closed).code], [[], 1006])
})

t.test('bufferedAmount and skipped count published messages at once', async (t) => {
  const { client, ws, publish } = await open(t, { slowSubscriber: 'skip', sendHighWaterMark: 100 })
  publish('x'.repeat(50))
  t.equal(ws.bufferedAmount, 52)
  client.socket.pause()
  while (ws.skipped === 0) {
    publish('x'.repeat(100_000))
    for (let round = 0; round < 3; round++) await endOfTurn()
  }
  const { skipped } = ws
  publish('x'.repeat(60))
  t.equal(ws.skipped, skipped + 1)
})

t.test('deliverTo delivers to a single subscriber at once, to a set at the end of the turn, and not to the exception', async (t) => {
  const [one, two] = [new Listener(), new Listener()]
  deliverTo(new PreparedMessage('a'), one)
  deliverTo(new PreparedMessage('b'), one, one)
  t.strictSame(one.batches, [['a']])
  deliverTo(new PreparedMessage('c'), new Set([one, two]))
  deliverTo(new PreparedMessage('d'), new Set([one, two]), two)
  await endOfTurn()
  t.strictSame([one.batches, two.batches], [[['a'], ['c'], ['d']], [['c']]])
})
