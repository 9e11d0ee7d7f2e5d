import t from 'tap'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createApp } from '../helpers/app'
import { congest, createSendQueue, isPending, MARK, MiB, receive, type SendQueueFixture } from '../helpers/send-queue'
import { runningTimers } from '../helpers/timers'
import { until } from '../helpers/until'

t.test('while the client drains nothing, even a small send waits, and resolves when the client reads', async (t) => {
  const fixture = await createSendQueue(t)
  const { sending } = congest(fixture)
  const small = fixture.sendQueue.send('small')
  t.ok(await isPending(sending))
  t.ok(await isPending(small))
  t.ok(fixture.sendQueue.bufferedAmount > MARK)
  fixture.client.resume()
  await Promise.all([sending, small])
  t.equal(fixture.sendQueue.bufferedAmount, 0)
})

t.test('a loop of awaited sends buffers no more than the mark and one message, whatever the client does', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const message = Buffer.alloc(16 * 1024)
  const count = 1000 // far more than the kernel takes
  let sent = 0
  let most = 0
  client.pause()
  const loop = (async () => {
    while (sent < count) {
      await sendQueue.send(message)
      sent++
      most = Math.max(most, sendQueue.bufferedAmount)
    }
  })()
  await until(() => sendQueue.bufferedAmount >= MARK)
  t.ok(sent < count, `it waits after ${sent} messages`)
  const received = receive(fixture, count)
  client.resume()
  await loop
  t.equal((await received).length, count)
  t.ok(most <= MARK + message.length + 1024, `at most ${most} bytes were kept`)
})

t.test('waiting sends resolve in order, large and small', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client } = fixture
  const { sending } = congest(fixture)
  const order: number[] = []
  const sizes = [1, MARK * 3, 10, MARK, 0, MARK - 1, MARK * 10, 5]
  const sends = sizes.map((size, i) => sendQueue.send(Buffer.alloc(size)).then(() => order.push(i)))
  client.resume()
  await Promise.all([sending, ...sends])
  t.strictSame(order, sizes.map((_size, i) => i))
})

t.test('a client that drains nothing of posted messages has stalled as well', async (t) => {
  const fixture = await createSendQueue(t, { sendTimeout: 100 })
  const { client, sendQueue, closed } = fixture
  client.pause()
  sendQueue.post(Buffer.alloc(8 * MiB))
  await closed
  t.equal(fixture.stalls, 1)
})

for (const secure of [false, true]) {
  const transport = secure ? 'TLS' : 'TCP'

  t.test(`over ${transport}, a client that drains nothing for the send timeout has stalled, and the waiting sends reject`, async (t) => {
    const fixture = await createSendQueue(t, { sendTimeout: 200, secure })
    const start = performance.now()
    const { sending } = congest(fixture)
    const small = fixture.sendQueue.send('small')
    await t.rejects(sending, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    await t.rejects(small, { name: 'WebSocketDisconnect' })
    const elapsed = performance.now() - start
    t.equal(fixture.stalls, 1)
    t.ok(elapsed > 190, `${elapsed} ms`)
    t.ok(elapsed < 5000, `${elapsed} ms`)
  })

  t.test(`over ${transport}, a client that slowly reads one huge message has not stalled`, async (t) => {
    mock.timers.enable({ apis: ['setInterval'] })
    t.teardown(() => mock.timers.reset())
    const fixture = await createSendQueue(t, { sendTimeout: 400, secure })
    const { client, sendQueue } = fixture
    client.pause()
    const sending = sendQueue.send(Buffer.alloc(32 * MiB))
    let checks = 0
    while (sendQueue.bufferedAmount > 0) {
      const before = sendQueue.drained
      await until(() => {
        client.resume() // reads at most 2 MiB: as much as Node reads in one turn
        globalThis.setImmediate(() => client.pause())
        return sendQueue.drained > before || sendQueue.bufferedAmount === 0
      })
      mock.timers.tick(300) // three checks, of which the first sees progress
      checks += 3
    }
    await sending
    t.equal(fixture.stalls, 0)
    t.ok(checks > 12, `${checks} checks`)
  })
}

t.test('over a stream that is no socket, a client that drains nothing has stalled as well', async (t) => {
  const app = await createApp(t)
  let end: Promise<unknown>
  app.websocket('/', { websocket: { sendTimeout: 100 } }, async (ws) => {
    await ws.accept()
    end = ws.send(Buffer.alloc(MiB)).catch((error) => error)
    await end
  })
  const client = await app.injectWebSocket('/')
  client.raw.pause()
  t.match(await end!, { name: 'WebSocketDisconnect', closeCode: 1006 })
})

t.test('without a timeout there is no watch', async (t) => {
  const fixture = await createSendQueue(t, { sendTimeout: Infinity })
  const before = runningTimers()
  const { sending } = congest(fixture)
  t.equal(runningTimers(), before)
  fixture.client.resume()
  await sending
})

t.test('the watch runs only while messages wait', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, client, endpoint, closed } = fixture
  const before = runningTimers()
  await sendQueue.send('a')
  t.equal(runningTimers(), before, 'nothing waits')
  for (let round = 0; round < 2; round++) {
    const { sending } = congest(fixture)
    sendQueue.send('a')
    t.equal(runningTimers(), before + 1, 'a send waits')
    client.resume()
    await sending
    await sendQueue.send(Buffer.alloc(MARK))
    t.equal(runningTimers(), before, 'all have been written')
  }
  congest(fixture)
  t.equal(runningTimers(), before + 1)
  endpoint.terminate()
  await closed
  t.equal(runningTimers(), before, 'the connection has ended')
})

for (const [who, drop] of [['client', ({ client }: SendQueueFixture) => client.terminate()], ['server', ({ endpoint }: SendQueueFixture) => endpoint.terminate()]] as const) {
  t.test(`a waiting send rejects with the end of the connection when the ${who} drops it`, async (t) => {
    const fixture = await createSendQueue(t)
    const { sending } = congest(fixture)
    const small = fixture.sendQueue.send('small')
    await setImmediate()
    const later = fixture.sendQueue.send('later')
    drop(fixture)
    const ends = await Promise.all([sending, small, later].map((send) => send.catch((error) => error)))
    for (const end of ends) t.match(end, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })
}

t.test('on a closing connection a send does not resolve with the sends before it', async (t) => {
  const fixture = await createSendQueue(t)
  const { sendQueue, endpoint, client } = fixture
  const { sending } = congest(fixture)
  endpoint.close(1000)
  const late = sendQueue.send('late')
  client.resume()
  await sending
  await t.rejects(late, { name: 'WebSocketDisconnect', closeCode: 1000 })
})

t.test('at an end without an error, waiting sends resolve', async (t) => {
  const fixture = await createSendQueue(t)
  const { sending } = congest(fixture)
  fixture.taker.isCatchingUp = true
  fixture.client.terminate()
  t.equal(await sending, undefined)
})
