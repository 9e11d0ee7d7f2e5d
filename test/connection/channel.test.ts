import t from 'tap'
import { channelContract } from '../contract/channel'
import { channels, streamChannels } from '../contract/channels'
import { streamChannelContract } from '../contract/stream-channel'
import { createApp } from '../helpers/app'
import type { WebSocketChannel } from '../../types/session'

for (const [name, open] of Object.entries(channels)) {
  t.test(name, (t) => {
    channelContract(t, open)
    t.end()
  })
}

for (const [name, open] of Object.entries(streamChannels)) {
  t.test(`${name}, as a channel over a byte stream`, (t) => {
    streamChannelContract(t, open)
    t.end()
  })
}

t.test('before the handshake is complete, every verb rejects', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => {
    t.equal(ws.state, 'connecting')
    t.equal(ws.protocol, '')
    t.equal(ws.bufferedAmount, 0)
    t.equal(ws.raw, null)
    const verbs = [
      ws.send('text'), ws.sendText('text'), ws.sendBytes(Buffer.from('text')), ws.sendJson({}), ws.sendEvent({ type: 'websocket.send', text: 'text' }),
      ws.receive(), ws.receiveText(), ws.receiveBytes(), ws.receiveJson(), ws.pair('text'), ws.expect('text'), ws.messages().next(), ws.ping()
    ]
    for (const verb of verbs) await t.rejects(verb, { name: 'WebSocketHandshakeError', message: /accept\(\)/ })
    await ws.accept()
    await ws.send('now')
  })
  const client = await app.injectWebSocket('/')
  t.equal(await client.receive(), 'now')
})

t.test('every verb of a channel over a byte stream refuses a list and a function as options, before it sends or takes a message', async (t) => {
  for (const open of Object.values(streamChannels)) {
    const { channel, peer } = await open(t)
    peer.send('1')
    const wrong: any[] = [[], () => {}]
    const verbs = wrong.flatMap((options) => [
      channel.send('text', options), channel.sendJson({}, options), channel.receive(options), channel.receiveText(options), channel.receiveBytes(options), channel.receiveJson(options),
      channel.pair('text', options), channel.expect('1', options)
    ])
    for (const verb of verbs) await t.rejects(verb, { name: 'WebSocketOptionError', message: /^the options of [a-zA-Z]+ are .*: use an object/ })
    await t.rejects(channel.receive({ timeout: '1' as never }), { name: 'WebSocketOptionError' })
    t.equal(await channel.receive(), '1')
    await channel.send('next')
    t.equal(await peer.next(), 'next')
  }
})

t.test('sendEvent refuses an event that cannot be read', async (t) => {
  for (const open of Object.values(streamChannels)) {
    const { channel } = await open(t)
    const event: any = { get type () { throw new Error('from the getter') } }
    await t.rejects(channel.sendEvent(event), { name: 'WebSocketOptionError', message: 'the options of sendEvent cannot be read: from the getter' })
  }
})

t.test('expect rejects with the validation error of the message', async (t) => {
  const app = await createApp(t)
  const session = new Promise<WebSocketChannel>((resolve) => {
    app.websocket('/', { schema: { receive: { type: 'object', required: ['a'] } } }, async (ws) => {
      resolve(await ws.accept())
      await ws.closed
    })
  })
  const client = await app.injectWebSocket('/')
  await client.send({ b: 1 })
  await t.rejects((await session).expect({ b: 1 }), { name: 'WebSocketValidationError', closeCode: 1008 })
  await client.send({ a: 1 })
  await (await session).expect({ a: 1 })
})

t.test('iteration waits for an asynchronous validator', async (t) => {
  const app = await createApp(t)
  const received: unknown[] = []
  app.websocket('/', { schema: { receive: {} }, validatorCompiler: () => (async () => { await null }) as never }, async (ws) => {
    await ws.accept()
    for await (const message of ws) received.push(message)
  })
  const client = await app.injectWebSocket('/')
  await client.send({ n: 1 })
  await client.send({ n: 2 })
  await client.close()
  await app.close()
  t.same(received, [{ n: 1 }, { n: 2 }])
})
