import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import { bytes, isBytesOf, repeated } from './bytes'
import type { Tests } from './assertions'
import type { Ends, Open } from './channel'

type Verbs<Channel> = Record<string, (channel: Channel) => Promise<unknown>>

/** Verbs that send. */
const SENDING: Verbs<Ends['channel']> = {
  send: (channel) => channel.send('text'),
  sendText: (channel) => channel.sendText('text'),
  sendBytes: (channel) => channel.sendBytes(bytes('bytes')),
  sendJson: (channel) => channel.sendJson({})
}

/** Verbs that wait for a message. */
const RECEIVING: Verbs<Ends['channel']> = {
  receive: (channel) => channel.receive(),
  receiveText: (channel) => channel.receiveText(),
  receiveBytes: (channel) => channel.receiveBytes(),
  receiveJson: (channel) => channel.receiveJson(),
  pair: (channel) => channel.pair('text'),
  'pair, receiveFirst': (channel) => channel.pair('text', { receiveFirst: true }),
  expect: (channel) => channel.expect('text')
}

const VERBS = { ...SENDING, ...RECEIVING }

/** Milliseconds: `closeTimeout` by default, and some time for slow machines. */
const CLOSED_BY = 5_000 + 5_000

export function endingsContract (t: Tests, open: Open): void {
  messagesBeforeTheEnd(t, open)
  verbsAtTheEnd(t, open)
  iterationAtTheEnd(t, open)
  ownClose(t, open)
  stateOfTheConnection(t, open)
}

function messagesBeforeTheEnd (t: Tests, open: Open): void {
  t.test('messages before a close frame are received before the disconnect', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', '2', '3']) peer.send(message)
    peer.close(4001, 'bye')
    await channel.closed
    for (const message of ['1', '2', '3']) t.equal(await channel.receive(), message)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  })

  t.test('messages before a lost connection are received before the disconnect', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    await peer.send('2')
    peer.terminate()
    await channel.closed
    t.equal(await channel.receive(), '1')
    t.equal(await channel.receive(), '2')
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 1006, reason: '', wasClean: false })
  })

  t.test('in order: a handler that takes the messages before an end can go on sending', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', '2', '3', '4', '5']) peer.send(message)
    peer.close(1000)
    await channel.closed
    t.equal(channel.signal.aborted, true)
    const saved: unknown[] = []
    for await (const message of channel) {
      let hasResolved = false
      const sent = channel.send(`saved ${message}`).then(() => { hasResolved = true })
      for (let n = 0; n < 10; n++) await null
      t.equal(hasResolved, false, 'not in the same task')
      await sent
      for (const [name, verb] of Object.entries(SENDING)) t.equal(await verb(channel), undefined, name)
      saved.push(message)
    }
    t.same(saved, ['1', '2', '3', '4', '5'])
    await t.rejects(channel.send('late'), { name: 'WebSocketDisconnect', closeCode: 1000 })
  })

  t.test('in order: a pending send resolves when the connection ends while messages wait', async (t) => {
    const { channel, peer } = await open(t)
    await peer.pause()
    const waiting = channel.send(repeated(0, 16 * 1024 * 1024))
    for (const message of ['1', '2']) peer.send(message)
    peer.close(1000)
    await until(() => channel.state === 'closing')
    peer.terminate()
    await channel.closed
    t.equal(await channel.receive(), '1')
    t.equal(await waiting, undefined)
    t.equal(channel.state, 'closed')
    t.equal(await channel.receive(), '2')
  })

  t.test('in order: pair rejects while messages wait', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.close(4001)
    await channel.closed
    await t.rejects(channel.pair('text'), { name: 'WebSocketDisconnect', closeCode: 4001 })
    t.equal(await channel.receive(), '1')
  })

  t.test('in order: a handler that takes no messages learns of the end within closeTimeout', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 100 })
    peer.send('1')
    const closedAt = performance.now()
    peer.close(1000)
    await channel.closed
    await t.rejects(async () => { for (;;) await channel.send('pushed') }, { name: 'WebSocketDisconnect', closeCode: 1000 })
    const elapsed = performance.now() - closedAt
    t.ok(elapsed > 90 && elapsed < CLOSED_BY, `after ${elapsed} ms`)
    t.equal(await channel.receive(), '1', 'what waits can be taken')
  })

  t.test('in order: after a close of its own, send rejects', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.send('2')
    t.equal(await channel.receive(), '1')
    channel.close()
    await channel.closed
    await t.rejects(channel.send('late'), { name: 'WebSocketDisconnect' })
  })
}

function verbsAtTheEnd (t: Tests, open: Open): void {
  t.test('every pending verb rejects when the connection ends', async (t) => {
    const { channel, peer } = await open(t)
    const waiting = Object.values(RECEIVING).map((verb) => verb(channel))
    peer.close(4001, 'bye')
    const ends = await Promise.all(waiting.map((promise) => promise.catch((error: Error) => error)))
    for (const [i, name] of Object.keys(RECEIVING).entries()) {
      t.match(ends[i], { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
      t.ok((ends[i] as Error).stack!.includes(`\n    at ${name.replace(/,.*/, '')} (`), 'its stack names the verb')
    }
  })

  t.test('every verb on a connection that has ended rejects with its disconnect', async (t) => {
    const { channel, peer } = await open(t)
    peer.close(4001, 'bye')
    await channel.closed
    for (const [name, verb] of Object.entries(VERBS)) {
      await t.rejects(verb(channel), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true }, name)
    }
  })

  t.test('a rejection without an await is not reported', async (t) => {
    const { channel, peer } = await open(t)
    const reasons = await unhandledRejections(async () => {
      for (const verb of Object.values(RECEIVING)) verb(channel)
      channel.messages().next()
      channel.receive({ timeout: 0 })
      channel.receive({ signal: AbortSignal.abort() })
      channel.receive({ timeout: -1 })
      channel.receiveJson({ mode: 'binary' as never })
      channel.send(undefined)
      channel.send('text', { type: 'binary' as never })
      channel.sendJson(undefined)
      channel.sendJson({}, { mode: 'binary' as never })
      channel.pair(undefined)
      channel.close(1005)
      peer.terminate()
      await channel.closed
      for (const verb of Object.values(VERBS)) verb(channel)
      channel.messages().next()
    })
    t.same(reasons, [])
  })
}

function iterationAtTheEnd (t: Tests, open: Open): void {
  for (const [name, code] of [['1000', 1000], ['1001', 1001], ['no code, 1005,', undefined]] as const) {
    t.test(`iteration ends without an error after ${name} from the other side`, async (t) => {
      const { channel, peer } = await open(t)
      peer.send('1')
      peer.close(code)
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
      peer.send('1')
      peer.close(code)
      const messages: string[] = []
      await t.rejects(async () => { for await (const message of channel) messages.push(message) }, { name: 'WebSocketDisconnect', closeCode: code })
      t.same(messages, ['1'])
    }
  })

  t.test('iteration throws after a connection was lost', async (t) => {
    const { channel, peer } = await open(t)
    const next = channel.messages('integer').next()
    peer.terminate()
    await t.rejects(next, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
  })
}

function ownClose (t: Tests, open: Open): void {
  t.test('close sends 1000 and no reason, and resolves when the connection has ended', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(await channel.close(), undefined)
    t.equal(channel.state, 'closed')
    t.same(await channel.closed, { code: 1000, reason: '', wasClean: true })
    t.same(await peer.closed, { code: 1000, reason: '' })
  })

  t.test('close sends the code and the reason', async (t) => {
    for (const code of [1000, 3000, 3003, 4321, 4999]) {
      const { channel, peer } = await open(t)
      await channel.close(code, 'grüße')
      t.same(await peer.closed, { code, reason: 'grüße' })
    }
  })

  t.test('close(null) sends a close frame without a code, and a reason goes with a code only', async (t) => {
    const { channel, peer } = await open(t)
    await t.rejects(channel.close(null, 'bye'), { name: 'WebSocketOptionError', message: 'a close without a code has no reason: leave it out, or give a code' })
    t.equal(channel.state, 'open')
    await channel.close(null)
    t.same(await peer.closed, { code: 1005, reason: '' })
    t.same(await channel.closed, { code: 1005, reason: '', wasClean: true })
  })

  t.test('a code that may not be sent is a RangeError, and the connection stays open', async (t) => {
    const { channel, peer } = await open(t)
    for (const code of [1005, 1006, 1015, 1004, 1016, 2999, 0, 999, 5000, 1000.5, NaN, '1000']) {
      await t.rejects(channel.close(code as never), { name: 'RangeError' }, String(code))
    }
    await channel.send('still open')
    t.equal(await peer.next(), 'still open')
    t.equal(channel.state, 'open')
  })

  t.test('a reason that is not a string rejects, and the connection stays open', async (t) => {
    const { channel } = await open(t)
    await t.rejects(channel.close(1000, bytes('bye') as never), { name: 'WebSocketOptionError' })
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
    peer.close(4001)
    await channel.close(4002)
    t.equal(channel.state, 'closed')
  })

  t.test('close resolves on a connection that has ended', async (t) => {
    const { channel, peer } = await open(t)
    peer.terminate()
    await channel.closed
    t.equal(await channel.close(), undefined)
  })

  t.test('close is forced when the other side does not answer', async (t) => {
    const { channel, peer } = await open(t, { closeTimeout: 20 })
    await peer.pause()
    const before = performance.now()
    await channel.close(4001)
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
    t.ok(performance.now() - before < CLOSED_BY)
  })

  t.test('messages sent before a close arrive before it', async (t) => {
    const { channel, peer } = await open(t)
    for (let n = 0; n < 100; n++) channel.send(n)
    channel.close(4001, 'done')
    t.same(await peer.rest(), Array.from({ length: 100 }, (_, n) => String(n)))
    t.same(await peer.closed, { code: 4001, reason: 'done' })
  })

  for (const isCompressed of [false, true]) {
    t.test(`1 MiB that was sent before a close arrives whole, ${isCompressed ? 'compressed' : 'uncompressed'}`, async (t) => {
      const { channel, peer } = await open(t, { isCompressed })
      const large = bytes('fastify '.repeat(128 * 1024))
      channel.send(large)
      channel.send('last')
      channel.close()
      const [first, ...others] = await peer.rest()
      t.ok(isBytesOf(first, large))
      t.same(others, ['last'])
      t.same(await channel.closed, { code: 1000, reason: '', wasClean: true })
    })
  }

  t.test('after its own close, a channel takes neither the messages that wait nor later messages', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('taken')
    await peer.send('waits')
    await channel.expect('taken')
    const closing = channel.close(4001)
    peer.send('comes')
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
    await closing
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4001 })
  })

  t.test('after its own close, a channel sends no message, and send rejects at once', async (t) => {
    const { channel, peer } = await open(t)
    const closing = channel.close(4001, 'why')
    channel.close(4002)
    for (const send of [channel.send('late'), channel.sendJson({})]) {
      t.match(await send.catch((error) => error), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'why', wasClean: false })
    }
    t.equal(channel.state, 'closing')
    await closing
    t.same(await peer.rest(), [])
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
}

function stateOfTheConnection (t: Tests, open: Open): void {
  t.test('closed resolves, whether it is read before or after the end', async (t) => {
    const { channel, peer } = await open(t)
    const before = channel.closed
    t.equal(channel.closed, before)
    peer.close(4001, 'bye')
    t.same(await before, { code: 4001, reason: 'bye', wasClean: true })
    t.equal(channel.closed, before)
  })

  t.test('closed resolves when it is first read after the end', async (t) => {
    const { channel, peer } = await open(t)
    const receiving = channel.receive()
    peer.close(4001, 'bye')
    await t.rejects(receiving, { name: 'WebSocketDisconnect' })
    t.same(await channel.closed, { code: 4001, reason: 'bye', wasClean: true })
  })

  t.test('signal aborts at the end, with the disconnect as its reason', async (t) => {
    const { channel, peer } = await open(t)
    const { signal } = channel
    t.equal(channel.signal, signal)
    t.equal(signal.aborted, false)
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    peer.close(4001, 'bye')
    await aborted
    t.match(signal.reason, { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
    t.equal((await channel.receive().catch((error) => error)).message, signal.reason.message)
  })

  t.test('signal is aborted when it is first read after the end', async (t) => {
    const { channel, peer } = await open(t)
    peer.terminate()
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

  t.test('state goes from open through closing to closed', async (t) => {
    const { channel } = await open(t)
    t.equal(channel.state, 'open')
    const closing = channel.close()
    t.equal(channel.state, 'closing')
    await closing
    t.equal(channel.state, 'closed')
  })

  t.test('a violation of the protocol by the other side ends the connection, and the end is not clean', async (t) => {
    const { channel, peer } = await open(t)
    peer.write(Uint8Array.of(0xff, 0)) // reserved bits and an unknown opcode
    t.same(await channel.closed, { code: 1006, reason: '', wasClean: false })
  })

  t.test('the channel answers the pings of the other side', async (t) => {
    const { peer } = await open(t)
    t.equal(await peer.ping('payload'), 'payload')
  })

  t.test('bufferedAmount counts the bytes that the kernel does not have yet', async (t) => {
    const { channel, peer } = await open(t)
    t.equal(channel.bufferedAmount, 0)
    await peer.pause()
    const mebibyte = repeated(97, 1024 * 1024)
    for (let n = 0; n < 16; n++) channel.send(mebibyte)
    t.ok(channel.bufferedAmount > mebibyte.length, String(channel.bufferedAmount))
    await peer.resume()
    await until(() => channel.bufferedAmount === 0)
  })

  t.test('protocol is the subprotocol, or empty', async (t) => {
    const { channel } = await open(t)
    t.equal(channel.protocol, '')
    const { channel: other, peer } = await open(t, { subprotocol: 'chat.v1' })
    t.equal(other.protocol, 'chat.v1')
    t.equal(await peer.protocol(), 'chat.v1')
  })
}
