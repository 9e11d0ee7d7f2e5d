import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Watch } from '../lib/watch'
import { connectSides } from './helpers/tcp'
import { until } from './helpers/until'
import type { Socket } from 'node:net'

const KIB = 1024

/** Has nothing of a watch on it. */
function isFree (t: Test, stream: Socket): void {
  t.equal(stream.listenerCount('data'), 0)
  t.equal(stream.listeners('end').filter(({ name }) => name !== 'onReadableStreamEnd').length, 0)
  t.equal(stream.listenerCount('close'), 0)
}

t.test('what the client sends is given back, in order, to whoever resumes the stream', async (t) => {
  const { client, stream } = await connectSides(t)
  const watch = new Watch(stream, () => t.fail('it has not left'))
  for (const text of ['a', 'b', 'c']) {
    client.write(text)
    await once(stream, 'data')
  }
  watch.giveBack()
  isFree(t, stream)
  t.ok(stream.isPaused())
  let read = ''
  stream.on('data', (chunk) => { read += chunk })
  stream.resume()
  await until(() => read === 'abc')
})

t.test('beyond 64 KiB the client waits', async (t) => {
  const { client, stream } = await connectSides(t)
  const watch = new Watch(stream, () => t.fail('it has not left'))
  client.write(Buffer.alloc(64 * KIB))
  await until(() => stream.bytesRead === 64 * KIB)
  t.notOk(stream.isPaused())
  client.write(Buffer.alloc(16 * 1024 * KIB))
  await once(stream, 'pause')
  t.ok(stream.bytesRead < 256 * KIB)
  watch.end()
})

t.test('what is of no use is read, and not given back', async (t) => {
  const { client, stream } = await connectSides(t)
  const watch = new Watch(stream, () => t.fail('it has not left'))
  client.write('early')
  await once(stream, 'data')
  watch.drop()
  stream.resume()
  client.write(Buffer.alloc(1024 * KIB))
  await until(() => stream.bytesRead === 5 + 1024 * KIB)
  watch.giveBack()
  isFree(t, stream)
  t.equal(stream.readableLength, 0)
})

t.test('who leaves, or ends its side, has left', async (t) => {
  for (const leave of [(socket: Socket) => socket.destroy(), (socket: Socket) => socket.end()]) {
    const { client, stream } = await connectSides(t)
    stream.allowHalfOpen = true // as those of an HTTP server
    const left = new Promise<void>((resolve) => new Watch(stream, resolve))
    leave(client)
    await left
    t.ok(stream.destroyed)
  }
})

t.test('a watch that has ended tells of nothing', async (t) => {
  const { client, stream } = await connectSides(t)
  const watch = new Watch(stream, () => t.fail('it is not watched'))
  watch.end()
  isFree(t, stream)
  client.destroy()
  await once(stream, 'close')
})
