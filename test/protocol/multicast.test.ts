import t, { type Test } from 'tap'
import { multicast, settle, type Subscriber } from '../../lib/protocol/multicast'
import { MAX_BATCH, PreparedMessage, type Batch } from '../../lib/protocol/prepared-message'
import { serve } from '../helpers/app'
import { connectPeer, type Peer } from '../helpers/peer'
import type { Session } from '../model/world'

/** Somebody who notes down what comes together. */
class Listener implements Subscriber {
  readonly batches: unknown[][] = []
  deliver (batch: Batch): void { this.batches.push(batch.messages.map(({ payload }) => payload)) }
}

const endOfTurn = (): Promise<void> => new Promise(setImmediate)

t.test('what is published to the same subscribers in a turn comes together, at its end', async (t) => {
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

t.test('it comes in its order, whoever it is for', async (t) => {
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

t.test('no more than a batch is kept until the end of the turn', async (t) => {
  const a = new Listener()
  const all = new Set([a])
  const half = 'x'.repeat(MAX_BATCH / 2 - 10)
  for (let i = 0; i < 3; i++) multicast(new PreparedMessage(half), all)
  t.strictSame(a.batches, [[half, half]])
  await endOfTurn()
  t.strictSame(a.batches, [[half, half], [half]])
})

t.test('who asks gets it at once, and nobody gets it twice', async (t) => {
  const a = new Listener()
  settle()
  multicast(new PreparedMessage('1'), new Set([a]))
  settle()
  t.strictSame(a.batches, [['1']])
  settle()
  await endOfTurn()
  t.strictSame(a.batches, [['1']])
})

/* Sessions see no difference to what is sent at once. */

interface Room {
  client: Peer
  /** The session of the client, which has subscribed to 'room', as others have. */
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

async function take (client: Peer, count: number): Promise<unknown[]> {
  const messages = []
  while (messages.length < count) messages.push(await client.next())
  return messages
}

for (const perMessageDeflate of [false, true]) {
  t.test(`what is sent, whichever way, keeps its place among what is published${perMessageDeflate ? ', compressed or not' : ''}`, async (t) => {
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

t.test('who has left does not get what is published later, and gets what was published before', async (t) => {
  const { client, ws, publish } = await open(t)
  publish('1')
  ws.unsubscribe('room')
  publish('2')
  ws.subscribe('room')
  publish('3')
  t.strictSame(await take(client, 2), ['1', '3'])
})

t.test('what was published before terminate() is written', async (t) => {
  const { client, ws, publish } = await open(t)
  publish('1')
  ws.terminate()
  t.strictSame(await take(client, 1), ['1'])
  t.strictSame([await client.rest(), (await client.closed).code], [[], 1006])
})

t.test('bufferedAmount and skipped count it at once', async (t) => {
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
