import { once } from 'node:events'
import t, { type Test } from 'tap'
import { destroyAfterLinger } from '../../lib/base/linger'
import { connectTcpPair } from '../helpers/tcp'
import { runningTimers } from '../helpers/timers'
import type { Socket } from 'node:net'

/** Ends one side of a connection, which lingers. Resolves with both sides, when the other one has learned of the end. */
async function lingering (t: Test): Promise<{ client: Socket, stream: Socket }> {
  const { client, stream } = await connectTcpPair(t)
  client.allowHalfOpen = true
  stream.on('finish', destroyAfterLinger).resume().end()
  await once(client.resume(), 'end')
  return { client, stream }
}

t.test('a stream whose other side stays open is destroyed a second after this side has ended', async (t) => {
  const begin = performance.now()
  const { stream } = await lingering(t)
  t.equal(stream.destroyed, false)
  await once(stream, 'close')
  t.ok(performance.now() - begin > 900)
})

t.test('a stream that closes in time leaves no timer', async (t) => {
  const before = runningTimers()
  const { client, stream } = await lingering(t)
  t.equal(runningTimers(), before + 1)
  client.end()
  await once(stream, 'close')
  t.equal(runningTimers(), before)
})

t.test('a stream that has closed before gets no timer', async (t) => {
  const before = runningTimers()
  const { stream } = await connectTcpPair(t)
  stream.destroy()
  await once(stream, 'close')
  destroyAfterLinger.call(stream)
  t.equal(runningTimers(), before)
})
