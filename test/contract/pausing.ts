import { until } from '../helpers/until'
import type { Test } from 'tap'
import type { OpenStream } from './stream-channel'

const CHUNK = Buffer.alloc(64 * 1024, 'a')

/** Tests that a channel makes a peer wait that sends faster than the messages are taken, and drops a peer that does not read. */
export function pausingContract (t: Test, open: OpenStream): void {
  t.test('above receiveHighWaterMark the channel pauses the socket, until half of the bytes are left', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1000 })
    for (let n = 0; n < 10; n++) peer.send('a'.repeat(200))
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 10; n++) await channel.receive()
    for (let n = 0; n < 6; n++) peer.send('a'.repeat(200))
    await until(() => channel.raw!.isPaused)
    for (const isPaused of [true, true, true, false, false, false]) {
      await channel.receive()
      t.equal(channel.raw!.isPaused, isPaused)
    }
  })

  t.test('messages sent to a paused channel all arrive, in order', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1 })
    for (let n = 0; n < 500; n++) peer.send(String(n))
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 500; n++) {
      if (await channel.receive('integer') !== n) t.fail(`message ${n} is out of order`)
    }
  })

  t.test('empty messages count, too', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1000 })
    for (let n = 0; n < 20; n++) peer.send('')
    await until(() => channel.raw!.isPaused)
    for (let n = 0; n < 20; n++) t.equal(await channel.receive(), '')
  })

  t.test('close works although the channel is paused', async (t) => {
    const { channel, peer } = await open(t, { receiveHighWaterMark: 1 })
    for (let n = 0; n < 10; n++) peer.send(CHUNK)
    await until(() => channel.raw!.isPaused)
    await channel.close(4001)
    t.same(await channel.closed, { code: 4001, reason: '', wasClean: true })
  })

  t.test('the channel drops a connection whose other side reads nothing for sendTimeout', async (t) => {
    const { channel, peer } = await open(t, { sendTimeout: 40 })
    peer.pause()
    await t.rejects(async () => { for (;;) await channel.send(CHUNK) }, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    t.equal(channel.state, 'closed')
    t.ok(channel.bufferedAmount < 2 * CHUNK.length, `${channel.bufferedAmount} bytes were waiting`)
  })
}
