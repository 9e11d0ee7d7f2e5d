import { closeCodes } from '../../lib/base/close-codes'
import { until } from '../helpers/until'
import type { Test } from 'tap'
import type { Peer } from '../helpers/peer'
import type { OpenStream } from './stream-channel'

/** Tests what a channel puts on the wire, and what lies between the channel and the wire. */
export function wireContract (t: Test, open: OpenStream): void {
  t.test('raw is the ws socket', async (t) => {
    const { channel, peer } = await open(t)
    channel.raw!.send('past the channel')
    t.equal(await peer.next(), 'past the channel')
    t.equal(channel.raw!.bufferedAmount, channel.bufferedAmount)
  })

  t.test('until the end of the turn, bufferedAmount counts what has been sent', async (t) => {
    const { channel, peer } = await open(t)
    const large = 'a'.repeat(100_000)
    channel.send(large)
    t.ok(channel.bufferedAmount >= 100_000, String(channel.bufferedAmount))
    t.equal(await peer.next(), large)
    await until(() => channel.bufferedAmount === 0)
  })

  t.test('messages are compressed where both sides compress', async (t) => {
    for (const isCompressed of [false, true]) {
      const { channel } = await open(t, { isCompressed })
      t.equal(channel.raw!.extensions, isCompressed ? 'permessage-deflate' : '')
    }
  })

  t.test('received bytes are a Buffer', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of [Buffer.from([0, 255]), Buffer.from([0, 255]), 'text']) peer.send(message)
    for (const type of ['bytes', 'any', 'bytes'] as const) t.type(await channel.receive(type), Buffer)
  })

  t.test('close sends one close frame', async (t) => {
    const { channel, peer } = await open(t)
    const received = bytesReceivedBy(peer)
    await channel.close()
    const { length } = received()
    t.ok(length === 4 || length === 8, 'of two bytes, a head, and from a client a mask')
  })

  t.test('close(null) sends a close frame without content', async (t) => {
    const { channel, peer } = await open(t)
    const received = bytesReceivedBy(peer)
    await channel.close(null)
    const [head, mask, ...others] = [...received()]
    t.same([head, mask & 0x7f, others.length], [0x88, 0, mask === 0 ? 0 : 4], 'a head, and from a client a mask')
  })

  t.test('every registered code that may be sent is sent', async (t) => {
    for (const code of Object.values(closeCodes)) {
      if (code === 1005 || code === 1006 || code === 1015) continue
      const { channel, peer } = await open(t)
      await channel.close(code)
      t.equal((await peer.closed).code, code)
    }
  })

  t.test('messages sent just before terminate are written', async (t) => {
    const { channel, peer } = await open(t)
    channel.send('last words')
    channel.terminate()
    t.same(await peer.rest(), ['last words'])
  })
}

/** Returns a function that returns what `peer` has received from now on. */
function bytesReceivedBy (peer: Peer): () => Buffer {
  const chunks: Buffer[] = []
  peer.stream.on('data', (chunk: Buffer) => chunks.push(Buffer.from(chunk)))
  return () => Buffer.concat(chunks)
}
