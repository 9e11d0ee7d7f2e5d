import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { closeCodes } from '../../lib/base/close-codes'
import { WebSocketDisconnect } from '../../lib/base/errors'
import type { WebSocketChannel } from '../../types/session'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { Open } from './channels'

/** Milliseconds. */
const DEFAULT_CLOSE_TIMEOUT = 5_000

/** The verbs that wait for the connection. */
const VERBS: Record<string, (channel: WebSocketChannel<any>) => Promise<unknown>> = {
  send: (channel) => channel.send('text'),
  sendText: (channel) => channel.sendText('text'),
  sendBytes: (channel) => channel.sendBytes(Buffer.from('bytes')),
  sendJson: (channel) => channel.sendJson({}),
  sendEvent: (channel) => channel.sendEvent({ type: 'websocket.send', text: 'text' }),
  receive: (channel) => channel.receive(),
  receiveText: (channel) => channel.receiveText(),
  receiveBytes: (channel) => channel.receiveBytes(),
  receiveJson: (channel) => channel.receiveJson(),
  pair: (channel) => channel.pair('text'),
  'pair, receiveFirst': (channel) => channel.pair('text', { receiveFirst: true }),
  expect: (channel) => channel.expect('text'),
  ping: (channel) => channel.ping()
}

const WAITING = ['receive', 'receiveText', 'receiveBytes', 'receiveJson', 'pair', 'pair, receiveFirst', 'expect']

export function endingsContract (t: Test, open: Open): void {
  t.test('messages before a close frame are received before the disconnect', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', '2', '3']) peer.socket.send(message)
    peer.socket.close(4001, 'bye')
    await channel.closed
    for (const message of ['1', '2', '3']) t.equal(await channel.receive(), message)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  })

  t.test('messages before a lost connection are received before the disconnect', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send('1')
    peer.socket.send('2', () => peer.socket.terminate())
    await channel.closed
    t.equal(await channel.receive(), '1')
    t.equal(await channel.receive(), '2')
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 1006, reason: '', wasClean: false })
  })

  t.test('in order: a handler that takes the messages before an end can go on sending', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', '2', '3', '4', '5']) peer.socket.send(message)
    peer.socket.close(1000)
    await channel.closed
    t.equal(channel.signal.aborted, true)
    const saved: unknown[] = []
    for await (const message of channel) {
      let turns = 0
      const counting = globalThis.setImmediate(() => { turns++ })
      await channel.send(`saved ${message}`)
      t.equal(turns, 1, 'in another turn')
      clearImmediate(counting)
      for (const send of ['sendText', 'sendBytes', 'sendJson', 'sendEvent']) t.equal(await VERBS[send](channel), undefined, send)
      saved.push(message)
    }
    t.strictSame(saved, ['1', '2', '3', '4', '5'])
    await t.rejects(channel.send('late'), { name: 'WebSocketDisconnect', closeCode: 1000 })
  })

  t.test('in order: a pending send resolves when the connection ends while messages wait', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 500 })
    peer.socket.pause()
    const waiting = channel.send(Buffer.alloc(64 * 1024 * 1024))
    for (const message of ['1', '2']) peer.socket.send(message)
    peer.socket.close(1000)
    t.equal(await channel.receive(), '1')
    t.equal(await waiting, undefined)
    t.equal(channel.state, 'closed')
    t.equal(await channel.receive(), '2')
  })

  t.test('in order: verbs that need the peer reject while messages wait', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send('1')
    peer.socket.close(4001)
    await channel.closed
    for (const verb of ['pair', 'ping']) await t.rejects(VERBS[verb](channel), { name: 'WebSocketDisconnect', closeCode: 4001 }, verb)
    t.equal(await channel.receive(), '1')
  })

  t.test('in order: a handler that takes no messages learns of the end within closeTimeout', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 100 })
    peer.socket.send('1')
    peer.socket.send('2')
    const rejectsInTime = async (before: number): Promise<void> => {
      await t.rejects(async () => { for (;;) await channel.send('pushed') }, { name: 'WebSocketDisconnect', closeCode: 1000 })
      const elapsed = performance.now() - before
      t.ok(elapsed > 90 && elapsed < DEFAULT_CLOSE_TIMEOUT, `after ${elapsed} ms`)
    }
    const closedAt = performance.now()
    peer.socket.close(1000)
    await channel.closed
    await rejectsInTime(closedAt)
    const takenAt = performance.now()
    t.equal(await channel.receive(), '1')
    await rejectsInTime(takenAt)
    t.equal(await channel.receive(), '2', 'what waits can be taken')
  })

  t.test('in order: after an end that this side began, send rejects', async (t) => {
    for (const end of ['close', 'terminate'] as const) {
      const { channel, peer } = await open(t)
      peer.socket.send('1')
      peer.socket.send('2')
      t.equal(await channel.receive(), '1')
      channel[end]()
      await channel.closed
      await t.rejects(channel.send('late'), { name: 'WebSocketDisconnect' }, end)
    }
  })

  t.test('answers first: messages sent in the turn of a message go out before the answer to a close frame that came with it', async (t) => {
    const { channel, peer } = await open(t)
    const events: unknown[] = []
    peer.socket.on('message', (data: Buffer) => events.push(data.toString()))
    peer.socket.on('close', (code: number) => events.push(code))
    const { _socket: stream } = peer.socket as unknown as { _socket: Duplex }
    stream.cork()
    peer.socket.send('1')
    peer.socket.send('2')
    peer.socket.close(4001, 'bye')
    stream.uncork()
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

  t.test('every pending verb rejects when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    const waiting = WAITING.map((name) => VERBS[name](channel))
    peer.socket.close(4001, 'bye')
    const ends = await Promise.all(waiting.map((promise) => promise.catch((error: Error) => error)))
    for (const [i, end] of ends.entries()) {
      t.type(end, WebSocketDisconnect)
      t.match(end, { closeCode: 4001, reason: 'bye', wasClean: true })
      t.match((end as Error).stack, `\n    at ${WAITING[i].replace(/,.*/, '')} (`, 'its stack names the verb')
    }
  })

  t.test('a pending ping rejects when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.pause() // no pong
    const pings = [channel.ping(), channel.ping()]
    peer.socket.terminate()
    for (const ping of pings) await t.rejects(ping, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })

  t.test('every verb on a connection that has ended rejects with its disconnect', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.close(4001, 'bye')
    await channel.closed
    for (const [name, verb] of Object.entries(VERBS)) {
      await t.rejects(verb(channel), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true }, name)
    }
  })

  t.test('a rejection without an await does not end the process', async (t) => {
    const { channel, peer } = await open(t)
    const reasons = await unhandledRejections(async () => {
      for (const name of WAITING) VERBS[name](channel)
      channel.messages().next()
      channel.receiveEvent()
      channel.receive({ timeout: 0 })
      channel.receive({ signal: AbortSignal.abort() })
      channel.receive({ timeout: -1 })
      channel.receiveJson({ mode: 'binary' as never })
      channel.send(undefined)
      channel.send('text', { type: 'binary' as never })
      channel.sendJson(undefined)
      channel.sendJson({}, { mode: 'binary' as never })
      channel.pair(undefined)
      channel.sendEvent({ type: 'websocket.accept' } as never)
      channel.close(1005)
      peer.socket.terminate()
      await channel.closed
      for (const verb of Object.values(VERBS)) verb(channel)
      channel.messages().next()
      channel.receiveEvent()
      channel.receiveEvent()
    })
    t.same(reasons, [])
  })

  for (const [name, code] of [['1000', 1000], ['1001', 1001], ['no code, 1005,', undefined]] as const) {
    t.test(`iteration ends without an error after ${name} from the other side`, async (t) => {
      const { channel, peer } = await open(t)
      peer.socket.send('1')
      peer.socket.close(code)
      const messages = []
      for await (const message of channel) messages.push(message)
      t.same(messages, ['1'])
      t.equal((await channel.closed).code, code ?? 1005)
      t.same(await channel.messages().next(), { done: true, value: undefined })
    })
  }

  t.test('iteration throws after any other close code', async (t) => {
    for (const code of [1008, 1011, 4000]) {
      const { channel, peer } = await open(t)
      peer.socket.send('1')
      peer.socket.close(code)
      const messages: string[] = []
      await t.rejects(async () => { for await (const message of channel) messages.push(message) }, { name: 'WebSocketDisconnect', closeCode: code })
      t.same(messages, ['1'])
    }
  })

  t.test('iteration throws after a connection was lost', async (t) => {
    const { channel, peer } = await open(t)
    const next = channel.messages('integer').next()
    peer.socket.terminate()
    await t.rejects(next, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
  })

  t.test('receiveEvent gives the disconnect, once', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send('1')
    peer.socket.close(4001, 'bye')
    t.same(await channel.receiveEvent(), { type: 'websocket.receive', text: '1' })
    t.same(await channel.receiveEvent(), { type: 'websocket.disconnect', code: 4001, reason: 'bye' })
    await t.rejects(channel.receiveEvent(), { name: 'WebSocketDisconnect' })
  })

  t.test('close sends 1000 and no reason, and resolves when the connection has ended', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(await channel.close(), undefined)
    t.equal(channel.state, 'closed')
    t.same(await channel.closed, { code: 1000, reason: '', wasClean: true })
    t.same(await peer.closed, { code: 1000, reason: '' })
  })

  t.test('close sends the code and the reason', async (t) => {
    const { channel, peer } = await open(t)
    await channel.close(4321, 'grüße')
    t.same(await peer.closed, { code: 4321, reason: 'grüße' })
  })

  t.test('close sends one close frame', async (t) => {
    const { channel, peer } = await open(t)
    const frames: Buffer[] = []
    ;(peer.socket as any)._socket.on('data', (chunk: Buffer) => frames.push(Buffer.from(chunk)))
    await channel.close()
    const { length } = Buffer.concat(frames)
    t.ok(length === 4 || length === 8, 'of two bytes, a head, and from a client a mask')
  })

  t.test('close(null) sends a close frame without a code, and a reason goes with a code only', async (t) => {
    const { channel, peer } = await open(t)
    await t.rejects(channel.close(null, 'bye'), { name: 'WebSocketOptionError', message: 'a close without a code has no reason: leave it out, or give a code' })
    t.equal(channel.state, 'open')
    const frames: Buffer[] = []
    ;(peer.socket as any)._socket.on('data', (chunk: Buffer) => frames.push(Buffer.from(chunk)))
    await channel.close(null)
    const [head, mask, ...others] = [...Buffer.concat(frames)]
    t.same([head, mask & 0x7f, others.length], [0x88, 0, mask === 0 ? 0 : 4], 'a head, and from a client a mask')
    t.same(await peer.closed, { code: 1005, reason: '' })
    t.same(await channel.closed, { code: 1005, reason: '', wasClean: true })
  })

  t.test('a close is not clean when its answer could not be written', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.pause()
    channel.send(Buffer.alloc(16 * 1024 * 1024))
    peer.socket.close(4001, 'bye')
    await until(() => channel.state === 'closing')
    peer.socket.terminate()
    t.same(await channel.closed, { code: 4001, reason: 'bye', wasClean: false })
    t.equal((await channel.receive().catch((error) => error)).wasClean, false)
  })

  t.test('a protocol violation is answered with a close frame, and the end is not clean', async (t) => {
    const { channel, peer } = await open(t)
    ;(peer.socket as any)._socket.write(Buffer.from([0xff, 0xff])) // reserved bits and an unknown opcode
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
    t.equal((await peer.closed).code, 1002)
  })

  t.test('every registered code that may be sent is sent', async (t) => {
    for (const code of Object.values(closeCodes)) {
      if (code === 1005 || code === 1006 || code === 1015) continue
      const { channel, peer } = await open(t)
      await channel.close(code)
      t.equal((await peer.closed).code, code)
    }
  })

  t.test('a code that may not be sent is a RangeError, and the connection stays open', async (t) => {
    const { channel, peer } = await open(t)
    for (const code of [1005, 1006, 1015, 1004, 1016, 2999, 0, 999, 5000, 1000.5, NaN, '1000']) {
      await t.rejects(channel.close(code as never), RangeError, String(code))
    }
    await channel.send('still open')
    t.equal(await peer.next(), 'still open')
    t.equal(channel.state, 'open')
  })

  t.test('a reason that is not a string rejects, and the connection stays open', async (t) => {
    const { channel } = await open(t)
    await t.rejects(channel.close(1000, Buffer.from('bye') as never), { name: 'WebSocketOptionError' })
    t.equal(channel.state, 'open')
  })

  t.test('a reason is cut to 123 bytes at a character boundary', async (t) => {
    const { channel, peer } = await open(t)
    await channel.close(4000, 'é'.repeat(100))
    t.same(await peer.closed, { code: 4000, reason: 'é'.repeat(61) })
  })

  t.test('close is idempotent: the first call counts', async (t) => {
    const { channel, peer } = await open(t)
    await Promise.all([channel.close(4001, 'first'), channel.close(4002, 'second'), channel.close()])
    t.equal(await channel.close(4003), undefined)
    t.same(await peer.closed, { code: 4001, reason: 'first' })
  })

  t.test('close resolves when the other side closes at the same time', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.close(4001)
    await channel.close(4002)
    t.equal(channel.state, 'closed')
  })

  t.test('close resolves on a connection that has ended', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.terminate()
    await channel.closed
    t.equal(await channel.close(), undefined)
  })

  t.test('close is forced when the other side does not answer', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 20 })
    peer.socket.pause()
    await channel.close(4001)
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
  })

  t.test('messages sent before a close arrive before it', async (t) => {
    const { channel, peer } = await open(t)
    for (let n = 0; n < 100; n++) channel.send(n)
    channel.close(4001, 'done')
    t.same(await peer.rest(), Array.from({ length: 100 }, (_, n) => String(n)))
    t.same(await peer.closed, { code: 4001, reason: 'done' })
  })

  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    t.test(`1 MiB that was sent before a close arrives whole, ${perMessageDeflate === false ? 'uncompressed' : 'compressed'}`, async (t) => {
      const { channel, peer } = await open(t, { perMessageDeflate })
      const large = Buffer.alloc(1024 * 1024, 'fastify')
      t.equal(channel.raw?.extensions, perMessageDeflate === false ? '' : 'permessage-deflate')
      channel.send(large)
      channel.send('last')
      channel.close()
      const [first, ...others] = await peer.rest()
      t.ok(large.equals(first as Buffer))
      t.same(others, ['last'])
      t.same(await channel.closed, { code: 1000, reason: '', wasClean: true })
    })
  }

  t.test('after its own close, a channel takes neither the messages that wait nor later messages', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send('taken')
    peer.socket.send('waits')
    peer.socket.ping()
    await once(channel.raw!, 'ping')
    await channel.expect('taken')
    const closing = channel.close(4001)
    peer.socket.send('comes')
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
    await closing
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
  })

  t.test('after its own close, a channel sends no message', async (t) => {
    const { channel, peer } = await open(t)
    const closing = channel.close(4001)
    t.equal(channel.state, 'closing')
    const sends: Promise<unknown>[] = [channel.send('late'), channel.sendJson({}), channel.ping()]
    for (const send of sends) await t.rejects(send, { name: 'WebSocketDisconnect', closeCode: 4001 })
    await closing
    t.same(await peer.rest(), [])
  })

  t.test('sendEvent closes', async (t) => {
    for (const [event, end] of [
      [{ type: 'websocket.close' }, { code: 1000, reason: '' }],
      [{ type: 'websocket.close', code: 4001, reason: 'bye' }, { code: 4001, reason: 'bye' }],
      [{ type: 'websocket.close', code: 4001, reason: null }, { code: 4001, reason: '' }],
      [{ type: 'websocket.close', code: null }, { code: 1005, reason: '' }]
    ] as const) {
      const { channel, peer } = await open(t)
      await channel.sendEvent(event as never)
      t.same(await peer.closed, end)
    }
  })

  t.test('await using closes', async (t) => {
    const { channel, peer } = await open(t)
    {
      await using scoped = channel
      await scoped.send('text')
    }
    t.equal(channel.state, 'closed')
    t.same(await peer.closed, { code: 1000, reason: '' })
  })

  t.test('terminate drops the connection at once', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(channel.terminate(), undefined)
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
    t.same(await peer.closed, { code: 1006, reason: '' })
    t.equal(channel.terminate(), undefined, 'again')
  })

  t.test('messages sent just before terminate are written', async (t) => {
    const { channel, peer } = await open(t)
    channel.send('last words')
    channel.terminate()
    t.same(await peer.rest(), ['last words'])
  })

  t.test('closed resolves, whether it is read before or after the end', async (t) => {
    const { channel, peer } = await open(t)
    const before = channel.closed
    t.equal(channel.closed, before)
    peer.socket.close(4001, 'bye')
    t.same(await before, { code: 4001, reason: 'bye', wasClean: true })
    t.equal(channel.closed, before)
  })

  t.test('closed resolves when it is first read after the end', async (t) => {
    const { channel, peer } = await open(t)
    const receiving = channel.receive()
    peer.socket.close(4001, 'bye')
    await t.rejects(receiving)
    t.same(await channel.closed, { code: 4001, reason: 'bye', wasClean: true })
  })

  t.test('signal aborts at the end, with the disconnect as its reason', async (t) => {
    const { channel, peer } = await open(t)
    const { signal } = channel
    t.equal(channel.signal, signal)
    t.equal(signal.aborted, false)
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    peer.socket.close(4001, 'bye')
    await aborted
    t.match(signal.reason, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
    t.equal((await channel.receive().catch((error) => error)).message, signal.reason.message)
  })

  t.test('signal is aborted when it is first read after the end', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.terminate()
    await channel.closed
    t.equal(channel.signal.aborted, true)
    t.match(channel.signal.reason, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })

  t.test('signal aborts after the channel\'s own close, too', async (t) => {
    const { channel } = await open(t)
    const { signal } = channel
    await channel.close()
    t.equal(signal.aborted, true)
  })

  t.test('a listener on signal that throws does no harm', async (t) => {
    const { channel, peer } = await open(t)
    const reached: string[] = []
    const reasons = await unhandledRejections(async () => {
      channel.signal.addEventListener('abort', () => { reached.push('first'); throw new Error('from a listener') })
      channel.signal.addEventListener('abort', async () => { reached.push('second'); throw new Error('from an asynchronous listener') })
      peer.socket.terminate()
      await channel.closed
    })
    t.same(reached, ['first', 'second'])
    t.same(reasons, [])
  })

  t.test('state goes from open through closing to closed', async (t) => {
    const { channel } = await open(t)
    t.equal(channel.state, 'open')
    const closing = channel.close()
    t.equal(channel.state, 'closing')
    await closing
    t.equal(channel.state, 'closed')
  })

  const OVERSIZE = { code: 1009, reason: 'message larger than 1000 bytes' }

  t.test('a message above maxPayload closes the connection with 1009 and a reason that names the limit', async (t) => {
    const { channel, peer } = await open(t, { maxPayload: 1000 })
    peer.socket.send('a'.repeat(1000))
    peer.socket.send('a'.repeat(1001))
    peer.socket.send('late')
    t.equal((await channel.receive()).length, 1000)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', cause: RangeError })
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message whose fragments together are above maxPayload closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000 })
    for (let n = 0; n < 3; n++) peer.socket.send('a'.repeat(400), { fin: n === 2 })
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message that inflates above maxPayload closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000, perMessageDeflate: { threshold: 0 } })
    peer.socket.send('a'.repeat(1001))
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('a message whose length is beyond the safe integers closes the connection with 1009', async (t) => {
    const { peer } = await open(t, { maxPayload: 1000 })
    const mask = (peer.socket as any)._isServer === true ? 0 : 0x80
    ;(peer.socket as any)._socket.write(Buffer.from([0x82, mask | 127, 255, 255, 255, 255, 255, 255, 255, 255]))
    t.same(await peer.closed, OVERSIZE)
  })

  t.test('the channel\'s own close with 1009 has the reason of the call', async (t) => {
    for (const reason of [undefined, 'far too much']) {
      const { channel, peer } = await open(t)
      await channel.close(1009, reason)
      t.same(await peer.closed, { code: 1009, reason: reason ?? '' })
      const other = await open(t)
      other.channel.raw!.close(1009, reason)
      t.same(await other.peer.closed, { code: 1009, reason: reason ?? '' })
    }
  })

  t.test('text that is not UTF-8 closes the connection with 1007', async (t) => {
    const { channel, peer } = await open(t)
    peer.socket.send(Buffer.from([255]), { binary: false })
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect' })
    t.equal((await peer.closed).code, 1007)
  })

  t.test('ping resolves with the round trip in milliseconds', async (t) => {
    const { channel } = await open(t)
    const before = performance.now()
    const [first, second] = await Promise.all([channel.ping(), channel.ping()])
    const passed = performance.now() - before
    t.ok(first > 0 && first <= passed, `${first} of ${passed}`)
    t.ok(second > 0 && second <= passed, `${second} of ${passed}`)
  })

  t.test('the channel answers the pings of the other side', async (t) => {
    const { peer } = await open(t)
    const pong = new Promise((resolve) => peer.socket.once('pong', (data) => resolve(data.toString())))
    peer.socket.ping('payload')
    t.equal(await pong, 'payload')
  })

  t.test('an unsolicited pong changes nothing', async (t) => {
    const { channel, peer } = await open(t)
    for (const data of ['', '1', 'pong']) peer.socket.pong(data)
    peer.socket.send('after them')
    await channel.expect('after them')
    t.type(await channel.ping(), 'number')
  })

  t.test('bufferedAmount counts the bytes that the kernel does not have yet', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(channel.bufferedAmount, 0)
    const large = 'a'.repeat(100_000)
    channel.send(large)
    t.ok(channel.bufferedAmount >= 100_000, String(channel.bufferedAmount))
    t.equal(await peer.next(), large)
    await until(() => channel.bufferedAmount === 0)
  })

  t.test('raw is the ws socket', async (t) => {
    const { channel, peer } = await open(t)
    channel.raw!.send('past the channel')
    t.equal(await peer.next(), 'past the channel')
    t.equal(channel.raw!.bufferedAmount, channel.bufferedAmount)
  })

  t.test('protocol is the subprotocol, or empty', async (t) => {
    const { channel } = await open(t)
    t.equal(channel.protocol, '')
    const { channel: other, peer } = await open(t, { subprotocol: 'chat.v1' })
    t.equal(other.protocol, 'chat.v1')
    t.equal(peer.socket.protocol, 'chat.v1')
  })
}
