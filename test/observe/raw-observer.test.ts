import t from 'tap'
import { createApp, listen as listenOn } from '../helpers/app'
import { brief, listen } from '../helpers/events'
import { connectPeer } from '../helpers/peer'
import { ACCEPTED } from '../helpers/transport'
import { until } from '../helpers/until'
import type WebSocket from 'ws'

t.test('the plain sockets of routes with raw: true are observed, without a session', async (t) => {
  const app = await createApp(t)
  const server = new Promise<WebSocket>((resolve) => {
    app.websocket('/raw/:id', { websocket: { raw: true } }, (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
      resolve(socket as never)
    })
  })
  const told = listen(t)
  const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/raw/1`)
  const socket = await server
  for (const message of ['é', Buffer.alloc(3)]) {
    await client.send(message)
    await client.next()
  }
  t.match(app.websockets.stats().routes['/raw/:id'], { connections: { open: 1, accepted: 1 }, messages: { received: 2, sent: 2 }, bytes: { received: 5, sent: 5 } })
  await client.close(4567, 'mine')
  await until(() => told.at(-1)?.on === 'closed')
  t.same(brief(told, 'statusCode', 'type', 'size', 'code', 'reason', 'wasClean', 'sentCode').map(([on, , ...rest]) => [on, ...rest]), [
    ['accepted', ACCEPTED],
    ['message.received', 'text', 2], ['message.sent', 'text', 2], ['message.received', 'bytes', 3], ['message.sent', 'bytes', 3],
    ['closed', 4567, 'mine', true, null]
  ])
  t.ok(told.every(({ session, request, route }) => session === null && request?.url === '/raw/1' && route?.url === '/raw/:id'))
  t.match(told.at(-1), { received: { messages: 2, bytes: 5 }, sent: { messages: 2, bytes: 5 }, isLost: false })
  socket.send('too late', () => {})
  t.match(app.websockets.stats().routes['/raw/:id'], { connections: { open: 0, accepted: 1 }, closes: { 4567: 1 }, messages: { received: 2, sent: 2 } })
})

t.test('whatever a plain socket sends counts, fragments as one message', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { raw: true } }, (socket) => {
    const send = socket.send.bind(socket) as (...args: any[]) => void
    send(12)
    send('text', () => {})
    send(new ArrayBuffer(4), { compress: false }, () => {})
    send(new Blob(['blob']))
    send('frag', { fin: false })
    send('ments', { fin: true })
    send(Buffer.from('text'), { binary: false })
    send(undefined)
    send(null, null)
  })
  const told = listen(t, ['message.sent'])
  const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/`)
  for (let seen = 0; seen < 8; seen++) await client.next()
  t.same(brief(told, 'type', 'size').map(([, , ...rest]) => rest), [['text', 2], ['text', 4], ['bytes', 4], ['bytes', 4], ['text', 9], ['text', 4], ['bytes', 0], ['bytes', 0]])
  t.match(app.websockets.stats(), { messages: { sent: 8 }, bytes: { sent: 27 } })
  await client.terminate()
  await until(() => app.websockets.stats().closes[1006] === 1)
})

t.test('received fragments count by their sum, and nothing is told where nobody listens', async (t) => {
  const app = await createApp(t)
  app.websocket('/', { websocket: { raw: true } }, (socket) => {
    Object.assign(socket, { binaryType: 'fragments' })
    socket.on('message', () => socket.send('ok'))
  })
  const client = await connectPeer(t, `ws://127.0.0.1:${await listenOn(app)}/`)
  client.socket.send(Buffer.alloc(3), { fin: false })
  client.socket.send(Buffer.alloc(4))
  await client.next()
  t.match(app.websockets.stats(), { messages: { received: 1, sent: 1 }, bytes: { received: 7, sent: 2 } })
  await client.terminate()
})
