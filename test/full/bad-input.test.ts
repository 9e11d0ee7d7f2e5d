import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { streamChannels } from '../contract/channels'
import { createApp, listen } from '../helpers/app'
import { detached, revoked, throwing, unreadable } from '../helpers/hostile'
import { redisBroker } from '../../lib/brokers/redis'
import { natsBroker } from '../../lib/brokers/nats'
import { connect } from '../../lib/client/client'
import { WebSocketError } from '../../lib/base/errors'
import websocket from '../../lib/index'
import { show } from '../../lib/base/show'
import type { WebSocketSession } from '../../types/session'

/*
 * Calls every public function with every wrong value in each of its parameters. A function that returns a promise rejects at
 * once with an error of the package. It throws nothing, and nothing fails later. tap fails a test that causes an uncaught
 * exception or an unhandled rejection.
 */

const HUGE = 'x'.repeat(200_000)

/** Values that are wrong where an object is expected. */
const NO_OBJECTS: unknown[] = [
  null, true, false, 0, -1, NaN, Infinity, 5n, '', 'nonsense', HUGE, Symbol('s'), () => {}, async () => {}, class {}, [], ['nonsense'], revoked(), throwing(), throwing(() => {}), throwing([])
]

/** Values that are wrong where a string, a number, a boolean or a function is expected. */
const OBJECTS: unknown[] = [
  {}, Object.create(null), new Date(), new Map(), /x/, new URL('ws://localhost'), Object('text'), Object(5), { toString () { throw new Error('from toString') } }, { valueOf: null, toString: null },
  Buffer.alloc(1), new ArrayBuffer(1), detached(new Uint8Array(8)), detached(new ArrayBuffer(8)), detached(new DataView(new ArrayBuffer(8))),
  { get then () { throw new Error('from then') } }, Promise.resolve(), unreadable('a'), unreadable('toJSON'), unreadable(Symbol.toPrimitive as never), { toJSON () { throw revoked() } }
]

const ALL = [undefined, ...NO_OBJECTS, ...OBJECTS]

const SIGNALS: unknown[] = [
  ...NO_OBJECTS, ...OBJECTS, { aborted: false }, { aborted: true }, { aborted: 'no', addEventListener () {}, removeEventListener () {} }, unreadable('aborted'),
  { aborted: false, addEventListener: 5, removeEventListener: 5 }, new EventTarget(), new AbortController(),
  { aborted: false, addEventListener () { throw new Error('from the signal') }, removeEventListener () {} }
]

type Name = 'Option' | 'Encode' | 'Topic' | 'Handshake' | 'Timeout' | 'Range'

/** How a call ends: the name of an error of the package, or of a `RangeError`; `undefined` for a result. Any other end is wrong. */
async function endOf (call: () => Promise<unknown>): Promise<unknown> {
  let promise
  try {
    promise = call()
  } catch (error) {
    return `threw ${show(error)}`
  }
  if (!(promise instanceof Promise)) return `returned ${show(promise)}`
  return await Promise.race([promise.then(() => undefined, nameOf), setTimeout(2_000, 'is pending', { ref: false })])
}

function nameOf (error: any): string {
  if (error instanceof WebSocketError) return error.name.slice('WebSocket'.length, -'Error'.length)
  return error?.constructor === RangeError ? 'Range' : `rejects with ${show(error)}`
}

const is = (...kinds: unknown[]) => (value: unknown): boolean => kinds.includes(value) || kinds.includes(typeof value)
const isEmptyArray = (value: unknown): boolean => value === NO_OBJECTS[15]
const isView = (value: unknown): boolean => value === OBJECTS[10] || value === OBJECTS[12]
const isURL = (value: unknown): boolean => value === OBJECTS[5]

interface Place {
  values: unknown[]
  /** The values that the parameter accepts. The test does not make these calls. */
  except?: (value: any) => boolean
  /** The errors that the call may reject with. `undefined`: the call may succeed. */
  ends: (Name | undefined)[]
  call (channel: any, value: any): Promise<unknown>
}

const options = (call: Place['call'], except: Place['except'] = () => false): Place =>
  ({ values: [...NO_OBJECTS, unreadable('type', 'timeout', 'signal', 'mode', 'receiveFirst')], except, ends: ['Option'], call })
const one = (call: Place['call'], name: Name = 'Option', except: Place['except'] = () => false): Place => ({ values: ALL, except: (value) => value === undefined || except(value), ends: [name], call })
const data = (call: Place['call']): Place => ({ values: ALL, ends: ['Encode', undefined], call })
const signal = (call: Place['call']): Place => ({ values: SIGNALS, ends: ['Option'], call })
const number = (value: unknown): boolean => value === 0 || value === Infinity

const CHANNEL: Record<string, Place> = {
  'send(·)': data((channel, value) => channel.send(value)),
  'send(data, ·)': options((channel, value) => channel.send('x', value)),
  'send(data, { type: · })': one((channel, type) => channel.send('x', { type })),
  'sendText(·)': { values: ALL, except: is('string'), ends: ['Encode'], call: (channel, value) => channel.sendText(value) },
  'sendBytes(·)': data((channel, value) => channel.sendBytes(value)),
  'sendJson(·)': data((channel, value) => channel.sendJson(value)),
  'sendJson(data, ·)': options((channel, value) => channel.sendJson({}, value)),
  'sendJson(data, { mode: · })': one((channel, mode) => channel.sendJson({}, { mode })),
  'receive(·)': options((channel, value) => channel.receive(value)),
  'receive({ type: · })': one((channel, type) => channel.receive({ type })),
  'receive({ timeout: · })': one((channel, timeout) => channel.receive({ timeout }), 'Option', number),
  'receive({ timeout, signal: · })': signal((channel, signal) => channel.receive({ timeout: 50, signal })),
  'receiveText(·)': options((channel, value) => channel.receiveText(value)),
  'receiveText({ timeout: · })': one((channel, timeout) => channel.receiveText({ timeout }), 'Option', number),
  'receiveBytes(·)': options((channel, value) => channel.receiveBytes(value)),
  'receiveBytes({ timeout, signal: · })': signal((channel, signal) => channel.receiveBytes({ timeout: 50, signal })),
  'receiveJson(·)': options((channel, value) => channel.receiveJson(value)),
  'receiveJson({ mode: · })': one((channel, mode) => channel.receiveJson({ mode })),
  'receiveJson({ timeout, signal: · })': signal((channel, signal) => channel.receiveJson({ timeout: 50, signal })),
  'pair(·)': { values: ALL, ends: ['Encode', 'Timeout'], call: (channel, value) => channel.pair(value, { timeout: 0 }) },
  'pair(message, ·)': options((channel, value) => channel.pair('x', value)),
  'pair(message, { type: · })': one((channel, type) => channel.pair('x', { type })),
  'pair(message, { receiveFirst: · })': one((channel, receiveFirst) => channel.pair('x', { receiveFirst, timeout: 0 }), 'Option', is('boolean')),
  'pair(message, { timeout: · })': one((channel, timeout) => channel.pair('x', { timeout }), 'Option', number),
  'pair(message, { timeout, signal: · })': signal((channel, signal) => channel.pair('x', { timeout: 50, signal })),
  'expect(·)': { values: ALL, ends: ['Timeout'], call: (channel, value) => channel.expect(value, { timeout: 0 }) },
  'expect(message, ·)': options((channel, value) => channel.expect('x', value)),
  'expect(message, { timeout: · })': one((channel, timeout) => channel.expect('x', { timeout }), 'Option', number),
  'expect(message, { timeout, signal: · })': signal((channel, signal) => channel.expect('x', { timeout: 50, signal })),
  'messages(·).next()': options((channel, value) => channel.messages(value).next()),
  'messages({ type: · }).next()': one((channel, type) => channel.messages({ type }).next()),
  'messages({ timeout: · }).next()': one((channel, timeout) => channel.messages({ timeout }).next(), 'Option', number),
  'messages({ timeout, signal: · }).next()': signal((channel, signal) => channel.messages({ timeout: 50, signal }).next()),
  'sendEvent(·)': { values: ALL, ends: ['Option'], call: (channel, value) => channel.sendEvent(value) },
  'sendEvent({ type: · })': { values: ALL, ends: ['Option'], call: (channel, type) => channel.sendEvent({ type }) },
  'sendEvent({ type: send, text: · })': { values: ALL, except: is('string'), ends: ['Encode'], call: (channel, text) => channel.sendEvent({ type: 'websocket.send', text }) },
  'sendEvent({ type: send, bytes: · })': { values: ALL, ends: ['Encode', undefined], call: (channel, bytes) => channel.sendEvent({ type: 'websocket.send', bytes }) },
  'sendEvent(getters)': { values: [unreadable('type'), unreadable('bytes'), { type: 'websocket.send', get bytes () { throw revoked() } }, { type: 'websocket.close', get code () { throw null } }], ends: ['Option'], call: (channel, value) => channel.sendEvent(value) }, // eslint-disable-line no-throw-literal -- users can throw any value
  'close(·)': { values: ALL, except: is(undefined, null), ends: ['Range'], call: (channel, value) => channel.close(value) },
  'close(code, ·)': { values: ALL, except: is(undefined, 'string'), ends: ['Option'], call: (channel, value) => channel.close(1000, value) },
  'sendEvent({ type: close, code: · })': { values: ALL, except: is(undefined, null), ends: ['Range'], call: (channel, code) => channel.sendEvent({ type: 'websocket.close', code }) }
}

const isTopic = (value: unknown): boolean => value === 'nonsense'

const SESSION: Record<string, Place> = {
  'accept(·), a second time': { values: ALL, ends: ['Handshake'], call: (session, value) => session.accept(value) },
  'deny(·), when it is open': { values: ALL, ends: ['Handshake'], call: (session, value) => session.deny(value, value, value) },
  'subscribe(·)': { values: ALL, except: isTopic, ends: ['Topic'], call: (session, value) => session.subscribe(value) },
  'unsubscribe(·)': { values: ALL, except: isTopic, ends: ['Topic'], call: (session, value) => session.unsubscribe(value) },
  'publish(·, message)': { values: ALL, except: isTopic, ends: ['Topic'], call: (session, value) => session.publish(value, 'x') },
  'publish(topic, ·)': data((session, value) => session.publish('topic', value)),
  'publish(topic, message, ·)': options((session, value) => session.publish('topic', 'x', value)),
  'publish(topic, message, { type: · })': one((session, type) => session.publish('topic', 'x', { type }))
}

const WEBSOCKETS: Record<string, Place> = {
  'publish(·, message)': { ...SESSION['publish(·, message)'], call: (websockets, value) => websockets.publish(value, 'x') },
  'publish(topic, ·)': data((websockets, value) => websockets.publish('topic', value)),
  'publish(topic, message, ·)': options((websockets, value) => websockets.publish('topic', 'x', value)),
  'publish(topic, message, { type: · })': one((websockets, type) => websockets.publish('topic', 'x', { type }))
}

/** Calls before the handshake is complete. */
const OPENING: Record<string, Place> = {
  'accept(·)': { values: [...NO_OBJECTS, unreadable('subprotocol'), unreadable('headers')], ends: ['Option'], call: (session, value) => session.accept(value) },
  'accept({ subprotocol: · })': { values: ALL, except: is(undefined, null), ends: ['Option', 'Handshake'], call: (session, subprotocol) => session.accept({ subprotocol }) },
  'accept({ headers: · })': { values: [...NO_OBJECTS, [['a']].flat(), new Set([1]), { [Symbol.iterator]: 5 }, { [Symbol.iterator]: throwing(() => {}) }, unreadable('a')], except: isEmptyArray, ends: ['Option'], call: (session, headers) => session.accept({ headers }) },
  'accept({ headers: { name: · } })': { values: ALL, except: (value) => is(undefined, 'number', '', 'nonsense', HUGE)(value) || isView(value) || [NO_OBJECTS[15], NO_OBJECTS[16]].includes(value), ends: ['Option'], call: (session, value) => session.accept({ headers: { 'x-a': value } }) },
  'accept({ headers: [[·, value]] })': { values: ALL, except: (value) => is('nonsense', HUGE)(value) || isView(value), ends: ['Option', 'Handshake'], call: (session, name) => session.accept({ headers: [[name, 'value']] }) },
  'deny(·)': { values: ALL, except: is(undefined), ends: ['Option'], call: (session, value) => session.deny(value) },
  'deny(status, payload, ·)': { values: NO_OBJECTS, except: isEmptyArray, ends: ['Option'], call: (session, value) => session.deny(403, 'no', value) },
  'sendEvent({ type: accept, headers: · })': { values: NO_OBJECTS, except: isEmptyArray, ends: ['Option'], call: (session, headers) => session.sendEvent({ type: 'websocket.accept', headers }) },
  'sendEvent({ type: http.response, status: · })': { values: ALL, except: is(undefined), ends: ['Option'], call: (session, status) => session.sendEvent({ type: 'websocket.http.response', status }) },
  'close(·)': CHANNEL['close(·)'],
  'close(code, ·)': CHANNEL['close(code, ·)'],
  'subscribe(·)': SESSION['subscribe(·)'],
  'publish(topic, message, ·)': SESSION['publish(topic, message, ·)']
}

async function check (t: Test, places: Record<string, Place>, channel: unknown): Promise<void> {
  for (const [name, { values, except, ends, call }] of Object.entries(places)) {
    const wrong: string[] = []
    for (const value of values) {
      if (except?.(value) === true) continue
      const end = await endOf(() => call(channel, value))
      if (!ends.includes(end as never)) wrong.push(`${show(value)}: ${String(end)}`)
    }
    t.same(wrong, [], name)
  }
}

/** Opens a session of a new app, and returns both with the client. */
async function openSession (t: Test): Promise<{ session: WebSocketSession<any>, app: Awaited<ReturnType<typeof createApp>>, client: any }> {
  const app = await createApp(t, { sendHighWaterMark: 64 * 1024 * 1024 })
  const opened = new Promise<WebSocketSession<any>>((resolve) => {
    app.websocket('/', async (ws) => {
      resolve(await ws.accept())
      await ws.closed
    })
  })
  const client = await app.injectWebSocket('/', { maxPayload: 2 ** 30, receiveHighWaterMark: 2 ** 30 })
  return { session: await opened, app, client }
}

for (const [name, open] of Object.entries(streamChannels)) {
  t.test(name, async (t) => {
    const { channel, peer } = await open(t, { sendHighWaterMark: 64 * 1024 * 1024 })
    await check(t, CHANNEL, channel)
    t.equal(channel.state, 'open')
    await t.rejects(channel.receive({ timeout: 100 }), { name: 'WebSocketTimeoutError' }, 'no call with a timeout of 50 ms fails later')
    peer.socket.send('next')
    t.equal(await channel.receive(), 'next', 'no failed call takes a message')
  })
}

t.test('the verbs of an open session reject bad input', async (t) => {
  const { session, client } = await openSession(t)
  await check(t, SESSION, session)
  await client.send('next')
  t.equal(await session.receive(), 'next')
})

t.test('app.websockets rejects bad input', async (t) => {
  const { app, session } = await openSession(t)
  await check(t, WEBSOCKETS, app.websockets)
  for (const value of ALL) {
    t.equal(app.websockets.has(value as never), false, show(value))
    if (!isTopic(value)) t.throws(() => app.websockets.subscribers(value as never), { name: 'WebSocketTopicError' })
  }
  t.equal(app.websockets.has(session), true)
})

t.test('the verbs of a session before its handshake reject bad input', async (t) => {
  const app = await createApp(t)
  const checked = new Promise<void>((resolve, reject) => {
    app.websocket('/', async (ws) => {
      await check(t, OPENING, ws).then(resolve, reject)
      t.equal(ws.state, 'connecting')
      await ws.accept()
      await ws.send('open')
    })
  })
  const client = await app.injectWebSocket('/')
  await checked
  t.equal(await client.receive(), 'open')
})

t.test('deny with a payload that cannot be sent answers with the status of an HTTP route that sends it', async (t) => {
  const app = await createApp(t)
  const payloads = ALL.filter((value) => ![HUGE].includes(value as never))
  app.get('/http/:at', async (request, reply) => reply.code(423).send(payloads[(request.params as any).at]))
  app.websocket('/:at', async (ws) => { await ws.deny(423, payloads[(ws.params as any).at]) })
  await listen(app)
  for (const [at, payload] of payloads.entries()) {
    const { statusCode } = await app.inject(`/http/${at}`)
    t.match(await app.injectWebSocket(`/${at}`).catch((error) => error), { name: 'WebSocketUpgradeError', statusCode }, show(payload))
  }
})

t.test('connect and injectWebSocket reject bad input', async (t) => {
  const app = await createApp(t)
  app.websocket('/', async (ws) => { await ws.accept() })
  const url = `ws://127.0.0.1:${await listen(app)}/`
  const CONNECTORS: Record<string, Place> = {
    'connect(·)': { values: ALL, except: (value) => isURL(value), ends: ['Option'], call: (_, value) => connect(value) },
    'connect(url, ·)': { values: NO_OBJECTS, ends: ['Option'], call: (_, value) => connect(url, value) },
    'injectWebSocket(·)': { values: [...ALL, 'http://'], except: (value) => isURL(value) || (typeof value === 'string' && value !== 'http://'), ends: ['Option'], call: (_, value) => app.injectWebSocket(value) },
    'injectWebSocket(url, ·)': { values: NO_OBJECTS, ends: ['Option'], call: (_, value) => app.injectWebSocket('/', value) }
  }
  for (const name of ['headers', 'subprotocols', 'valueType', 'receiveTimeout', 'maxPayload', 'sendTimeout', 'perMessageDeflate', 'signal', 'agent', 'ca', 'key', 'rejectUnauthorized', 'unknown']) {
    const isRight = (value: unknown): boolean => (name === 'headers' && OBJECTS.slice(0, 3).includes(value)) || isEmptyArray(value) || (name === 'subprotocols' && value === NO_OBJECTS[16]) || (name === 'receiveTimeout' && number(value)) ||
      (name === 'perMessageDeflate' && is('boolean')(value)) || (['agent', 'rejectUnauthorized'].includes(name) && is('boolean')(value)) || value === undefined || ['ca', 'key'].includes(name)
    CONNECTORS[`connect(url, { ${name}: · })`] = { values: NO_OBJECTS, except: isRight, ends: ['Option'], call: (_, value) => connect(url, { [name]: value }) }
    if (!['signal', 'agent', 'ca', 'key', 'rejectUnauthorized'].includes(name)) {
      CONNECTORS[`injectWebSocket(url, { ${name}: · })`] = { values: NO_OBJECTS, except: isRight, ends: ['Option'], call: (_, value) => app.injectWebSocket('/', { [name]: value }) }
    }
  }
  CONNECTORS['connect(url, { signal: · })'].values = SIGNALS
  await check(t, CONNECTORS, undefined)
})

t.test('the functions that register routes throw on bad input', async (t) => {
  const app = await createApp(t) as any
  const handler = (): void => {}
  const option = { name: 'WebSocketOptionError' }
  for (const value of [...NO_OBJECTS, undefined]) {
    if (typeof value !== 'string') t.throws(() => app.websocket(value, handler), option, `app.websocket(${show(value)}, handler)`)
    if (typeof value !== 'function' && value !== undefined) t.throws(() => app.websocket('/x', value), option, `app.websocket(url, ${show(value)})`)
    if (value !== undefined) t.throws(() => app.websocket('/x', value, handler), option, `app.websocket(url, ${show(value)}, handler)`)
    if (typeof value !== 'function') t.throws(() => app.websocket('/x', {}, value), option, `app.websocket(url, {}, ${show(value)})`)
    t.throws(() => app.route(websocket.defineWebSocket(value as never)), option, `defineWebSocket(${show(value)})`)
    if (typeof value !== 'string' && value !== undefined) t.throws(() => websocket.defineWebSocket({ url: value as never, handler }), option, `defineWebSocket({ url: ${show(value)} })`)
    if (value !== undefined && value !== true) t.throws(() => app.websocket('/x', { websocket: value }, handler), option, `{ websocket: ${show(value)} }`)
    if (typeof value !== 'function' && value !== undefined) t.throws(() => app.websocket('/x', { onInvalid: value, websocket: {} } as never, () => {}), option, `{ onInvalid: ${show(value)} }`)
    if (typeof value !== 'function' && value !== undefined) t.throws(() => app.websocket('/x', { onMessage: value }), option, `{ onMessage: ${show(value)} }`)
  }
  for (const options of [unreadable('onMessage'), unreadable('onInvalid'), unreadable('websocket'), { websocket: unreadable('onMessage') }, { websocket: throwing() }, { websocket: { origins: throwing() } }, { websocket: { heartbeat: revoked() } }]) {
    t.throws(() => app.websocket('/x', options, handler), option, show(options))
  }
  t.throws(() => app.websocket('/x', { handler }, handler), { ...option, message: 'GET /x: the handler is given twice' })
})

t.test('registering the plugin rejects bad options', async (t) => {
  for (const options of [{ maxPayload: revoked() }, { shutdown: throwing() }, { broker: revoked() }, { broker: throwing() }, { origins: throwing([]) }, { subprotocols: throwing([]) }, unreadable('origins'), { heartbeat: unreadable('interval') }]) {
    const app = Fastify()
    await t.rejects(async () => { await app.register(websocket, options) }, { name: 'WebSocketOptionError' }, show(options))
    await app.close().catch(() => {})
  }
})

t.test('a broker refuses bad options at once, and a bad client when the app starts', async (t) => {
  for (const value of [...NO_OBJECTS, unreadable('prefix'), { prefx: 'a' }]) {
    for (const broker of [redisBroker, natsBroker]) t.throws(() => broker({} as never, value as never), { name: 'WebSocketOptionError' }, show(value))
  }
  for (const prefix of ALL.filter((value) => value !== undefined && typeof value !== 'string')) {
    t.throws(() => redisBroker({} as never, { prefix: prefix as never }), { name: 'WebSocketOptionError' }, show(prefix))
  }
  for (const value of [...ALL, unreadable('duplicate'), unreadable('publish')]) {
    for (const broker of [redisBroker, natsBroker]) {
      await t.rejects(broker(value as never).start({ onMessage () {}, onEntry () {}, onUp () {}, onDown () {} }), { name: 'WebSocketOptionError' }, show(value))
    }
  }
})

t.test('a signal that is no AbortSignal of Node and fails later only rejects its own receive', async (t) => {
  const { session, client } = await openSession(t)
  const signal = Object.assign(new EventTarget(), { aborted: false, removeEventListener () { throw new Error('from removeEventListener') } })
  Object.defineProperty(signal, 'reason', { get () { throw new Error('from reason') } })
  const first = session.receive({ signal: signal as never })
  await client.send('one')
  t.equal(await first, 'one')
  const second = session.receive({ signal: signal as never, timeout: 60_000 })
  signal.dispatchEvent(new Event('abort'))
  await t.rejects(second, { message: 'from reason' })
  await client.send('two')
  t.equal(await session.receive(), 'two')
})

t.test('transferring bytes during their send does not end the process', async (t) => {
  const { session, client } = await openSession(t)
  const bytes = new Uint8Array(1024 * 1024)
  const sent = session.send(bytes)
  detached(bytes)
  await sent
  session.terminate()
  await client.closed
})
