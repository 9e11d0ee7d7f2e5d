import { unhandledRejections } from '../helpers/unhandled'
import type { Test } from 'tap'
import type { OpenStream } from './stream-channel'

export function pingsContract (t: Test, open: OpenStream): void {
  t.test('ping resolves with the round trip in milliseconds', async (t) => {
    const { channel } = await open(t)
    const before = performance.now()
    const [first, second] = await Promise.all([channel.ping(), channel.ping()])
    const passed = performance.now() - before
    t.ok(first > 0 && first <= passed, `${first} of ${passed}`)
    t.ok(second > 0 && second <= passed, `${second} of ${passed}`)
  })

  t.test('an unsolicited pong changes nothing', async (t) => {
    const { channel, peer } = await open(t)
    for (const data of ['', '1', 'pong']) peer.socket.pong(data)
    peer.send('after them')
    await channel.expect('after them')
    t.type(await channel.ping(), 'number')
  })

  t.test('a pending ping rejects when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    peer.pause() // no pong
    const pings = [channel.ping(), channel.ping()]
    peer.terminate()
    for (const ping of pings) await t.rejects(ping, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })

  t.test('ping rejects after a close frame, also while messages before it wait', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.close(4001, 'bye')
    await channel.closed
    await t.rejects(channel.ping(), { name: 'WebSocketDisconnect', closeCode: 4001 })
    t.equal(await channel.receive(), '1')
    await t.rejects(channel.ping(), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  })

  t.test('after its own close, a channel sends no ping', async (t) => {
    const { channel } = await open(t)
    const closing = channel.close(4001)
    await t.rejects(channel.ping(), { name: 'WebSocketDisconnect', closeCode: 4001 })
    await closing
  })

  t.test('a ping that rejects without an await does not end the process', async (t) => {
    const { channel, peer } = await open(t)
    const reasons = await unhandledRejections(async () => {
      channel.ping()
      peer.terminate()
      await channel.closed
      channel.ping()
    })
    t.same(reasons, [])
  })
}
