import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { isRead, WaitingClient, type Watcher } from '../../lib/handshake/waiting-client'
import { isLinear } from '../helpers/linear'
import { connectTcpPair } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { Socket } from 'node:net'

const KIB = 1024

/** A watcher that must not be called. */
function nobody (t: Test): Watcher {
  return { onLeave: () => t.fail('it has not left'), onTaken: () => t.fail('nobody reads it') }
}

/** Asserts that the stream has no listener of a watch. */
function isFree (t: Test, stream: Socket): void {
  t.equal(stream.listenerCount('data'), 0)
  t.equal(stream.listeners('end').filter(({ name }) => name !== 'onReadableStreamEnd').length, 0)
  t.equal(stream.listenerCount('close'), 0)
  t.equal(stream.listenerCount('newListener'), 0)
}

t.test('the bytes of the client go, in order, to the next reader of the stream', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const watch = new WaitingClient(stream, nobody(t))
  for (const [before, text] of ['a', 'b', 'c'].entries()) {
    client.write(text)
    await until(() => stream.bytesRead === before + 1)
  }
  watch.giveBack()
  isFree(t, stream)
  t.equal(stream.readableFlowing, null)
  let read = ''
  stream.on('data', (chunk) => { read += chunk })
  await until(() => read === 'abc')
  client.write('d')
  await until(() => read === 'abcd')
})

t.test('beyond 64 KiB the client waits, and the next reader of the stream gets all bytes', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const watch = new WaitingClient(stream, nobody(t))
  client.write(Buffer.alloc(64 * KIB))
  await until(() => stream.bytesRead === 64 * KIB)
  t.notOk(stream.isPaused())
  client.write(Buffer.alloc(16 * 1024 * KIB))
  await once(stream, 'pause')
  t.ok(stream.bytesRead < 256 * KIB)
  watch.giveBack()
  let bytes = 0
  stream.on('data', ({ length }) => { bytes += length })
  await until(() => bytes === (64 + 16 * 1024) * KIB)
})

t.test('the time to give bytes back is linear in the number of reads in which they came', async (t) => {
  isLinear(t, 10_000, (n) => {
    const stream = new PassThrough()
    const watch = new WaitingClient(stream, nobody(t))
    for (let i = 0; i < n; i++) stream.emit('data', Buffer.from('a'))
    return () => watch.giveBack()
  }, 'reads')
})

for (const isPaused of [false, true]) {
  for (const [way, read] of Object.entries<(stream: Socket) => Duplex>({
    'a listener for data' (stream) {
      const into = new PassThrough()
      return stream.on('data', (chunk) => into.write(chunk)) && into
    },
    'a listener for readable' (stream) {
      const into = new PassThrough()
      stream.on('readable', () => {
        for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) into.write(chunk)
      })
      return into
    },
    pipe: (stream) => stream.pipe(new PassThrough())
  })) {
    t.test(`a reader of the stream with ${way}, ${isPaused ? 'paused' : 'flowing'}, gets all bytes, and the watch is over`, async (t) => {
      const { client, stream } = await connectTcpPair(t)
      let isTaken = false
      const watch = new WaitingClient(stream, { onLeave: () => t.fail('it has not left'), onTaken: () => { isTaken = true } })
      t.ok(isRead(stream))
      const length = isPaused ? 300 * KIB : 3
      client.write(Buffer.alloc(length, 'a'))
      if (isPaused) await once(stream, 'pause')
      else await until(() => stream.bytesRead === length)
      let text = ''
      const into = read(stream)
      into.on('data', (chunk) => { text += chunk })
      t.ok(isTaken)
      t.equal(stream.listenerCount('newListener'), 0)
      await until(() => text.length === length)
      client.write('later')
      await until(() => text.endsWith('alater'))
      watch.drop() // nothing is left to drop
    })
  }
}

t.test('a listener for another event does not end the watch', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const left = new Promise<void>((resolve) => new WaitingClient(stream, { ...nobody(t), onLeave: resolve }))
  stream.on('close', () => {}).on('drain', () => {}).on('error', () => {})
  client.destroy()
  await left
})

t.test('dropped bytes are read, and not given back', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const watch = new WaitingClient(stream, nobody(t))
  client.write('early')
  await until(() => stream.bytesRead === 5)
  watch.drop()
  stream.resume()
  client.write(Buffer.alloc(1024 * KIB))
  await until(() => stream.bytesRead === 5 + 1024 * KIB)
  watch.giveBack()
  isFree(t, stream)
  t.equal(stream.readableLength, 0)
})

t.test('a client that leaves, or ends its side, has left', async (t) => {
  for (const leave of [(socket: Socket) => socket.destroy(), (socket: Socket) => socket.end()]) {
    const { client, stream } = await connectTcpPair(t)
    stream.allowHalfOpen = true // as for the connections of an HTTP server
    const left = new Promise<void>((resolve) => new WaitingClient(stream, { ...nobody(t), onLeave: resolve }))
    leave(client)
    await left
    t.ok(stream.destroyed)
    isFree(t, stream)
  }
})

t.test('a watch that has given back reports nothing', async (t) => {
  const { client, stream } = await connectTcpPair(t)
  const watch = new WaitingClient(stream, nobody(t))
  watch.giveBack()
  stream.resume()
  client.destroy()
  await once(stream, 'close')
})
