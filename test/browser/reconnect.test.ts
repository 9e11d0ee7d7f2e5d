import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { reconnect } from '../../lib/browser/reconnect'
import { WebSocketDisconnect, WebSocketOptionError, WebSocketTimeoutError, WebSocketUpgradeError } from '../../lib/base/errors'
import { closing, refusing, serveActs, staying, Statuses, vanish, type Act } from '../helpers/attempts'
import { FakePage } from '../helpers/fake-page'
import '../helpers/platform-socket'
import { setRandom } from '../helpers/random'
import { assertNoConnections, serveTcp, upgradeResponse } from '../helpers/tcp'
import { runningTimers } from '../helpers/timers'
import { until } from '../helpers/until'
import type { PlatformClient } from '../../lib/browser/client'
import type { CloseInfo } from '../../types/message'

/** Short waits. */
const FAST = { baseDelay: 1, maxDelay: 1 }

/** A wait that a test does not live to see. */
const LONG = { baseDelay: 60_000, maxDelay: 60_000 }

/** Runs the loop of a page to its end. Resolves with the messages of each client. */
async function run (clients: AsyncIterable<PlatformClient>): Promise<string[][]> {
  const received: string[][] = []
  for await (const ws of clients) {
    const messages: string[] = []
    received.push(messages)
    for await (const message of ws) messages.push(message)
  }
  return received
}

/** The error that a loop throws. */
async function failure (clients: AsyncIterable<PlatformClient>): Promise<any> {
  return await run(clients).then(() => { throw new Error('the loop has ended without an error') }, (error) => error)
}

async function first (clients: AsyncGenerator<PlatformClient, void>): Promise<PlatformClient> {
  const { value } = await clients.next()
  return value as PlatformClient
}

/** Accepts, sends `message`, and closes with `code`. */
function saying (message: string, code: number): Act {
  return sending(code, message)
}

/** Accepts, sends `messages`, and closes with `code`. */
function sending (code: number, ...messages: string[]): Act {
  return async (ws) => {
    await ws.accept()
    for (const message of messages) await ws.send(message)
    await ws.close(code)
  }
}

/** Accepts, sends `message`, and ends the connection without a close frame when the message has been answered. */
function sayingAndVanishing (message: string): Act {
  return async (ws) => {
    await ws.accept()
    await ws.pair(message)
    ws.terminate()
  }
}

t.test('each connection is a client, whose iteration ends without an error; the loop brings the next one until a close with 1000', async (t) => {
  const acts = [saying('a', 1001), saying('b', 1011), saying('c', 4000), sayingAndVanishing('d'), saying('e', 1012), saying('f', 1000)]
  const { url, paths } = await serveActs(t, acts)
  const received: string[] = []
  let open = 0
  for await (const ws of reconnect(url, FAST)) {
    t.equal(++open, 1, 'one client at a time')
    ws.closed.then(() => { open-- })
    for await (const message of ws) {
      received.push(message)
      if (message === 'd') await ws.send('got it')
    }
  }
  t.strictSame(received, ['a', 'b', 'c', 'd', 'e', 'f'])
  t.equal(paths.length, 6)
})

t.test('onStatus is told each change, and why and how long it waits', async (t) => {
  setRandom(t, () => 0.5)
  const statuses = new Statuses()
  const { url } = await serveActs(t, [closing(1012, 'restart'), refusing(503), closing(1000)])
  await run(reconnect(url, { ...FAST, onStatus: statuses.onStatus }))
  t.strictSame(statuses.names, ['connecting', 'open', 'waiting', 'connecting', 'waiting', 'connecting', 'open', 'ended'])
  const [disconnected, refused] = statuses.waits
  t.strictSame(statuses.waits.map(({ delay }) => delay), [0.5, 0.5])
  t.type(disconnected.why, WebSocketDisconnect)
  t.match(disconnected.why, { closeCode: 1012, reason: 'restart' })
  t.type(refused.why, WebSocketUpgradeError)
})

t.test('the bound of the delay doubles from baseDelay to maxDelay', async (t) => {
  setRandom(t, () => 0.5)
  const statuses = new Statuses()
  const { url } = await serveActs(t, [refusing(503)])
  await failure(reconnect(url, { baseDelay: 1, maxDelay: 8, attempts: 7, onStatus: statuses.onStatus }))
  t.strictSame(statuses.waits.map(({ delay }) => delay), [0.5, 1, 2, 4, 4, 4])
})

t.test('only a connection that lasted for stableAfter sets the delay back', async (t) => {
  setRandom(t, () => 0.5)
  const acts = [refusing(503), refusing(503), closing(1012), refusing(503), closing(1000)]
  for (const [stableAfter, delays] of [[0.001, [0.5, 1, 0.5, 1]], [60_000, [0.5, 1, 2, 4]]] as const) {
    const statuses = new Statuses()
    const { url } = await serveActs(t, acts)
    await run(reconnect(url, { baseDelay: 1, stableAfter, onStatus: statuses.onStatus }))
    t.strictSame(statuses.waits.map(({ delay }) => delay), delays, `stableAfter: ${stableAfter}`)
  }
})

t.test('after `attempts` failures in a row, the loop throws the error of the last attempt', async (t) => {
  const statuses = new Statuses()
  const { url, paths } = await serveActs(t, [refusing(503), closing(1012), refusing(503)])
  t.type(await failure(reconnect(url, { ...FAST, attempts: 3, onStatus: statuses.onStatus })), WebSocketUpgradeError)
  t.equal(paths.length, 3)
  t.equal(statuses.names.at(-1), 'ended')
})

t.test('a connection that lasted for stableAfter is no failure', async (t) => {
  const { url, paths } = await serveActs(t, [refusing(503), closing(1012), refusing(503)])
  t.type(await failure(reconnect(url, { ...FAST, attempts: 2, stableAfter: 0.001 })), WebSocketUpgradeError)
  t.equal(paths.length, 4, 'two more attempts after the connection')
})

t.test('a close code that another attempt does not mend ends the loop with a WebSocketDisconnect', async (t) => {
  for (const code of [1002, 1003, 1007, 1008, 1009, 1010, 4400, 4401, 4403, 4499]) {
    const statuses = new Statuses()
    const { url, paths } = await serveActs(t, [saying('goodbye', code)])
    const error = await failure(reconnect(url, { ...FAST, onStatus: statuses.onStatus }))
    t.type(error, WebSocketDisconnect)
    t.equal(error.closeCode, code)
    t.equal(paths.length, 1)
    t.strictSame(statuses.waits, [])
    t.equal(statuses.names.at(-1), 'ended')
  }
})

t.test('the error has the reason', async (t) => {
  const { url } = await serveActs(t, [refusing(401, 'log in first')], { refusal: 'close' })
  t.match(await failure(reconnect(url, FAST)), { name: 'WebSocketDisconnect', closeCode: 4401, reason: 'log in first' })
})

t.test('another attempt follows 4408, 4425, 4429 and 4503', async (t) => {
  const { url, paths } = await serveActs(t, [...[408, 425, 429, 503].map((status) => refusing(status)), closing(1000)], { refusal: 'close' })
  await run(reconnect(url, FAST))
  t.equal(paths.length, 5)
})

t.test('retry decides, and is asked once for each end, but not after 1000', async (t) => {
  const asked: CloseInfo[] = []
  const retry = (info: CloseInfo): boolean => asked.push(info) < 4
  const { url, paths } = await serveActs(t, [closing(4401, 'expired'), refusing(503), vanish, closing(4000), closing(1000)])
  t.match(await failure(reconnect(url, { ...FAST, retry })), { closeCode: 4000 })
  t.strictSame(asked, [
    { code: 4401, reason: 'expired', wasClean: true },
    { code: 1006, reason: '', wasClean: false },
    { code: 1006, reason: '', wasClean: false },
    { code: 4000, reason: '', wasClean: true }
  ])
  t.equal(paths.length, 4)
  const ended = await serveActs(t, [closing(1000)])
  await run(reconnect(ended.url, { ...FAST, retry: () => t.fail('retry is asked after 1000') as boolean }))
})

t.test('an error that retry throws closes the connection and ends the loop', async (t) => {
  const statuses = new Statuses()
  const { url } = await serveActs(t, [closing(4000)])
  const error = new Error('thrown by retry')
  t.equal(await failure(reconnect(url, { ...FAST, onStatus: statuses.onStatus, retry () { throw error } })), error)
  t.equal(statuses.names.at(-1), 'ended')
})

t.test('url and subprotocols are asked before each attempt', async (t) => {
  const protocols: string[] = []
  const { url, paths } = await serveActs(t, [refusing(503), closing(1012), async (ws, request) => {
    protocols.push(request.headers['sec-websocket-protocol'])
    await ws.accept({ subprotocol: 'v3' })
    await ws.close()
  }])
  let tickets = 0
  let offers = 0
  const loop = reconnect(async () => `${url}/?ticket=${++tickets}`, { ...FAST, subprotocols: () => [`v${++offers}`] })
  for await (const ws of loop) if (offers === 3) t.equal(ws.protocol, 'v3')
  t.strictSame(paths, ['/?ticket=1', '/?ticket=2', '/?ticket=3'])
  t.strictSame(protocols, ['v3'])
})

t.test('url may be a text or a URL, and subprotocols a list', async (t) => {
  const { url } = await serveActs(t, [async (ws) => {
    await ws.accept({ subprotocol: 'v1' })
    await ws.close()
  }])
  for (const address of [url, new URL(url), () => new URL(url)]) {
    for await (const ws of reconnect(address, { ...FAST, subprotocols: ['v1'] })) t.equal(ws.protocol, 'v1')
  }
})

const at = (topic: string, position: string, data?: unknown): string => JSON.stringify({ topic, position, data })

/** A function `url` that keeps what it gets. */
function asked (url: string): { positions: object[], address: (resumption: { positions: Record<string, string> }) => string } {
  const positions: object[] = []
  return {
    positions,
    address (resumption) {
      positions.push({ ...resumption.positions })
      return url
    }
  }
}

t.test('with resume, url gets the last position of each topic, over all connections', async (t) => {
  for (const valueType of ['json', 'text', 'any'] as const) {
    const { url } = await serveActs(t, [
      refusing(503),
      sending(1012, at('a', '1', 'hi'), at('b', '1')),
      refusing(503),
      sending(1012, at('a', '2', 'ho'), 'null'),
      sending(1000)
    ])
    const { positions, address } = asked(url)
    await run(reconnect(address, { ...FAST, resume: true, valueType }))
    t.strictSame(positions, [{}, {}, { a: '1', b: '1' }, { a: '1', b: '1' }, { a: '2', b: '1' }], valueType)
  }
})

t.test('with resume, only messages that the page has taken count, by whatever verb', async (t) => {
  const { url } = await serveActs(t, [sending(1012, ...['1', '2', '3', '4', '5', '6'].map((position) => at('a', position))), sending(1000)])
  const { positions, address } = asked(url)
  const clients = reconnect(address, { ...FAST, resume: true })
  const old = await first(clients)
  await old.closed
  await old.receive()
  await old.receiveJson()
  await old.expect(at('a', '3'))
  for await (const message of old) if (message === at('a', '4')) break
  const next = await first(clients)
  t.strictSame(positions, [{}, { a: '4' }])
  t.equal(await old.receive(), at('a', '5'))
  await next.closed
  await run(clients)
  t.equal(positions.length, 2)
})

t.test('a message that waits when the page closes the connection does not count', async (t) => {
  const { url } = await serveActs(t, [staying(at('a', '1'), at('a', '2'), at('b', '1')), sending(1000)])
  const { positions, address } = asked(url)
  for await (const ws of reconnect(address, { ...FAST, resume: true })) {
    if (positions.length === 2) continue
    await ws.receive()
    await ws.close(4000)
  }
  t.strictSame(positions, [{}, { a: '1' }])
})

t.test('without resume, url gets no positions', async (t) => {
  const { url } = await serveActs(t, [sending(1012, at('a', '1')), sending(1000)])
  const { positions, address } = asked(url)
  await run(reconnect(address, FAST))
  t.strictSame(positions, [{}, {}])
})

t.test('resume needs a function as URL', async (t) => {
  t.throws(() => reconnect('ws://127.0.0.1:1', { resume: true }), { name: 'WebSocketOptionError', message: 'option resume is true: use a function as the URL: ({ positions }) => …' })
  t.doesNotThrow(() => reconnect('ws://127.0.0.1:1', { resume: false }))
})

t.test('an attempt fails when url or subprotocols rejects or throws', async (t) => {
  const { url, paths } = await serveActs(t, [closing(1000)])
  const error = new Error('no ticket')
  const failing = (good: any): (() => any) => {
    let calls = 0
    return () => {
      calls++
      if (calls === 1) throw error
      return calls === 2 ? Promise.reject(error) : good
    }
  }
  for (const [address, subprotocols] of [[failing(url), []], [url, failing([])]] as const) {
    const statuses = new Statuses()
    await run(reconnect(address, { ...FAST, subprotocols, onStatus: statuses.onStatus }))
    t.strictSame(statuses.waits.map(({ why }) => why), [error, error])
  }
  t.equal(paths.length, 2)
  t.equal(await failure(reconnect(() => Promise.reject(error), { ...FAST, attempts: 2 })), error)
})

t.test('a wrong option or URL throws at once; a wrong answer of a function ends the loop', async (t) => {
  const url = 'ws://127.0.0.1:1'
  const wrong: object[] = [
    { delay: 1 }, { baseDelay: 0 }, { maxDelay: -1 }, { stableAfter: NaN }, { attempts: 0 }, { retry: true }, { onStatus: 'x' },
    { subprotocols: 'a' }, { signal: {} }
  ]
  for (const options of wrong) t.throws(() => reconnect(url, options), WebSocketOptionError, JSON.stringify(options))
  t.throws(() => reconnect('not a URL'), WebSocketOptionError)
  t.throws(() => reconnect('ftp://127.0.0.1'), WebSocketOptionError)
  t.type(await failure(reconnect(() => 'ftp://127.0.0.1', FAST)), WebSocketOptionError)
  t.type(await failure(reconnect(url, { ...FAST, subprotocols: () => ['a', 'a'] })), WebSocketOptionError)
})

/** Where a loop stands when its signal aborts: resolves with its URL when it is there. */
const STANDS: Record<string, (t: Test, statuses: Statuses) => Promise<{ url: any, isThere: () => Promise<unknown> }>> = {
  async 'asking for its URL' (_t, statuses) {
    return { url: () => new Promise(() => {}), isThere: () => statuses.until('connecting') }
  },
  async connecting (t) {
    let hasAsked = false
    const port = await serveTcp(t, () => { hasAsked = true })
    return { url: `ws://127.0.0.1:${port}`, isThere: () => until(() => hasAsked) }
  },
  async open (t, statuses) {
    const { url } = await serveActs(t, [staying()])
    return { url, isThere: () => statuses.until('open') }
  },
  async waiting (t, statuses) {
    const { url } = await serveActs(t, [refusing(503)])
    return { url, isThere: () => statuses.until('waiting') }
  }
}

for (const [name, stand] of Object.entries(STANDS)) {
  t.test(`an abort while it is ${name} throws the reason of the signal, and leaves no timer and no listener`, async (t) => {
    const statuses = new Statuses()
    const { url, isThere } = await stand(t, statuses)
    const page = new FakePage(t)
    const timers = runningTimers()
    const controller = new AbortController()
    const failed = failure(reconnect(url, { ...LONG, signal: controller.signal, onStatus: statuses.onStatus }))
    await isThere()
    await setImmediate()
    const reason = new Error('enough')
    controller.abort(reason)
    t.equal(await failed, reason)
    t.equal(statuses.names.at(-1), 'ended')
    t.equal(getEventListeners(controller.signal, 'abort').length, 0)
    t.equal(page.listeners, 0)
    await until(() => runningTimers() <= timers)
  })
}

for (const status of ['connecting', 'open', 'waiting'] as const) {
  t.test(`an abort in onStatus, at '${status}', throws the reason of the signal`, async (t) => {
    const { url } = await serveActs(t, [closing(4000), staying()])
    const controller = new AbortController()
    const reason = new Error('enough')
    const onStatus = (current: string): void => { if (current === status) controller.abort(reason) }
    t.equal(await failure(reconnect(url, { ...LONG, signal: controller.signal, onStatus })), reason)
    t.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })
}

t.test('an abort by the function url throws the reason of the signal', async (t) => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const url = (): Promise<string> => {
    controller.abort(reason)
    return new Promise(() => {})
  }
  t.equal(await failure(reconnect(url, { ...LONG, signal: controller.signal })), reason)
})

/** Calls `listener` before the client learns that a socket has opened, until the end of `t`. */
function whenOpen (t: Test, listener: () => void): void {
  const { WebSocket } = globalThis
  globalThis.WebSocket = class extends WebSocket {
    constructor (...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      this.addEventListener('open', listener)
    }
  }
  t.teardown(() => { globalThis.WebSocket = WebSocket })
}

t.test('an abort just after the handshake hands no client out, and closes the connection', async (t) => {
  const { url, app } = await serveActs(t, [staying()])
  const statuses = new Statuses()
  const controller = new AbortController()
  const reason = new Error('enough')
  whenOpen(t, () => queueMicrotask(() => controller.abort(reason)))
  t.equal(await failure(reconnect(url, { ...LONG, signal: controller.signal, onStatus: statuses.onStatus })), reason)
  t.strictSame(statuses.names, ['connecting', 'ended'])
  await until(() => app.websockets.size === 0)
})

t.test('with a signal that has aborted, there is no attempt', async (t) => {
  const { url, paths } = await serveActs(t, [staying()])
  const statuses = new Statuses()
  const reason = new Error('too late')
  t.equal(await failure(reconnect(url, { signal: AbortSignal.abort(reason), onStatus: statuses.onStatus })), reason)
  t.strictSame(statuses.names, ['ended'])
  t.strictSame(paths, [])
})

/** The ways to leave a loop whose connection is open. */
const LEAVES: Record<string, (clients: AsyncGenerator<PlatformClient, void>) => Promise<unknown>> = {
  async break (clients) {
    for await (const ws of clients) if (await ws.receive() === 'hello') break
  },
  async return (clients) {
    for await (const ws of clients) if (await ws.receive() === 'hello') return
  },
  async throw (clients) {
    const error = new Error('thrown in the loop')
    try {
      for await (const ws of clients) if (await ws.receive() === 'hello') throw error
    } catch (thrown) {
      if (thrown !== error) throw thrown
    }
  },
  async 'return of the iterator' (clients) {
    await (await first(clients)).receive()
    await clients.return(undefined)
  },
  async 'throw of the iterator' (clients) {
    await (await first(clients)).receive()
    const error = new Error('thrown into the loop')
    await clients.throw(error).catch((thrown) => { if (thrown !== error) throw thrown })
  }
}

for (const [name, leave] of Object.entries(LEAVES)) {
  t.test(`leaving the loop by ${name} closes the connection with 1000, and leaves no timer and no listener`, async (t) => {
    let end: CloseInfo | undefined
    const { url, app, paths } = await serveActs(t, [async (ws) => {
      await staying('hello')(ws, undefined)
      end = await ws.closed
    }])
    const page = new FakePage(t)
    const statuses = new Statuses()
    const timers = runningTimers()
    const { signal } = new AbortController()
    await leave(reconnect(url, { ...FAST, signal, onStatus: statuses.onStatus }))
    t.strictSame(statuses.names, ['connecting', 'open', 'ended'])
    await until(() => end !== undefined)
    t.match(end, { code: 1000, wasClean: true })
    t.equal(paths.length, 1)
    t.equal(getEventListeners(signal, 'abort').length, 0)
    t.equal(page.listeners, 0)
    await assertNoConnections(t, app)
    await until(() => runningTimers() <= timers)
  })
}

t.test('receiveTimeout ends the iteration, and the next connection follows', async (t) => {
  const statuses = new Statuses()
  const { url, app } = await serveActs(t, [staying('a'), staying('b'), staying('c'), saying('d', 1000)])
  const received: string[] = []
  let loops = 0
  for await (const ws of reconnect(url, { ...FAST, receiveTimeout: 50, onStatus: statuses.onStatus })) {
    const { signal } = new AbortController()
    const iterations = [ws, ws.messages('text'), ws.messages({ type: 'text', signal }), ws]
    for await (const message of iterations[loops++]) received.push(message)
    t.equal(ws.state, 'closed')
  }
  t.strictSame(received, ['a', 'b', 'c', 'd'])
  t.strictSame(statuses.waits.map(({ why }) => (why as WebSocketDisconnect).closeCode), [1006, 1006, 1006])
  await until(() => app.websockets.size === 0)
})

t.test('the server is told 4408 when nothing has come from it for receiveTimeout', async (t) => {
  const ends: CloseInfo[] = []
  const { url } = await serveActs(t, [async (ws) => {
    await ws.accept()
    ends.push(await ws.closed)
  }, closing(1000)])
  await run(reconnect(url, { ...FAST, receiveTimeout: 20 }))
  await until(() => ends.length === 1)
  t.match(ends, [{ code: 4408 }])
})

t.test('a timeout of its own rejects in an iteration and in a receive, and the connection stays open', async (t) => {
  const { url } = await serveActs(t, [staying()])
  const clients = reconnect(url, { ...FAST, receiveTimeout: 20 })
  const ws = await first(clients)
  await t.rejects(ws.messages({ timeout: 20 }).next(), WebSocketTimeoutError)
  await t.rejects(ws.messages({ timeout: 5 }).next(), WebSocketTimeoutError)
  await t.rejects(ws.receive(), WebSocketTimeoutError)
  t.equal(ws.state, 'open')
  await clients.return()
})

t.test('another error of a message rejects in the iteration', async (t) => {
  const { url } = await serveActs(t, [staying('{')])
  const clients = reconnect(url, { ...FAST, valueType: 'json', receiveTimeout: 10_000 })
  const ws = await first(clients)
  await t.rejects(ws.messages().next(), { name: 'WebSocketDecodeError' })
  await clients.return()
})

/** Serves connections that are closed together with their handshake. */
async function serveClosed (t: Test, ...codes: number[]): Promise<{ url: string, attempts: () => number }> {
  let attempts = 0
  const port = await serveTcp(t, (socket, request) => {
    const code = codes[Math.min(attempts++, codes.length - 1)]
    const message = Buffer.from('\x81\x02hi', 'latin1')
    const close = Buffer.from([0x88, 2, code >> 8, code & 255])
    socket.end(Buffer.concat([Buffer.from(upgradeResponse(request)), message, close]))
  })
  return { url: `ws://127.0.0.1:${port}`, attempts: () => attempts }
}

t.test('a connection that has been closed with a final code by the time it would be handed out is not handed out', async (t) => {
  const { url, attempts } = await serveClosed(t, 4401)
  const statuses = new Statuses()
  const asked: CloseInfo[] = []
  const retry = (info: CloseInfo): boolean => asked.push(info) < 1
  t.match(await failure(reconnect(url, { ...FAST, retry, onStatus: statuses.onStatus })), { name: 'WebSocketDisconnect', closeCode: 4401 })
  t.equal(attempts(), 1)
  t.match(asked, [{ code: 4401 }])
  t.strictSame(statuses.names, ['connecting', 'ended'])
})

t.test('a connection that has been closed with another code is handed out with its messages', async (t) => {
  const { url, attempts } = await serveClosed(t, 1012, 1000)
  const statuses = new Statuses()
  const asked: CloseInfo[] = []
  const retry = (info: CloseInfo): boolean => asked.push(info) > 0
  t.strictSame(await run(reconnect(url, { ...FAST, retry, onStatus: statuses.onStatus })), [['hi'], ['hi']])
  t.equal(attempts(), 2)
  t.match(asked, [{ code: 1012 }])
  t.strictSame(statuses.names, ['connecting', 'open', 'waiting', 'connecting', 'open', 'ended'])
})

for (const [name, wake] of Object.entries({
  online: (page: FakePage) => page.goOnline(),
  pageshow: (page: FakePage) => page.show(),
  'that the page becomes visible': (page: FakePage) => page.setVisibility('visible')
})) {
  t.test(`${name} brings the next attempt`, async (t) => {
    const page = new FakePage(t)
    const statuses = new Statuses()
    // The wait is very long, and its rest after the event is short.
    setRandom(t, () => statuses.names.at(-1) === 'waiting' ? 0 : 1e6)
    const { url } = await serveActs(t, [refusing(503), closing(1012), closing(1000)])
    const ended = run(reconnect(url, { baseDelay: 10, maxDelay: 10, onStatus: statuses.onStatus }))
    for (const count of [1, 2]) {
      await statuses.until('waiting', count)
      wake(page)
    }
    await ended
    t.strictSame(statuses.waits.map(({ delay }) => delay), [1e7, 1e7])
    t.equal(page.listeners, 0)
  })
}

for (const code of [1013, 4429, 4503]) {
  t.test(`after ${code}, nothing brings the next attempt before its time`, async (t) => {
    const page = new FakePage(t)
    const statuses = new Statuses()
    const controller = new AbortController()
    const { url, paths } = await serveActs(t, [closing(code)])
    const failed = failure(reconnect(url, { ...LONG, signal: controller.signal, onStatus: statuses.onStatus }))
    await statuses.until('waiting')
    t.equal(page.listeners, 0)
    controller.abort()
    await failed
    t.equal(paths.length, 1)
  })
}
