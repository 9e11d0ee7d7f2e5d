import type { Test } from 'tap'
import type { OpenStream } from './stream-channel'

const OVERSIZE = { code: 1009, reason: 'message larger than 1000 bytes' }

/** Tests which messages a channel does not take, and what it tells the other side. */
export function limitsContract (t: Test, open: OpenStream): void {
  t.test('a message above maxPayload closes the connection with 1009 and a reason that names the limit', async (t) => {
    const { channel, peer } = await open(t, { maxPayload: 1000 })
    peer.send('a'.repeat(1000))
    peer.send('a'.repeat(1001))
    peer.send('late')
    t.equal((await channel.receive()).length, 1000)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', cause: RangeError })
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message whose fragments together are above maxPayload closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000 })
    for (let n = 0; n < 3; n++) peer.socket.send('a'.repeat(400), { fin: n === 2 })
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message that inflates above maxPayload closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000, isCompressed: true })
    peer.send('a'.repeat(1001))
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message whose length is beyond the safe integers closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000 })
    const mask = (peer.socket as any)._isServer === true ? 0 : 0x80
    peer.write(Buffer.from([0x82, mask | 127, 255, 255, 255, 255, 255, 255, 255, 255]))
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('the channel\'s own close with 1009 has the reason of the call', async (t) => {
    for (const reason of [undefined, 'far too much']) {
      const { channel, peer } = await open(t)
      await channel.close(1009, reason)
      t.same(await peer.closed, { code: 1009, reason: reason ?? '' })
      const other = await open(t)
      other.channel.raw!.close(1009, reason)
      t.same(await other.peer.closed, { code: 1009, reason: reason ?? '' })
    }
  })

  t.test('text that is not UTF-8 closes the connection with 1007', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send(Buffer.from([255]), { binary: false })
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect' })
    t.equal((await peer.closed).code, 1007)
  })

  t.test('a violation of the protocol is answered with 1002', async (t) => {
    const { channel, peer } = await open(t)
    peer.write(Buffer.from([0xff, 0xff])) // reserved bits and an unknown opcode
    await channel.closed
    t.equal((await peer.closed).code, 1002)
  })
}
