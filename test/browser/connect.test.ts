import { getEventListeners } from 'node:events'
import t, { type Test } from 'tap'
import { PlatformClient } from '../../lib/browser/client'
import { connect } from '../../lib/browser/connect'
import { WebSocketOptionError, WebSocketTimeoutError, WebSocketUpgradeError } from '../../lib/base/errors'
import { fakeSockets, setPlatformSocket, type FakeSocket } from '../helpers/fake-socket'
import { stopTimers } from '../helpers/stopped-timers'
import { runningTimers } from '../helpers/timers'

const ADDRESS = 'ws://127.0.0.1/chat'

/** Begins to connect. Returns the socket, and the promise of the client. */
async function begin (t: Test, options?: object): Promise<{ socket: FakeSocket, connecting: Promise<any> }> {
  const sockets = fakeSockets(t)
  const connecting = connect(ADDRESS, options).catch((error) => error)
  return { socket: sockets[0], connecting }
}

t.test('connect opens a socket of the platform, and resolves when it is open', async (t) => {
  const { socket, connecting } = await begin(t, { subprotocols: ['a', 'b'] })
  t.same([socket.url, socket.subprotocols, socket.binaryType], [ADDRESS, ['a', 'b'], 'arraybuffer'])
  socket.protocol = 'b'
  socket.open()
  socket.receive('the first message')
  const client = await connecting
  t.type(client, PlatformClient)
  t.equal(client.protocol, 'b')
  t.equal(await client.receive(), 'the first message')
  t.equal(runningTimers(), 0)
})

t.test('connect rejects when the platform tells of a failure, in whichever way', async (t) => {
  const cause = new Error('why')
  const ways: [name: string, fail: (socket: FakeSocket) => void, cause: unknown][] = [
    ['error alone, with an error', (socket) => socket.fail({ error: cause, message: 'why' }), cause],
    ['error alone, with a message', (socket) => socket.fail({ message: 'why' }), 'why'],
    ['close alone', (socket) => socket.end(1006, '', false), undefined],
    ['both', (socket) => { socket.fail(); socket.end(1006, '', false) }, undefined]
  ]
  for (const [name, fail, cause] of ways) {
    const { socket, connecting } = await begin(t)
    fail(socket)
    const error = await connecting
    t.type(error, WebSocketUpgradeError, name)
    t.equal(error.cause, cause, name)
    t.equal(error.statusCode, undefined)
    t.same(socket.closes, [[]], 'the socket is closed')
  }
  t.equal(runningTimers(), 0)
})

t.test('connect gives up after connectTimeout, and a socket that opens later changes nothing', async (t) => {
  const pass = stopTimers(t)
  for (const [options, timeout] of [[{ connectTimeout: 500 }, 500], [{}, 10_000]] as const) {
    const { socket, connecting } = await begin(t, options)
    pass(timeout - 1)
    t.same(socket.closes, [])
    pass(1)
    const error = await connecting
    t.same(socket.closes, [[]])
    t.type(error, WebSocketTimeoutError)
    t.equal(error.message, `no connection within ${timeout} ms`)
    socket.open()
    socket.fail()
    socket.end(1006)
    t.same(socket.closes, [[]])
  }
})

t.test('connect rejects with the reason of its signal', async (t) => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const { socket, connecting } = await begin(t, { signal: controller.signal })
  controller.abort(reason)
  t.equal(await connecting, reason)
  t.same(socket.closes, [[]])
  const { socket: none, connecting: late } = await begin(t, { signal: controller.signal })
  t.equal(await late, reason)
  t.equal(none, undefined, 'no socket is opened')
  t.equal(runningTimers(), 0)
})

t.test('connect leaves no listener on its signal', async (t) => {
  const { signal } = new AbortController()
  for (const end of ['open', 'fail'] as const) {
    const { socket, connecting } = await begin(t, { signal })
    t.equal(getEventListeners(signal, 'abort').length, 1)
    socket[end]()
    await connecting
    t.equal(getEventListeners(signal, 'abort').length, 0)
  }
})

t.test('what the platform refuses is an option error', async (t) => {
  const cause = new Error('not in a page of https:')
  setPlatformSocket(t, class { constructor () { throw cause } } as never)
  const error = await connect(ADDRESS).catch((error) => error)
  t.type(error, WebSocketOptionError)
  t.match(error, { message: `cannot connect to ${ADDRESS}: not in a page of https:`, cause })
})

t.test('wrong options and URLs open no socket', async (t) => {
  const sockets = fakeSockets(t)
  await t.rejects(connect('ftp://127.0.0.1/'), WebSocketOptionError)
  await t.rejects(connect(ADDRESS, { valueType: 'yaml' }), WebSocketOptionError)
  t.same(sockets, [])
})
