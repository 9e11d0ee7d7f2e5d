import t from 'tap'
import { timers } from '../../lib/base/timers'
import { connect } from '../../lib/client/client'
import { LifeSigns } from '../../lib/connection/life-signs'
import { createApp, listen } from '../helpers/app'
import { FakeClock } from '../helpers/fake-clock'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

const OPEN = 1
const CLOSED = 3

/** A socket that notes the calls of its methods. */
function createSocket () {
  const done: string[] = []
  const socket = {
    readyState: OPEN,
    bufferedAmount: 0,
    pause: () => { done.push('pause') },
    resume: () => { done.push('resume') },
    pong: () => { done.push('pong') }
  }
  return { socket, done, signs: new LifeSigns(socket) }
}

t.test('a pong is sent at a pause, and one a second until the pause is over', async (t) => {
  const clock = new FakeClock(t)
  const { done, signs } = createSocket()
  signs.pause()
  t.same(done, ['pause', 'pong'])
  await clock.pass(1_000)
  t.same(done, ['pause', 'pong'])
  await clock.pass(1)
  t.same(done, ['pause', 'pong', 'pong'])
  t.equal(timers.size, 1)
  signs.resume()
  t.same(done, ['pause', 'pong', 'pong', 'resume'])
  t.equal(timers.size, 0)
})

t.test('no pong is sent when the connection is ending or has ended', async (t) => {
  const { socket, done, signs } = createSocket()
  signs.pause()
  socket.readyState = CLOSED
  timers.remove(signs)
  signs.look(timers.now)
  t.same(done, ['pause', 'pong'])
  t.equal(timers.size, 0)
  signs.pause()
  t.same(done, ['pause', 'pong', 'pause'])
  t.equal(timers.size, 0)
})

t.test('pongs do not pile up behind bytes that the server does not read', async (t) => {
  const { socket, done, signs } = createSocket()
  socket.bufferedAmount = 1
  signs.pause()
  t.same(done, ['pause'])
  t.equal(timers.size, 1, 'it is looked at again')
  socket.bufferedAmount = 0
  timers.remove(signs)
  signs.look(timers.now)
  t.same(done, ['pause', 'pong'])
  signs.resume()
})

t.test('a client whose program takes no message survives the heartbeat of its server', async (t) => {
  const heartbeat = { interval: 40, timeout: 1_500 }
  const app = await createApp(t, { heartbeat })
  const accepted = new Promise<WebSocketSession>((resolve) => {
    app.websocket('/', async (ws) => {
      resolve(await ws.accept())
      for await (const message of ws) await ws.send(message)
    })
  })
  const client = await connect(`ws://127.0.0.1:${await listen(app)}/`, { receiveHighWaterMark: 1_000 })
  const session = await accepted
  const unasked: number[] = []
  session.raw!.on('pong', (data) => { if (data.length === 0) unasked.push(performance.now()) })
  await session.send('x'.repeat(2_000))
  await until(() => client.raw!.isPaused)
  await until(() => unasked.length === 4)
  t.ok(unasked[3] - unasked[0] > heartbeat.interval + heartbeat.timeout)
  t.equal(session.state, 'open')
  t.equal(await client.receive(), 'x'.repeat(2_000))
  t.equal(client.raw!.isPaused, false)
  t.equal(await client.pair('and goes on'), 'and goes on')
})
