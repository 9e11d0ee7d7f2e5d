import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import { ConnectionEnd } from '../../lib/base/connection-end'
import { CLOSING } from '../../lib/protocol/endpoint'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import { countWrites } from '../helpers/endpoint'
import { congest, createSendQueue, isPending, MARK, MiB, receive } from '../helpers/send-queue'
import { unhandledRejections } from '../helpers/unhandled'

t.test('a string leaves in a text frame, bytes in a binary frame', async (t) => {
  const { sendQueue, client } = await createSendQueue(t)
  const messages: unknown[] = []
  const second = new Promise<void>((resolve) => client.on('message', (data: Buffer, isBinary) => {
    messages.push([data.toString(), isBinary])
    if (messages.length === 4) resolve()
  }))
  for (const payload of ['tëxt', Buffer.from('bytes'), new Uint8Array([65, 66]), '']) await sendQueue.send(payload)
  await second
  t.strictSame(messages, [['tëxt', false], ['bytes', true], ['AB', true], ['', false]])
})

t.test('messages of one turn leave in one write, in order', async (t) => {
  const fixture = await createSendQueue(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 100)
  const sent = Array.from({ length: 100 }, (_, i) => `message ${i}`)
  for (const message of sent) fixture.sendQueue.send(message)
  t.strictSame(await received, sent)
  t.equal(writes(), 1)
})

t.test('sends that are awaited one after the other leave in one write as well', async (t) => {
  const fixture = await createSendQueue(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 100)
  for (let i = 0; i < 100; i++) await fixture.sendQueue.send(`message ${i}`)
  t.equal(writes(), 0)
  await received
  t.equal(writes(), 1)
})

t.test('messages of a callback and of the promises after it leave in one write', async (t) => {
  const fixture = await createSendQueue(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 3)
  globalThis.setImmediate(async () => { // no promise is pending when Node calls this function
    await fixture.sendQueue.send('a')
    await fixture.sendQueue.send('b')
    await fixture.sendQueue.send('c')
  })
  t.strictSame(await received, ['a', 'b', 'c'])
  t.equal(writes(), 1)
})

t.test('messages of the next turn leave in the next write', async (t) => {
  const fixture = await createSendQueue(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 6)
  for (let turn = 1; turn <= 3; turn++) {
    await fixture.sendQueue.send('a')
    await fixture.sendQueue.send('b')
    await setImmediate()
    t.equal(writes(), turn)
  }
  t.strictSame(await received, ['a', 'b', 'a', 'b', 'a', 'b'])
})

t.test('flush writes the held messages at once', async (t) => {
  const fixture = await createSendQueue(t)
  const writes = countWrites(fixture.stream)
  const received = receive(fixture, 2)
  fixture.sendQueue.send('a')
  t.equal(writes(), 0)
  fixture.sendQueue.write()
  t.equal(writes(), 1)
  fixture.sendQueue.write()
  fixture.sendQueue.send('b')
  await received
  t.equal(writes(), 2)
})

t.test('below the mark a send resolves before the write', async (t) => {
  const { sendQueue, stream } = await createSendQueue(t)
  const writes = countWrites(stream)
  await sendQueue.send(Buffer.alloc(MARK - 1))
  t.equal(writes(), 0)
  t.ok(sendQueue.bufferedAmount >= MARK - 1)
})

t.test('from the mark on a send resolves when its message has been written', async (t) => {
  const { sendQueue, stream } = await createSendQueue(t)
  const writes = countWrites(stream)
  await sendQueue.send(Buffer.alloc(MARK))
  t.equal(writes(), 1)
  t.equal(sendQueue.bufferedAmount, 0)
})

t.test('messages sent before in the same turn count', async (t) => {
  const { sendQueue, stream } = await createSendQueue(t)
  const writes = countWrites(stream)
  await sendQueue.send(Buffer.alloc(MARK / 2))
  t.equal(writes(), 0)
  await sendQueue.send(Buffer.alloc(MARK / 2))
  t.equal(writes(), 1)
})

t.test('a text counts by its bytes, not its characters', async (t) => {
  const { sendQueue, stream } = await createSendQueue(t)
  const writes = countWrites(stream)
  await sendQueue.send('a'.repeat(MARK / 2)) // three bytes a character would be above the mark
  t.equal(writes(), 0)
  await setImmediate()
  t.equal(writes(), 1)
  await sendQueue.send('\u20ac'.repeat(MARK / 3 + 1))
  t.equal(writes(), 2)
})

t.test('messages that are sent during congestion arrive in order', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const received = receive(fixture, 4)
  congest(fixture)
  sendQueue.send('a')
  await setImmediate()
  sendQueue.send('b'.repeat(MARK))
  sendQueue.send('c')
  client.resume()
  const [first, ...rest] = await received
  t.equal(first.length, 8 * MiB)
  t.strictSame(rest, ['a', 'b'.repeat(MARK), 'c'])
})

t.test('post returns whether there is still room, and waits for nothing', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const received = receive(fixture, 4)
  t.equal(sendQueue.post('a'), true)
  t.equal(sendQueue.post(Buffer.alloc(MARK)), false)
  t.equal(sendQueue.post('b'), true, 'the kernel has the messages before')
  await sendQueue.send('c')
  t.strictSame((await received).map((message) => message.length), [1, MARK, 1, 1])
  client.close()
})

t.test('messages of a turn that exceed the mark together are written within the turn, and no send waits for them', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const received = receive(fixture, 8)
  for (let i = 0; i < 8; i++) t.equal(await isPending(sendQueue.send('x'.repeat(MARK / 4))), false)
  for (let i = 0; i < 8; i++) t.equal(sendQueue.post('x'.repeat(MARK / 4)), true)
  await received
  client.close()
})

t.test('behind bytes that do not drain, nothing is written within the turn', async (t) => {
  const fixture = await createSendQueue(t)
  const { sending } = congest(fixture)
  t.equal(await isPending(sending), true)
  t.equal(fixture.sendQueue.post('x'.repeat(MARK / 2)), false)
  fixture.endpoint.terminate()
  await sending.catch(() => {})
})

t.test('after the end every send rejects with the end\'s error', async (t) => {
  const { sendQueue, closed, client } = await createSendQueue(t)
  client.close(4000, 'bye')
  await closed
  const [first, second] = await Promise.all([sendQueue.send('a').catch((error) => error), sendQueue.send('b').catch((error) => error)])
  t.match(first, { name: 'WebSocketDisconnect', closeCode: 4000, reason: 'bye', wasClean: true })
  t.equal(first, second)
})

t.test('on a closing connection no message is sent, and a send rejects when the connection has ended', async (t) => {
  const { sendQueue, endpoint, client } = await createSendQueue(t)
  const messages: string[] = []
  client.on('message', (data: Buffer) => messages.push(data.toString()))
  await sendQueue.send('before')
  endpoint.close(1000)
  const sending = sendQueue.send('after')
  t.ok(await isPending(sending))
  await t.rejects(sending, { name: 'WebSocketDisconnect', closeCode: 1000 })
  t.strictSame(messages, ['before'])
})

t.test('after close a send rejects at once, and a send that waits goes on', async (t) => {
  const { sendQueue, endpoint } = await createSendQueue(t)
  const waiting = sendQueue.send(Buffer.alloc(MARK))
  const end = new ConnectionEnd(4001, 'why', false)
  sendQueue.close(end)
  endpoint.close(4001, 'why')
  t.equal(await sendQueue.send('after').catch((error) => error), end.during('send'))
  t.equal(endpoint.readyState, CLOSING)
  t.equal(await waiting, undefined)
})

t.test('while the handler catches up after the end, a send resolves in another turn', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client, closed, taker } = fixture
  const { sending } = congest(fixture)
  taker.isCatchingUp = true
  client.terminate()
  await closed
  t.equal(await sending, undefined, 'also one that waited')
  t.equal(await isPending(sendQueue.send('late')), false)
  t.equal(await Promise.race([sendQueue.send('late'), Promise.resolve('sooner')]), 'sooner')
  taker.isCatchingUp = false
  await t.rejects(sendQueue.send('late'), { name: 'WebSocketDisconnect' })
})

t.test('messages sent before a close are delivered before it', async (t) => {
  const fixture = await createSendQueue(t)
  const received = receive(fixture, 2)
  const { sending } = congest(fixture)
  const small = fixture.sendQueue.send('last')
  fixture.endpoint.close(1000)
  fixture.client.resume()
  await Promise.all([sending, small])
  t.equal((await received)[1], 'last')
})

t.test('an unobserved send is no unhandled rejection, however it ends', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, endpoint, closed } = fixture
  t.strictSame(await unhandledRejections(async () => {
    congest(fixture)
    await setImmediate()
    sendQueue.send('waits')
    endpoint.terminate()
    sendQueue.send('closing')
    await closed
    sendQueue.send('closed')
  }), [])
})

t.test('published messages are shared while fewer than the given bytes wait, including those of this turn', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const received = receive(fixture, 3)
  const prepared = new PreparedMessage('x'.repeat(100))
  t.equal(sendQueue.share(prepared, 250), true)
  await sendQueue.send('first')
  t.equal(sendQueue.share(prepared, 250), true)
  t.equal(sendQueue.share(prepared, 250), false)
  await setImmediate()
  t.equal(sendQueue.bufferedAmount, 0)
  t.strictSame((await received).map((message) => message.length), [100, 5, 100])
  client.close()
})

t.test('published messages can be forced on a connection, and a client that drains nothing of them has stalled', async (t) => {
  const fixture = await createSendQueue(t, { sendTimeout: 100 })
  const { client, sendQueue, closed } = fixture
  client.pause()
  const prepared = new PreparedMessage(Buffer.alloc(8 * MiB))
  t.equal(sendQueue.share(prepared, MARK), false)
  sendQueue.forceShare(prepared)
  const waiting = sendQueue.send('small')
  await closed
  t.equal(fixture.stalls, 1)
  await t.rejects(waiting, { name: 'WebSocketDisconnect' })
})

t.test('sendShared waits like send for a client that does not read, and rejects at the end', async (t) => {
  const fixture = await createSendQueue(t)
  const { client, sendQueue, closed } = fixture
  await sendQueue.sendShared(new PreparedMessage('small'))
  client.pause()
  const waiting = sendQueue.sendShared(new PreparedMessage(Buffer.alloc(8 * MiB)))
  t.equal(await isPending(waiting), true)
  client.resume()
  await waiting
  client.terminate()
  await closed
  await t.rejects(sendQueue.sendShared(new PreparedMessage('late')), { name: 'WebSocketDisconnect' })
})

t.test('write hands bytes to the kernel within the turn, and later messages still leave at the end of the turn', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue } = fixture
  const received = receive(fixture, 2)
  const prepared = new PreparedMessage('x'.repeat(100))
  sendQueue.forceShare(prepared)
  const { drained } = sendQueue
  t.equal(sendQueue.share(prepared, 200), false)
  sendQueue.write()
  t.equal(sendQueue.drained, drained + 102)
  t.equal(sendQueue.share(prepared, 200), true)
  t.equal(sendQueue.bufferedAmount, 102)
  await received
  t.strictSame([sendQueue.bufferedAmount, sendQueue.turns], [0, 1])
})

t.test('no message is shared with a closing connection', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, endpoint, closed, client } = fixture
  const messages: string[] = []
  client.on('message', (data: Buffer) => messages.push(data.toString()))
  const prepared = new PreparedMessage('published')
  t.equal(sendQueue.share(prepared, MARK), true)
  endpoint.close(1000)
  t.equal(sendQueue.share(prepared, MARK), false)
  await closed
  t.strictSame(messages, ['published'])
})

t.test('the queue counts the turns in which messages are sent or published', async (t) => {
  const { sendQueue } = await createSendQueue(t)
  t.equal(sendQueue.turns, 0)
  sendQueue.send('a')
  sendQueue.send('b')
  await setImmediate()
  t.equal(sendQueue.turns, 1)
  sendQueue.share(new PreparedMessage('c'), MARK)
  await setImmediate()
  sendQueue.forceShare(new PreparedMessage('d'))
  await setImmediate()
  t.equal(sendQueue.turns, 3)
})
