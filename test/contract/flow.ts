import type { Test } from 'tap'
import { until } from '../helpers/until'
import type { Open } from './channels'

const CHUNK = Buffer.alloc(64 * 1024, 'a')

export function flowContract (t: Test, open: Open): void {
  t.test('above receiveHighWaterMark the channel pauses the socket, until half of the bytes are left', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1000 })
    for (let n = 0; n < 10; n++) peer.socket.send('a'.repeat(200))
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 10; n++) await channel.receive()
    for (let n = 0; n < 6; n++) peer.socket.send('a'.repeat(200))
    await until(() => channel.raw!.isPaused)
    for (const isPaused of [true, true, true, false, false, false]) {
      await channel.receive()
      t.equal(channel.raw!.isPaused, isPaused)
    }
  })

  t.test('messages sent to a paused channel all arrive, in order', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1 })
    for (let n = 0; n < 500; n++) peer.socket.send(String(n))
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 500; n++) {
      if (await channel.receive('integer') !== n) t.fail(`message ${n} is out of order`)
    }
  })

  t.test('empty messages count, too', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1000 })
    for (let n = 0; n < 20; n++) peer.socket.send('')
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 20; n++) t.equal(await channel.receive(), '')
  })

  t.test('close works although the channel is paused', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1 })
    for (let n = 0; n < 10; n++) peer.socket.send(CHUNK)
    await until(() => channel.raw!.isPaused)
    await channel.close(4001)
    t.same(await channel.closed, { code: 4001, reason: '', wasClean: true })
  })

  t.test('send resolves at once below sendHighWaterMark', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.pause()
    let resolved = false
    channel.send('text').then(() => { resolved = true })
    await null
    await null
    t.equal(resolved, true)
  })

  t.test('a loop that awaits send goes no faster than the other side reads, and loses no message', async (t) => {
    const { channel, peer } = await open(t)
    const count = 100
    let peak = 0
    peer.socket.pause()
    const sending = (async () => {
      for (let n = 0; n < count; n++) {
        const sent = channel.send(CHUNK)
        peak = Math.max(peak, channel.bufferedAmount)
        await sent
      }
    })()
    await until(() => channel.bufferedAmount > 0)
    peer.socket.resume()
    for (let n = 0; n < count; n++) {
      if (!CHUNK.equals(await peer.next() as Buffer)) t.fail(`message ${n} is not what was sent`)
    }
    await sending
    t.ok(peak < 2 * CHUNK.length, `${peak} bytes at most`)
  })

  t.test('the channel drops a connection whose other side reads nothing for sendTimeout', async (t) => {
    const { channel, peer } = await open(t, { sendTimeout: 40 })
    peer.socket.pause()
    await t.rejects(async () => { for (;;) await channel.send(CHUNK) }, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    t.equal(channel.state, 'closed')
    t.ok(channel.bufferedAmount < 2 * CHUNK.length, `${channel.bufferedAmount} bytes were waiting`)
  })

  t.test('pending sends reject when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.pause()
    const sends = Array.from({ length: 200 }, () => channel.send(CHUNK))
    peer.socket.terminate()
    const results = await Promise.allSettled(sends)
    t.match(results.at(-1), { status: 'rejected', reason: { name: 'WebSocketDisconnect' } })
  })
}
