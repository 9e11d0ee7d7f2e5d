import { once } from 'node:events'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { Test } from 'tap'
import type { OpenStream } from './stream-channel'

/** Milliseconds. */
const DEFAULT_CLOSE_TIMEOUT = 5_000

export function streamEndingsContract (t: Test, open: OpenStream): void {
  t.test('in order: a pending send resolves when the connection is ended by closeTimeout while messages wait', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 500 })
    peer.pause()
    const waiting = channel.send(Buffer.alloc(64 * 1024 * 1024))
    for (const message of ['1', '2']) peer.send(message)
    peer.close(1000)
    t.equal(await channel.receive(), '1')
    t.equal(await waiting, undefined)
    t.equal(channel.state, 'closed')
    t.equal(await channel.receive(), '2')
  })

  t.test('in order: a handler that takes a message has closeTimeout again to take the next', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 100 })
    peer.send('1')
    peer.send('2')
    peer.close(1000)
    await channel.closed
    await t.rejects(async () => { for (;;) await channel.send('pushed') }, { name: 'WebSocketDisconnect', closeCode: 1000 })
    const takenAt = performance.now()
    t.equal(await channel.receive(), '1')
    await t.rejects(async () => { for (;;) await channel.send('pushed') }, { name: 'WebSocketDisconnect', closeCode: 1000 })
    const elapsed = performance.now() - takenAt
    t.ok(elapsed > 90 && elapsed < DEFAULT_CLOSE_TIMEOUT, `after ${elapsed} ms`)
    t.equal(await channel.receive(), '2', 'what waits can be taken')
  })

  t.test('in order: after terminate, send rejects', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.send('2')
    t.equal(await channel.receive(), '1')
    channel.terminate()
    await channel.closed
    await t.rejects(channel.send('late'), { name: 'WebSocketDisconnect' })
  })

  t.test('answers first: messages sent in the turn of a message go out before the answer to a close frame that came with it', async (t) => {
    const { channel, peer } = await open(t)
    const events: unknown[] = []
    peer.socket.on('message', (data: Buffer) => events.push(data.toString()))
    peer.socket.on('close', (code: number) => events.push(code))
    peer.stream.cork()
    peer.send('1')
    peer.send('2')
    peer.close(4001, 'bye')
    peer.stream.uncork()
    const taken: unknown[] = []
    await t.rejects(async () => {
      for await (const message of channel) {
        taken.push(message)
        await channel.send(`answer to ${message}`)
      }
    }, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
    await until(() => events.length === 3)
    t.strictSame(taken, ['1', '2'])
    t.strictSame(events, ['answer to 1', 'answer to 2', 4001])
  })

  t.test('a close is not clean when its answer could not be written', async (t) => {
    const { channel, peer } = await open(t)
    peer.pause()
    channel.send(Buffer.alloc(16 * 1024 * 1024))
    peer.close(4001, 'bye')
    await until(() => channel.state === 'closing')
    peer.terminate()
    t.same(await channel.closed, { code: 4001, reason: 'bye', wasClean: false })
    t.equal((await channel.receive().catch((error) => error)).wasClean, false)
  })

  t.test('after its own close, a channel does not take the messages that have arrived', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('taken')
    peer.send('waits')
    peer.socket.ping()
    await once(channel.raw!, 'ping')
    await channel.expect('taken')
    const closing = channel.close(4001)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
    await closing
  })

  t.test('terminate drops the connection at once', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(channel.terminate(), undefined)
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
    t.same(await peer.closed, { code: 1006, reason: '' })
    t.equal(channel.terminate(), undefined, 'again')
  })

  t.test('a listener on signal that throws does no harm', async (t) => {
    const { channel, peer } = await open(t)
    const reached: string[] = []
    const reasons = await unhandledRejections(async () => {
      channel.signal.addEventListener('abort', () => { reached.push('first'); throw new Error('from a listener') })
      channel.signal.addEventListener('abort', async () => { reached.push('second'); throw new Error('from an asynchronous listener') })
      peer.terminate()
      await channel.closed
    })
    t.same(reached, ['first', 'second'])
    t.same(reasons, [])
  })
}
