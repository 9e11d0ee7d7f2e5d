import t from 'tap'
import { EventEmitter, getEventListeners, on, once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { createGuardedController } from '../../lib/base/guarded-signal'
import { checkSignal, forgetSignal, listenTo, reasonOf } from '../../lib/base/signal'
import { revoked, throwing, unreadable } from '../helpers/hostile'
import { unhandledRejections } from '../helpers/unhandled'

const reason = new Error('the connection is gone')
const failure = new Error('thrown by a listener')

/** A guarded controller, and the errors that its listeners have thrown. */
function guarded (): { controller: AbortController, signal: AbortSignal, reports: unknown[] } {
  const reports: unknown[] = []
  const controller = createGuardedController((error) => reports.push(error))
  return { controller, signal: controller.signal, reports }
}

// tap fails a test in which an exception is uncaught or a rejection is unhandled.

t.test('any number of listeners causes no warning', async (t) => {
  const { signal } = guarded()
  const warnings: string[] = []
  const onWarning = ({ name }: Error): void => { warnings.push(name) }
  process.on('warning', onWarning)
  t.teardown(() => process.removeListener('warning', onWarning))
  for (let i = 0; i < 50; i++) signal.addEventListener('abort', () => {})
  await setImmediate() // Node emits warnings in a later turn
  t.notOk(warnings.includes('MaxListenersExceededWarning'))
})

t.test('the signal is an AbortSignal, and aborts with the given reason', async (t) => {
  const { controller, signal } = guarded()
  t.ok(signal instanceof AbortSignal)
  t.equal(signal.aborted, false)
  controller.abort(reason)
  t.equal(signal.aborted, true)
  t.equal(signal.reason, reason)
  t.throws(() => signal.throwIfAborted(), reason)
})

t.test('a listener is called once, with the event, and with the signal as `this`', async (t) => {
  const { controller, signal, reports } = guarded()
  const calls: [unknown, Event][] = []
  signal.addEventListener('abort', function (this: AbortSignal, event: Event) { calls.push([this, event]) })
  controller.abort(reason)
  controller.abort(reason)
  t.equal(calls.length, 1)
  t.equal(calls[0][0], signal)
  t.match(calls[0][1], { type: 'abort', target: signal })
  t.strictSame(reports, [])
})

t.test('listeners are called in order, also after a listener that throws', async (t) => {
  const { controller, signal, reports } = guarded()
  const order: string[] = []
  signal.addEventListener('abort', () => order.push('a'))
  signal.addEventListener('abort', () => { throw failure })
  signal.addEventListener('abort', () => order.push('b'))
  controller.abort(reason)
  t.strictSame(order, ['a', 'b'])
  t.strictSame(reports, [failure])
})

t.test('any value that a function throws is reported', async (t) => {
  for (const thrown of [failure, undefined, null, 'text']) {
    const { controller, signal, reports } = guarded()
    signal.addEventListener('abort', () => { throw thrown })
    controller.abort(reason)
    await setImmediate()
    t.strictSame(reports, [thrown])
  }
})

t.test('the rejection of an async function is reported', async (t) => {
  const { controller, signal, reports } = guarded()
  signal.addEventListener('abort', async () => {
    await setImmediate()
    throw failure
  })
  t.strictSame(await unhandledRejections(async () => {
    controller.abort(reason)
    await setImmediate()
  }), [])
  t.strictSame(reports, [failure])
})

t.test('an object with handleEvent is a listener, and `this` is the object', async (t) => {
  const { controller, signal, reports } = guarded()
  const listener = {
    called: 0,
    handleEvent (event: Event) {
      t.equal(event.type, 'abort')
      this.called++
    }
  }
  signal.addEventListener('abort', listener)
  controller.abort(reason)
  t.equal(listener.called, 1)
  t.strictSame(reports, [])
})

t.test('an error or a rejection of handleEvent is reported', async (t) => {
  const { controller, signal, reports } = guarded()
  const [sync, later] = [new Error('sync'), new Error('later')]
  signal.addEventListener('abort', { handleEvent () { throw sync } })
  signal.addEventListener('abort', { async handleEvent () { throw later } })
  controller.abort(reason)
  await setImmediate()
  t.strictSame(reports, [sync, later])
})

t.test('an object without handleEvent at the abort is reported as an error', async (t) => {
  const { controller, signal, reports } = guarded()
  signal.addEventListener('abort', {} as never)
  controller.abort(reason)
  t.match(reports, [{ name: 'TypeError' }])
})

t.test('onabort is called, and its error or rejection is reported', async (t) => {
  for (const onabort of [() => { throw failure }, async () => { throw failure }]) {
    const { controller, signal, reports } = guarded()
    signal.onabort = onabort
    controller.abort(reason)
    await setImmediate()
    t.strictSame(reports, [failure])
  }
})

t.test('onabort can be replaced and removed, and the replacement is guarded', async (t) => {
  const replaced = guarded()
  replaced.signal.onabort = () => t.fail('it was replaced')
  replaced.signal.onabort = () => { throw failure }
  replaced.controller.abort(reason)
  t.strictSame(replaced.reports, [failure])

  const removed = guarded()
  removed.signal.onabort = () => t.fail('it was removed')
  removed.signal.onabort = null
  removed.controller.abort(reason)
  t.strictSame(removed.reports, [])
})

t.test('a listener that was removed is not called', async (t) => {
  const { controller, signal } = guarded()
  const listener = (): void => { t.fail('it was removed') }
  const object = { handleEvent: listener }
  for (const removed of [listener, object]) {
    signal.addEventListener('abort', removed)
    signal.removeEventListener('abort', removed)
  }
  signal.addEventListener('abort', listener, { capture: true })
  signal.removeEventListener('abort', listener, { capture: true })
  t.equal(getEventListeners(signal, 'abort').length, 0)
  controller.abort(reason)
})

t.test('removing a listener that was never added, or no listener, is no error', async (t) => {
  const { controller, signal, reports } = guarded()
  signal.removeEventListener('abort', () => {})
  signal.removeEventListener('abort', { handleEvent () {} })
  signal.removeEventListener('abort', null as never)
  controller.abort(reason)
  t.strictSame(reports, [])
})

t.test('a value that is no listener is refused, as by any signal', async (t) => {
  const { signal } = guarded()
  for (const value of [1, 'listener', true]) t.throws(() => signal.addEventListener('abort', value as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

t.test('a listener that was added twice is called once', async (t) => {
  const { controller, signal } = guarded()
  let called = 0
  const listener = (): void => { called++ }
  signal.addEventListener('abort', listener)
  signal.addEventListener('abort', listener)
  controller.abort(reason)
  t.equal(called, 1)
})

t.test('a listener that was removed can be added again', async (t) => {
  const { controller, signal } = guarded()
  let called = 0
  const listener = (): void => { called++ }
  signal.addEventListener('abort', listener)
  signal.removeEventListener('abort', listener)
  signal.addEventListener('abort', listener)
  controller.abort(reason)
  t.equal(called, 1)
})

t.test('the options once and signal are kept', async (t) => {
  const { signal, reports } = guarded()
  let called = 0
  const other = new AbortController()
  signal.addEventListener('abort', () => { called++ }, { once: true })
  signal.addEventListener('abort', () => t.fail('it was removed by its own signal'), { signal: other.signal })
  other.abort()
  signal.dispatchEvent(new Event('abort'))
  signal.dispatchEvent(new Event('abort'))
  t.equal(called, 1)
  t.strictSame(reports, [])
})

t.test('listeners to other events than abort are guarded as well', async (t) => {
  const { signal, reports } = guarded()
  signal.addEventListener('other', () => { throw failure })
  signal.dispatchEvent(new Event('other'))
  t.strictSame(reports, [failure])
})

t.test('a listener that is added after the abort is not called, as with any signal', async (t) => {
  const { controller, signal } = guarded()
  controller.abort(reason)
  signal.addEventListener('abort', () => t.fail('the abort is over'))
  await setImmediate()
})

t.test('the signal aborts a timer', async (t) => {
  const { controller, signal } = guarded()
  const sleeping = setTimeout(60_000, null, { signal })
  controller.abort(reason)
  await t.rejects(sleeping, { name: 'AbortError', cause: reason })
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('the signal aborts a wait for an event, and an iteration over events', async (t) => {
  const { controller, signal } = guarded()
  const emitter = new EventEmitter()
  const waiting = once(emitter, 'never', { signal })
  const next = on(emitter, 'never', { signal }).next()
  controller.abort(reason)
  await t.rejects(waiting, { name: 'AbortError', cause: reason })
  await t.rejects(next, { name: 'AbortError', cause: reason })
  t.equal(emitter.listenerCount('never'), 0)
})

t.test('the abort of the signal can be awaited as an event', async (t) => {
  const { controller, signal } = guarded()
  const waiting = once(signal, 'abort')
  controller.abort(reason)
  t.match(await waiting, [{ type: 'abort' }])
})

t.test('the signal aborts a fetch, at once if it is aborted already', async (t) => {
  const { controller, signal } = guarded()
  const silent = createServer()
  t.teardown(() => silent.close())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const connected = once(silent, 'connection')
  const fetching = fetch(url, { signal })
  const [socket] = await connected
  t.teardown(() => socket.destroy())
  controller.abort(reason)
  await t.rejects(fetching, reason)
  await t.rejects(fetch(url, { signal }), reason)
})

t.test('the signal aborts a pipeline', async (t) => {
  const { controller, signal } = guarded()
  const flowing = pipeline(new PassThrough(), new PassThrough(), { signal })
  controller.abort(reason)
  await t.rejects(flowing, { name: 'AbortError' })
})

t.test('the signal works in AbortSignal.any', async (t) => {
  const { controller, signal } = guarded()
  const any = AbortSignal.any([new AbortController().signal, signal])
  const aborted = once(any, 'abort')
  controller.abort(reason)
  await aborted
  t.equal(any.reason, reason)
})

t.test('the signal works as the signal option of another listener', async (t) => {
  const { controller, signal } = guarded()
  const target = new EventTarget()
  target.addEventListener('event', () => t.fail('it was removed'), { signal })
  controller.abort(reason)
  target.dispatchEvent(new Event('event'))
})

t.test('two controllers are independent', async (t) => {
  const [a, b] = [guarded(), guarded()]
  const listener = (): void => { throw failure }
  a.signal.addEventListener('abort', listener)
  b.signal.addEventListener('abort', listener)
  a.controller.abort(reason)
  t.strictSame(a.reports, [failure])
  t.strictSame(b.reports, [])
  t.equal(b.signal.aborted, false)
})

t.test('a signal of Node, of another realm and of a library passes the check', async (t) => {
  const ofLibrary = { aborted: false, addEventListener () {}, removeEventListener () {} }
  const ofRealm = runInNewContext('new (class AbortSignal { aborted = true; addEventListener () {} removeEventListener () {} })()')
  for (const signal of [new AbortController().signal, AbortSignal.abort(), AbortSignal.timeout(1), ofLibrary, ofRealm]) t.doesNotThrow(() => checkSignal('signal', signal))
})

t.test('any other value fails the check, and the error shows the value', async (t) => {
  const values = [
    undefined, null, true, 5, 'signal', Symbol('s'), () => {}, {}, [], new AbortController(), new EventTarget(), { aborted: false }, { aborted: 0, addEventListener () {}, removeEventListener () {} },
    { aborted: false, addEventListener () {} }, { aborted: false, addEventListener: true, removeEventListener () {} }
  ]
  for (const value of values) t.throws(() => checkSignal('option signal', value), { name: 'WebSocketOptionError', message: /^option signal is .*: use an AbortSignal$/ })
})

t.test('a signal calls its listener once, and not after forgetSignal', async (t) => {
  const { controller, signal } = guarded()
  let calls = 0
  const listener = (): void => { calls++ }
  const forgotten = (): void => { t.fail('it is told') }
  listenTo(signal, listener)
  listenTo(signal, forgotten)
  forgetSignal(signal, forgotten)
  controller.abort(reason)
  signal.dispatchEvent(new Event('abort'))
  t.equal(calls, 1)
  t.equal(reasonOf(signal), reason)
})

t.test('a signal that throws makes listenTo throw, and nothing else', async (t) => {
  for (const signal of [revoked(), throwing(), unreadable('addEventListener', 'removeEventListener', 'reason')]) {
    t.throws(() => listenTo(signal, () => {}), { name: 'WebSocketOptionError', message: /^signal cannot be listened to: ./, cause: Error })
    t.doesNotThrow(() => forgetSignal(signal, () => {}))
    t.type(reasonOf(signal), Error)
  }
})
