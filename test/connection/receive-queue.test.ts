import t from 'tap'
import { once, getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { ConnectionEnd } from '../../lib/base/connection-end'
import { ReceiveQueue, type Flow } from '../../lib/connection/receive-queue'
import { isLinear } from '../helpers/linear'
import { connectWebSockets } from '../helpers/websocket-pair'
import { runningTimers } from '../helpers/timers'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { Decode } from '../../lib/codec/decode'

const asText: Decode = (data) => data.toString()

/** Counts how often the receive queue has paused and resumed its flow. */
class Gauge implements Flow {
  pauses = 0
  resumes = 0
  pause (): void { this.pauses++ }
  resume (): void { this.resumes++ }
}

/** A message in a memory of its own. */
function bytes (text: string): Buffer {
  const data = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  data.write(text)
  return data
}

function push (receiveQueue: ReceiveQueue, ...messages: string[]): void {
  for (const message of messages) receiveQueue.push(bytes(message), Buffer.byteLength(message))
}

t.test('messages that have arrived are taken in order', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  push(receiveQueue, 'a', 'b', 'c')
  t.strictSame([await receiveQueue.receive(asText), await receiveQueue.receive(asText), await receiveQueue.receive(asText)], ['a', 'b', 'c'])
})

t.test('waiting readers are served in the order of their calls', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const served: string[] = []
  const readers = ['first', 'second', 'third'].map((name) => receiveQueue.receive(asText).then((message) => served.push(`${name} ${message}`)))
  push(receiveQueue, 'a', 'b', 'c')
  await Promise.all(readers)
  t.strictSame(served, ['first a', 'second b', 'third c'])
})

t.test('each message goes to one reader, with messages and readers alternating', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  push(receiveQueue, 'a')
  const [a, b] = [receiveQueue.receive(asText), receiveQueue.receive(asText)]
  push(receiveQueue, 'b', 'c')
  t.strictSame(await Promise.all([a, b, receiveQueue.receive(asText)]), ['a', 'b', 'c'])
})

t.test('a message is decoded by its reader, which gets a text or bytes', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const decode: Decode = (message) => [message]
  const messages = [Buffer.from('a'), 'b', Buffer.from('c'), 'd']
  receiveQueue.push(messages[0], 1)
  receiveQueue.push(messages[1], 1)
  t.strictSame(await receiveQueue.receive(decode), [messages[0]])
  t.strictSame(await receiveQueue.receive(decode), [messages[1]])
  const waiting = [receiveQueue.receive(decode), receiveQueue.receive(decode)]
  receiveQueue.push(messages[2], 1)
  receiveQueue.push(messages[3], 1)
  t.strictSame(await Promise.all(waiting), [[messages[2]], [messages[3]]])
})

t.test('a message is decoded once, when it is received', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  let decoded = 0
  const decode: Decode = () => ++decoded
  push(receiveQueue, 'a', 'b')
  t.equal(decoded, 0)
  await receiveQueue.receive(decode)
  t.equal(decoded, 1)
})

for (const [when, isQueued] of [['a message that had arrived', true], ['a message that was waited for', false]] as const) {
  const receive = (receiveQueue: ReceiveQueue, decode: Decode): Promise<unknown> => {
    if (isQueued) push(receiveQueue, 'bad')
    const receiving = receiveQueue.receive(decode)
    if (!isQueued) push(receiveQueue, 'bad')
    return receiving
  }
  const failure = new Error('does not decode')

  t.test(`${when}: an error of the decoder rejects, and concerns that message only`, async (t) => {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    await t.rejects(receive(receiveQueue, () => { throw failure }), failure)
    push(receiveQueue, 'good')
    t.equal(await receiveQueue.receive(asText), 'good')
  })

  t.test(`${when}: a decoder may return a promise`, async (t) => {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    t.equal(await receive(receiveQueue, async () => { await setImmediate(); return 'later' }), 'later')
  })

  t.test(`${when}: a rejected promise of the decoder rejects, and concerns that message only`, async (t) => {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    await t.rejects(receive(receiveQueue, async () => { throw failure }), failure)
    push(receiveQueue, 'good')
    t.equal(await receiveQueue.receive(asText), 'good')
  })

  t.test(`${when}: an unobserved receive is no unhandled rejection when the message does not decode`, async (t) => {
    t.strictSame(await unhandledRejections(() => { receive(new ReceiveQueue(1000, new Gauge()), () => { throw failure }) }), [])
    t.strictSame(await unhandledRejections(() => { receive(new ReceiveQueue(1000, new Gauge()), async () => { throw failure }) }), [])
    t.strictSame(await unhandledRejections(() => { receive(new ReceiveQueue(1000, new Gauge()), async () => { await setImmediate(); throw failure }) }), [])
  })
}

t.test('a receive rejects at its timeout with a WebSocketTimeoutError that names the timeout', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  await t.rejects(receiveQueue.receive(asText, { timeout: 5 }), { name: 'WebSocketTimeoutError', code: 'FST_WS_TIMEOUT', closeCode: 1008, message: 'no message within 5 ms' })
})

t.test('a receive with timeout 0 takes a message that waits, and rejects without one', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  await t.rejects(receiveQueue.receive(asText, { timeout: 0 }), { code: 'FST_WS_TIMEOUT' })
  push(receiveQueue, 'a')
  t.equal(await receiveQueue.receive(asText, { timeout: 0 }), 'a')
})

t.test('a receive that timed out takes no message', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  await t.rejects(receiveQueue.receive(asText, { timeout: 1 }))
  push(receiveQueue, 'a')
  t.equal(await receiveQueue.receive(asText), 'a')
})

t.test('the readers around a reader that timed out are served in order', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const first = receiveQueue.receive(asText)
  const second = receiveQueue.receive(asText, { timeout: 1 })
  const third = receiveQueue.receive(asText)
  await t.rejects(second)
  push(receiveQueue, 'a', 'b')
  t.strictSame(await Promise.all([first, third]), ['a', 'b'])
})

t.test('giving up takes constant time among many waiting readers, in any order', async (t) => {
  // AbortSignals of Node take longer than the measured work.
  class Signal {
    readonly aborted = false
    abort!: () => void
    addEventListener (_: string, listener: () => void): void { this.abort = listener }
    removeEventListener (): void {}
  }
  for (const [order, arrange] of Object.entries<(list: Signal[]) => Signal[]>({
    'newest first': (list) => list.reverse(),
    'oldest first': (list) => list,
    'from the middle on': (list) => [...list.slice(list.length / 2), ...list.slice(0, list.length / 2)]
  })) {
    isLinear(t, 10_000, (n) => {
      const receiveQueue = new ReceiveQueue(1000, new Gauge())
      const signals = Array.from({ length: n }, () => new Signal())
      for (const signal of signals) receiveQueue.receive(asText, { signal: signal as never })
      return () => { for (const signal of arrange(signals)) signal.abort() }
    }, order)
  }
})

t.test('whichever waiting reader gives up, the others are served in order', async (t) => {
  for (const order of [[2, 1], [0, 1], [1, 2, 3], [3, 0, 2], [0, 1, 2, 3]]) {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    const controllers = Array.from({ length: 4 }, () => new AbortController())
    const served: string[] = []
    const readers = controllers.map(({ signal }, i) => receiveQueue.receive(asText, { signal }).then((text) => served.push(`${i} ${text}`), () => {}))
    for (const i of order) controllers[i].abort()
    readers.push(receiveQueue.receive(asText).then((text) => served.push(`last ${text}`)))
    const left = [0, 1, 2, 3].filter((i) => !order.includes(i))
    push(receiveQueue, ...left.map(String), 'last')
    await Promise.all(readers)
    t.strictSame(served, [...left.map((i) => `${i} ${i}`), 'last last'], order.join())
  }
})

t.test('a reader that comes after the last one has given up is served in turn', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const first = receiveQueue.receive(asText)
  await t.rejects(receiveQueue.receive(asText, { timeout: 1 }))
  const second = receiveQueue.receive(asText, { timeout: 1_000 })
  push(receiveQueue, 'a', 'b')
  t.strictSame(await Promise.all([first, second]), ['a', 'b'])
})

t.test('a timeout longer than a timer can have does not run out at once', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const patient = [2 ** 31, Number.MAX_SAFE_INTEGER, Infinity].map((timeout) => receiveQueue.receive(asText, { timeout }))
  await t.rejects(receiveQueue.receive(asText, { timeout: 20 }))
  push(receiveQueue, 'a', 'b', 'c')
  t.strictSame(await Promise.all(patient), ['a', 'b', 'c'])
})

t.test('the longest timeout of a timer does not run out at once', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const patient = receiveQueue.receive(asText, { timeout: 2 ** 31 - 1 })
  await t.rejects(receiveQueue.receive(asText, { timeout: 20 }))
  push(receiveQueue, 'a')
  t.equal(await patient, 'a')
})

t.test('an aborted receive rejects with the reason of the signal', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const reason = new Error('enough')
  const controller = new AbortController()
  const receiving = receiveQueue.receive(asText, { signal: controller.signal })
  controller.abort(reason)
  await t.rejects(receiving, reason)
})

t.test('an aborted receive takes no message', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const controller = new AbortController()
  const [first, second, third] = [receiveQueue.receive(asText), receiveQueue.receive(asText, { signal: controller.signal }), receiveQueue.receive(asText)]
  controller.abort()
  push(receiveQueue, 'a', 'b')
  await t.rejects(second, { name: 'AbortError' })
  t.strictSame(await Promise.all([first, third]), ['a', 'b'])
})

t.test('a receive with an aborted signal rejects, and leaves the waiting message', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  push(receiveQueue, 'a')
  const reason = new Error('enough')
  await t.rejects(receiveQueue.receive(asText, { signal: AbortSignal.abort(reason), timeout: 5 }), reason)
  t.equal(await receiveQueue.receive(asText), 'a')
})

t.test('an abort after the message was received changes nothing', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const controller = new AbortController()
  const receiving = receiveQueue.receive(asText, { signal: controller.signal })
  const next = receiveQueue.receive(asText)
  push(receiveQueue, 'a')
  controller.abort()
  t.equal(await receiving, 'a')
  push(receiveQueue, 'b')
  t.equal(await next, 'b')
})

t.test('one signal can abort many receives', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const controller = new AbortController()
  const receiving = Array.from({ length: 5 }, () => receiveQueue.receive(asText, { signal: controller.signal }))
  controller.abort()
  for (const result of await Promise.allSettled(receiving)) t.equal(result.status, 'rejected')
  push(receiveQueue, 'a')
  t.equal(await receiveQueue.receive(asText), 'a')
})

t.test('a receive removes its timer and its listener, however it ends', async (t) => {
  const end = new ConnectionEnd(1000, '', true)
  const ways: Record<string, (receiveQueue: ReceiveQueue, controller: AbortController) => void> = {
    message: (receiveQueue) => push(receiveQueue, 'a'),
    abort: (_inbox, controller) => controller.abort(),
    end: (receiveQueue) => receiveQueue.end(end, 0)
  }
  const before = runningTimers()
  for (const [name, way] of Object.entries(ways)) {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    const controller = new AbortController()
    const receiving = receiveQueue.receive(asText, { timeout: 60_000, signal: controller.signal })
    t.equal(runningTimers(), before + 1)
    t.equal(getEventListeners(controller.signal, 'abort').length, 1)
    way(receiveQueue, controller)
    await receiving.catch(() => {})
    t.equal(runningTimers(), before, `timer after ${name}`)
    t.equal(getEventListeners(controller.signal, 'abort').length, 0, `listener after ${name}`)
  }
  const { signal } = new AbortController()
  await t.rejects(new ReceiveQueue(1000, new Gauge()).receive(asText, { timeout: 1, signal }), { code: 'FST_WS_TIMEOUT' })
  t.equal(getEventListeners(signal, 'abort').length, 0, 'listener after timeout')
})

t.test('a receive that finds a message at once leaves no timer and no listener', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const { signal } = new AbortController()
  const before = runningTimers()
  push(receiveQueue, 'a')
  await receiveQueue.receive(asText, { timeout: 60_000, signal })
  t.equal(runningTimers(), before)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('at the end every waiting reader gets the error', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const end = new ConnectionEnd(1001, 'bye', true)
  const readers = [receiveQueue.receive(asText), receiveQueue.receive(asText, { timeout: 60_000 })]
  receiveQueue.end(end, 0)
  for (const reader of readers) t.equal(await reader.catch((error) => error), end.during('receive'))
})

t.test('after the end the messages that came before are delivered, then every receive gets the error', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const end = new ConnectionEnd(1001, 'bye', true)
  push(receiveQueue, 'a', 'b')
  receiveQueue.end(end, 0)
  t.equal(await receiveQueue.receive(asText), 'a')
  t.equal(await receiveQueue.receive(asText), 'b')
  for (let i = 0; i < 3; i++) t.equal(await receiveQueue.receive(asText).catch((error) => error), end.during('receive'))
})

t.test('an unobserved receive is no unhandled rejection, however it ends', async (t) => {
  const end = new ConnectionEnd(1006, '', false)
  t.strictSame(await unhandledRejections(async () => {
    const receiveQueue = new ReceiveQueue(1000, new Gauge())
    receiveQueue.receive(asText, { timeout: 1 })
    receiveQueue.receive(asText, { signal: AbortSignal.abort() })
    receiveQueue.receive(asText, { signal: AbortSignal.timeout(1) })
    receiveQueue.receive(asText)
    await t.rejects(receiveQueue.receive(asText, { timeout: 10 }))
    receiveQueue.end(end, 0)
    receiveQueue.receive(asText)
  }), [])
})

t.test('after the end, a handler that takes the waiting messages in time is catching up, until none is left', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  push(receiveQueue, '1', '2')
  t.equal(receiveQueue.isCatchingUp, false)
  receiveQueue.end(new ConnectionEnd(1000, '', true), 10_000)
  t.equal(receiveQueue.isCatchingUp, true)
  await receiveQueue.receive(asText)
  await receiveQueue.receive(asText)
  t.equal(receiveQueue.isCatchingUp, true, 'the last one may be at work')
  await t.rejects(receiveQueue.receive(asText))
  t.equal(receiveQueue.isCatchingUp, false)
})

t.test('after the end, a handler that takes no message within the allowance is not catching up, until it goes on', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  push(receiveQueue, '1', '2')
  receiveQueue.end(new ConnectionEnd(1000, '', true), 50)
  await until(() => !receiveQueue.isCatchingUp)
  await receiveQueue.receive(asText)
  t.equal(receiveQueue.isCatchingUp, true)
  await until(() => !receiveQueue.isCatchingUp)
})

t.test('after the end, no handler is catching up if no message waits', (t) => {
  for (const receiveQueue of [new ReceiveQueue(1000, new Gauge()), new ReceiveQueue(1000, new Gauge())]) {
    receiveQueue.end(new ConnectionEnd(1000, '', true), 10_000)
    t.equal(receiveQueue.isCatchingUp, false)
  }
  t.end()
})

t.test('the queue pauses the flow above its mark, not at it', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, 'x'.repeat(500), 'x'.repeat(500))
  t.equal(flow.pauses, 0)
  push(receiveQueue, 'x'.repeat(200))
  t.equal(flow.pauses, 1)
})

t.test('the queue pauses the flow once, whatever arrives after that', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  for (let i = 0; i < 10; i++) push(receiveQueue, 'x'.repeat(600))
  t.equal(flow.pauses, 1)
  t.equal(flow.resumes, 0)
})

t.test('the queue resumes the flow once, when no more than half of the mark is left', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  for (let i = 0; i < 6; i++) push(receiveQueue, 'x'.repeat(250))
  for (let left = 1250; left >= 500; left -= 250) {
    await receiveQueue.receive(asText)
    t.equal(flow.resumes, left > 500 ? 0 : 1, `${left} bytes left`)
  }
  await receiveQueue.receive(asText)
  await receiveQueue.receive(asText)
  t.equal(flow.resumes, 1)
  t.equal(flow.pauses, 1)
})

t.test('the queue pauses and resumes the flow again and again', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  for (let round = 1; round <= 5; round++) {
    push(receiveQueue, 'x'.repeat(600), 'x'.repeat(600))
    t.equal(flow.pauses, round)
    await receiveQueue.receive(asText)
    await receiveQueue.receive(asText)
    t.equal(flow.resumes, round)
  }
})

t.test('one message above the mark pauses the flow, and taking it resumes the flow', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, 'x'.repeat(5000))
  t.equal(flow.pauses, 1)
  await receiveQueue.receive(asText)
  t.equal(flow.resumes, 1)
})

t.test('the queue counts bytes, not characters', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, '€'.repeat(334))
  t.equal(flow.pauses, 1)
})

t.test('empty messages count, so that they cannot fill the memory', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(64 * 1024, flow)
  let queued = 0
  while (flow.pauses === 0 && queued < 100_000) {
    push(receiveQueue, '')
    queued++
  }
  t.ok(queued <= 1000, `paused after ${queued} empty messages`)
  for (let taken = 0; taken < queued; taken++) await receiveQueue.receive(asText)
  t.equal(flow.resumes, 1)
})

t.test('messages for waiting readers do not pause the flow', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  for (let i = 0; i < 10; i++) {
    const receiving = receiveQueue.receive(asText)
    push(receiveQueue, 'x'.repeat(600))
    await receiving
  }
  t.equal(flow.pauses, 0)
})

t.test('a message that does not decode frees its bytes as well', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, 'x'.repeat(2000))
  await t.rejects(receiveQueue.receive(() => { throw new Error('does not decode') }))
  t.equal(flow.resumes, 1)
})

t.test('discard drops the queued messages and those that still arrive', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const end = new ConnectionEnd(1000, '', true)
  push(receiveQueue, 'a')
  receiveQueue.discard()
  push(receiveQueue, 'b')
  const receiving = receiveQueue.receive(asText)
  push(receiveQueue, 'c')
  receiveQueue.end(end, 0)
  t.equal(await receiving.catch((error) => error), end.during('receive'))
  t.equal(await receiveQueue.receive(asText).catch((error) => error), end.during('receive'))
})

t.test('after discard a waiting reader gets only the end', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const end = new ConnectionEnd(1000, '', true)
  const receiving = receiveQueue.receive(asText)
  receiveQueue.discard()
  push(receiveQueue, 'a')
  receiveQueue.end(end, 0)
  t.equal(await receiving.catch((error) => error), end.during('receive'))
})

t.test('discard resumes a paused flow, so that the end can come, and does not pause it again', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, 'x'.repeat(2000))
  receiveQueue.discard()
  t.equal(flow.resumes, 1)
  push(receiveQueue, 'x'.repeat(2000))
  receiveQueue.discard()
  t.equal(flow.pauses, 1)
  t.equal(flow.resumes, 1)
})

t.test('discard does not resume a flow that is not paused', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  push(receiveQueue, 'a')
  receiveQueue.discard()
  t.strictSame([flow.pauses, flow.resumes], [0, 0])
})

t.test('seal drops messages that still arrive, resumes the flow, and leaves the queued messages to be taken before the end', async (t) => {
  const flow = new Gauge()
  const receiveQueue = new ReceiveQueue(1000, flow)
  const end = new ConnectionEnd(1008, '', true)
  push(receiveQueue, 'x'.repeat(2000), 'b')
  receiveQueue.seal()
  push(receiveQueue, 'late')
  t.strictSame([flow.pauses, flow.resumes], [1, 1])
  receiveQueue.end(end, 0)
  t.equal(await receiveQueue.receive(asText), 'x'.repeat(2000))
  t.equal(await receiveQueue.receive(asText), 'b')
  t.equal(await receiveQueue.receive(asText).catch((error) => error), end.during('receive'))
  t.equal(flow.resumes, 1)
})

t.test('over a real socket: TCP pushes back on a client while no message is taken, and all messages come in order', async (t) => {
  const { server, client } = await connectWebSockets(t)
  const receiveQueue = new ReceiveQueue(32 * 1024, server)
  let arrived = 0
  server.on('message', (data: Buffer) => {
    arrived++
    receiveQueue.push(data, data.length)
  })

  const count = 500
  const size = 64 * 1024
  for (let i = 0; i < count; i++) client.send(Buffer.alloc(size, i))
  await once(server, 'message')
  t.ok(server.isPaused)
  t.ok(client.bufferedAmount > size, 'the bytes of the client wait')

  for (let i = 0; i < count; i++) {
    const message = await receiveQueue.receive((data) => data, { timeout: 10_000 }) as Buffer
    if (!message.equals(Buffer.alloc(size, i))) t.fail(`message ${i}`)
    if (i === 0) t.ok(arrived < 20, `${arrived} messages had arrived when the first was taken`)
  }
  t.equal(arrived, count)
  t.notOk(server.isPaused)
})

t.test('an ending can resolve a receive at the end', async (t) => {
  const end = new ConnectionEnd(1001, 'bye', true)
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const code = { atEnd: async (end: ConnectionEnd): Promise<number> => end.code }
  const early = receiveQueue.receive(asText, undefined, code)
  receiveQueue.end(end, 0)
  t.equal(await early, 1001)
  t.equal(await receiveQueue.receive(asText, undefined, code), 1001)
})

t.test('an ending can reject a receive with another error', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const other = new Error('other')
  const fail = { atEnd: async (): Promise<never> => { throw other } }
  const early = receiveQueue.receive(asText, undefined, fail)
  receiveQueue.end(new ConnectionEnd(1001, 'bye', true), 0)
  await t.rejects(early, other)
  await t.rejects(receiveQueue.receive(asText, undefined, fail), other)
})

t.test('an ending decides on the end only, not on a timeout or a message', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  await t.rejects(receiveQueue.receive(asText, { timeout: 1 }, { atEnd: async () => 'end' }), { code: 'FST_WS_TIMEOUT' })
  push(receiveQueue, 'a')
  t.equal(await receiveQueue.receive(asText, undefined, { atEnd: async () => 'end' }), 'a')
})

/** An object like a signal that calls its listeners at any time. */
function oddSignal (): { signal: AbortSignal, abort: () => void } {
  const listeners: (() => void)[] = []
  const signal = { aborted: false, reason: 'odd', addEventListener: (_type: string, listener: () => void) => listeners.push(listener), removeEventListener () { throw new Error('from the signal') } }
  return { signal: signal as never, abort: () => { for (const listener of listeners) listener() } }
}

t.test('a signal that calls a removed listener takes no message from other readers', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const { signal, abort } = oddSignal()
  const first = receiveQueue.receive(asText, { signal })
  push(receiveQueue, '1')
  t.equal(await first, '1')
  const others = [receiveQueue.receive(asText), receiveQueue.receive(asText, { signal }), receiveQueue.receive(asText)]
  abort()
  abort()
  push(receiveQueue, '2', '3')
  t.strictSame(await Promise.allSettled(others), [{ status: 'fulfilled', value: '2' }, { status: 'rejected', reason: 'odd' }, { status: 'fulfilled', value: '3' }])
})

t.test('a signal that aborts or throws in addEventListener takes no message from other readers, and leaves no timer', async (t) => {
  const receiveQueue = new ReceiveQueue(1000, new Gauge())
  const timers = runningTimers()
  const addEventListener = { immediate (_type: string, listener: () => void) { listener() }, failing () { throw new Error('from the signal') } }
  const other = receiveQueue.receive(asText)
  for (const [name, add] of Object.entries(addEventListener)) {
    const signal = { aborted: false, reason: 'odd', addEventListener: add, removeEventListener () {} } as never
    const receiving = receiveQueue.receive(asText, { timeout: 60_000, signal })
    if (name === 'immediate') t.equal(await receiving.catch((error) => error), 'odd')
    else await t.rejects(receiving, { name: 'WebSocketOptionError', message: 'signal cannot be listened to: from the signal' })
  }
  t.equal(runningTimers(), timers)
  push(receiveQueue, '1')
  t.equal(await other, '1')
})

t.test('what the queue has taken is counted, what it discards is not', async (t) => {
  const queue = new ReceiveQueue(1_000, { pause () {}, resume () {} })
  queue.push('é', 2)
  queue.push(Buffer.alloc(3), 3)
  queue.seal()
  queue.push('late', 4)
  t.same([queue.messages, queue.bytes], [2, 5])
})
