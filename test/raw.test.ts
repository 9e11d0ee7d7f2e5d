import t from 'tap'
import { SessionWebSocket } from '../lib/raw'
import { Peer } from './helpers/peer'
import { connectSockets } from './helpers/sockets'
import { until } from './helpers/until'

const SENDS: Record<string, (socket: SessionWebSocket) => void> = {
  send: (socket) => socket.send('sent'),
  'send with options and a callback': (socket) => socket.send('sent', { binary: true }, () => {}),
  ping: (socket) => socket.ping('sent'),
  pong: (socket) => socket.pong('sent'),
  close: (socket) => socket.close(4001, 'sent')
}

for (const [name, send] of Object.entries(SENDS)) {
  t.test(`${name}: what is held back is released first`, async (t) => {
    const { server, stream, client } = await connectSockets(t, { WebSocket: SessionWebSocket })
    const events: string[] = []
    const socket = server as SessionWebSocket
    socket.held = { release: () => { stream.write(Buffer.from([0x81, 4, 0x68, 0x65, 0x6c, 0x64])) } }
    client.on('message', (data) => events.push(`message ${String(data)}`))
    client.on('ping', (data) => events.push(`ping ${String(data)}`))
    client.on('pong', (data) => events.push(`pong ${String(data)}`))
    client.on('close', (code, reason) => events.push(`close ${code} ${String(reason)}`))
    send(socket)
    await until(() => events.length === 2)
    const expected = { send: 'message sent', ping: 'ping sent', pong: 'pong sent', close: 'close 4001 sent' }
    t.same(events, ['message held', expected[name.split(' ')[0] as keyof typeof expected]])
  })
}

t.test('with nothing held back it is a ws socket', async (t) => {
  const { server, client } = await connectSockets(t, { WebSocket: SessionWebSocket })
  const peer = new Peer(client)
  server.send('text')
  server.ping()
  server.pong()
  server.send(Buffer.from('bytes'))
  t.equal(await peer.next(), 'text')
  t.same(await peer.next(), Buffer.from('bytes'))
  server.close(4001, 'bye')
  t.same(await peer.closed, { code: 4001, reason: 'bye' })
})
