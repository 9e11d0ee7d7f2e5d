import { until } from '../helpers/until'
import { isBytesOf, repeated } from './bytes'
import type { Tests } from './assertions'
import type { Open } from './channel'

const CHUNK = repeated(97, 64 * 1024)

export function flowContract (t: Tests, open: Open): void {
  t.test('send resolves at once below sendHighWaterMark', async (t) => {
    const { channel, peer } = await open(t)
    await peer.pause()
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
    await peer.pause()
    const sending = (async () => {
      for (let n = 0; n < count; n++) {
        const sent = channel.send(CHUNK)
        peak = Math.max(peak, channel.bufferedAmount)
        await sent
      }
    })()
    await until(() => channel.bufferedAmount > 0)
    await peer.resume()
    for (let n = 0; n < count; n++) {
      if (!isBytesOf(await peer.next(), CHUNK)) t.fail(`message ${n} is not what was sent`)
    }
    await sending
    t.ok(peak > 0 && peak <= 2 * CHUNK.length, `${peak} bytes at most`)
  })

  t.test('pending sends reject when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    await peer.pause()
    const sends = Array.from({ length: 200 }, () => channel.send(CHUNK))
    await peer.terminate()
    const results = await Promise.allSettled(sends)
    t.match(results.at(-1), { status: 'rejected', reason: { name: 'WebSocketDisconnect' } })
  })
}
