import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { Compression } from '../../lib/protocol/compression'
import { PreparedMessage } from '../../lib/protocol/prepared-message'
import { compressionOf, connectClientStream, createEndpoint, ownEndpoint, type Owned } from '../helpers/endpoint'
import { Peer } from '../helpers/peer'
import { until } from '../helpers/until'
import type { DeflateOptions } from '../../lib/protocol/extension'

const KiB = 1024

/** Texts like those of an application, and bytes: short and long, alike and not. */
function createMessages (): (string | Buffer)[] {
  const json = (n: number): string => JSON.stringify({ id: n, name: `user ${n * 7919 % 97}`, tags: ['a', 'b', 'ü€😀'], price: n / 7 })
  return [
    ...Array.from({ length: 30 }, (_, n) => json(n)),
    Buffer.from(json(31)), '', 'x'.repeat(300), randomBytes(5 * KiB),
    Array.from({ length: 3000 }, (_, n) => json(n)).join(), // long: compressed in another thread
    json(32), Buffer.alloc(200 * KiB, 'long'), json(33), randomBytes(100 * KiB), 'x'.repeat(64 * KiB), json(34)
  ]
}

const OPTIONS: Record<string, DeflateOptions> = {
  'no context': { serverNoContextTakeover: true, clientNoContextTakeover: true },
  'the context of both sides': { serverNoContextTakeover: false, clientNoContextTakeover: false },
  'the context of the server, in a small window': { serverMaxWindowBits: 9, serverNoContextTakeover: false },
  'the context of the client, in a small window': { clientMaxWindowBits: 9, clientNoContextTakeover: false, serverNoContextTakeover: true }
}

async function exchange (t: Test, owned: Owned, peer: Peer): Promise<void> {
  const messages = createMessages()
  for (const message of messages) owned.endpoint.writer.add(message)
  for (const message of messages) t.ok(Buffer.from(await peer.next()).equals(Buffer.from(message)))
  for (const message of messages) peer.socket.send(message)
  await until(() => owned.messages.length === messages.length)
  t.same(owned.messages, messages)
}

for (const [name, perMessageDeflate] of Object.entries(OPTIONS)) {
  const ws = { perMessageDeflate: { threshold: 0 } }

  t.test(`a server and a client of ws understand each other: ${name}`, async (t) => {
    const fixture = await createEndpoint(t, { perMessageDeflate, ws })
    await exchange(t, fixture, new Peer(fixture.client))
  })

  t.test(`a client and a server of ws understand each other: ${name}`, async (t) => {
    const pair = await connectClientStream(t, { perMessageDeflate, ws: { perMessageDeflate: { ...perMessageDeflate, threshold: 0 } as object } })
    t.not(pair.agreement, null)
    await exchange(t, ownEndpoint(pair.stream, { isServer: false, compression: compressionOf(pair, perMessageDeflate, false) }), new Peer(pair.client))
  })

  t.test(`published and sent messages understand each other: ${name}`, async (t) => {
    const { endpoint, client } = await createEndpoint(t, { perMessageDeflate, ws })
    const peer = new Peer(client)
    const messages = createMessages()
    for (const [n, message] of messages.entries()) {
      if (n % 3 === 0) endpoint.writer.share(new PreparedMessage(message))
      else endpoint.writer.add(message)
    }
    for (const message of messages) t.ok(Buffer.from(await peer.next()).equals(Buffer.from(message)))
  })
}

t.test('a message longer than maxPayload when it is decompressed is a violation', async (t) => {
  const agreement = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
  const { endpoint, client, violations } = await createEndpoint(t, { perMessageDeflate: {}, compression: new Compression(agreement, true, {}, 100), ws: { perMessageDeflate: { threshold: 0 } } })
  const peer = new Peer(client)
  client.send('x'.repeat(100))
  client.send('x'.repeat(101))
  t.equal((await peer.closed).code, 1009)
  t.equal(violations.length, 1)
  t.equal(endpoint.isCloseSent, true)
})
