import { getEventListeners } from 'node:events'
import t from 'tap'
import * as node from '../../lib/base/signal'
import * as browser from '../../lib/base/signal.browser'
import { unreadable } from '../helpers/hostile'

/** A signal of a library, which `AbortSignal` knows nothing of. */
const FOREIGN = { aborted: false, addEventListener () {}, removeEventListener () {} }

for (const [name, { checkSignal, forgetSignal, listenTo, reasonOf }] of Object.entries({ node, browser })) {
  t.test(`${name}: a signal passes, another value is refused`, async (t) => {
    for (const signal of [new AbortController().signal, AbortSignal.abort()]) t.doesNotThrow(() => checkSignal('signal', signal))
    for (const value of [null, 5, 'text', {}, new AbortController(), new EventTarget(), { aborted: false }]) {
      t.throws(() => checkSignal('signal', value), { name: 'WebSocketOptionError', message: /^signal is .*: use an AbortSignal$/ })
    }
  })

  t.test(`${name}: a listener is called once with the abort, unless it has been removed`, async (t) => {
    const controller = new AbortController()
    const { signal } = controller
    const calls: string[] = []
    const removed = (): void => { calls.push('removed') }
    listenTo(signal, () => { calls.push('kept') })
    listenTo(signal, removed)
    forgetSignal(signal, removed)
    const reason = new Error('enough')
    controller.abort(reason)
    t.same(calls, ['kept'])
    t.equal(getEventListeners(signal, 'abort').length, 0)
    t.equal(reasonOf(signal), reason)
  })

  t.test(`${name}: without a signal, there is nothing to listen to`, async (t) => {
    t.doesNotThrow(() => listenTo(undefined, () => {}))
    t.doesNotThrow(() => forgetSignal(undefined, () => {}))
  })
}

t.test('in Node, the signal of a library passes; in a browser only its own', async (t) => {
  t.doesNotThrow(() => node.checkSignal('signal', FOREIGN))
  t.throws(() => browser.checkSignal('signal', FOREIGN), { name: 'WebSocketOptionError' })
})

t.test('in Node, a signal that throws does no harm', async (t) => {
  const cause = new Error('from the signal')
  const signal: any = { addEventListener () { throw cause }, removeEventListener () { throw cause } }
  t.throws(() => node.listenTo(signal, () => {}), { name: 'WebSocketOptionError', message: 'signal cannot be listened to: from the signal', cause })
  t.doesNotThrow(() => node.forgetSignal(signal, () => {}))
  t.match(node.reasonOf(unreadable('reason')), { message: 'from the getter' })
  t.throws(() => node.checkSignal('signal', unreadable('aborted')), { name: 'WebSocketOptionError', message: /^signal is .*: use an AbortSignal$/ })
})
