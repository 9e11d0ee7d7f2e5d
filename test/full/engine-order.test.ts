import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { serve } from '../helpers/app'
import { BytePeer, injected } from '../helpers/byte-peer'
import { clientFrame, CLOSE, closePayload, TEXT } from '../helpers/frames'
import { upgradeRequest } from '../helpers/tcp'
import { until } from '../helpers/until'

// A stream that holds bytes emits them in ticks of Node, with no promise job between two of them.

const [a, b, c] = ['a', 'b', 'c'].map((text) => clientFrame(TEXT, text))
const close = clientFrame(CLOSE, closePayload(1000))
const closed = { close: 1000, reason: '' }

t.test('early messages are answered before the close frame behind them, if the handler greets the client', async (t) => {
  const bytes = Buffer.concat([Buffer.from(upgradeRequest('/')), a, b, close])
  const { port } = await serve(t, async (ws, request) => {
    await until(() => request.raw.socket.bytesRead === bytes.length)
    await ws.accept()
    ws.send('hello')
    for await (const message of ws) await ws.send(`re ${message}`)
  })
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const peer = new BytePeer(socket, socket)
  peer.write(bytes)
  await peer.over()
  t.same(peer.sent, [{ response: 101 }, { message: 'hello' }, { message: 're a' }, { message: 're b' }, closed, { end: true }])
})

for (const [ending, last, sent] of [['a close frame', close, [closed]], ['nothing', Buffer.alloc(0), []]] as const) {
  t.test(`a paused stream: its messages are answered before ${ending} and the end behind them take effect`, async (t) => {
    let begin = (): void => {}
    const { app } = await serve(t, async (ws) => {
      await ws.accept()
      await new Promise<void>((resolve) => { begin = resolve })
      for await (const message of ws) await ws.send(`re ${message}`)
    }, { receiveHighWaterMark: 1 })
    const { near, far } = await injected(app)
    const peer = new BytePeer(near, far)
    peer.write(upgradeRequest('/'))
    await until(() => peer.sent.length === 1)
    peer.write(a)
    await until(() => far.isPaused())
    peer.write(b)
    peer.write(Buffer.concat([c, last]))
    peer.end()
    await until(() => near.writableFinished)
    begin()
    await peer.over()
    t.same(peer.sent, [{ response: 101 }, { message: 're a' }, { message: 're b' }, { message: 're c' }, ...sent, { end: true }])
  })
}
