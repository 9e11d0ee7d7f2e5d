import { randomBytes } from 'node:crypto'
import t from 'tap'
import { serve } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { until } from '../helpers/until'

/* Connections share one buffer for reads. Bytes that a user keeps must not change when the buffer is used again. */

for (const perMessageDeflate of [false, true]) {
  const extensions = perMessageDeflate ? 'permessage-deflate' : ''
  t.test(`messages that a handler or a listener on the socket keeps do not change when other connections read${perMessageDeflate ? ', compressed' : ''}`, async (t) => {
    const kept: Buffer[] = []
    const heard: Buffer[] = []
    const { url } = await serve(t, async (ws) => {
      await ws.accept()
      if (ws.url.search !== '') ws.raw!.on('message', (data: Buffer) => heard.push(data))
      await ws.send('ready')
      for await (const message of ws.messages('bytes')) kept.push(message)
    }, { perMessageDeflate })
    const peers = await Promise.all(['', '?raw=yes', '', '?raw=yes'].map((query) => connectPeer(t, `${url}/${query}`)))
    for (const peer of peers) await peer.next()
    t.equal(peers[0].socket.extensions, extensions)
    const sizes = [1, 100, 10_000, 70_000, 300_000]
    const sent: Buffer[][] = peers.map(() => [])
    for (const size of sizes) {
      for (const [i, { socket }] of peers.entries()) {
        for (let n = 0; n < 3; n++) {
          const bytes = randomBytes(size)
          sent[i].push(bytes)
          socket.send(bytes)
        }
      }
      await until(() => kept.length === sent.flat().length)
    }
    const sorted = (buffers: Buffer[]): Buffer[] => [...buffers].sort(Buffer.compare)
    t.ok(sorted(sent.flat()).every((bytes, i) => bytes.equals(sorted(kept)[i])))
    t.ok(sorted([...sent[1], ...sent[3]]).every((bytes, i) => bytes.equals(sorted(heard)[i])))
  })
}
