import t from 'tap'
import { ConnectionEnd } from '../../lib/base/connection-end'
import * as browser from '../../lib/base/connection-end.browser'
import { WebSocketDisconnect } from '../../lib/base/errors'

t.test('an end has the code, the reason and wasClean', async (t) => {
  t.match(new ConnectionEnd(4001, 'bye', true), { code: 4001, reason: 'bye', wasClean: true })
  t.match(new ConnectionEnd(1006, '', false), { code: 1006, reason: '', wasClean: false })
})

t.test('the error of an end has the same values, and the cause', async (t) => {
  const cause = new Error('cause')
  const { error } = new ConnectionEnd(1006, 'broken', false, cause)
  t.type(error, WebSocketDisconnect)
  t.match(error, { closeCode: 1006, reason: 'broken', wasClean: false })
  t.equal(error.cause, cause)
  t.equal(new ConnectionEnd(1000, '', true).error.cause, undefined)
})

t.test('an end has one error for its signal, and one for each verb, whose stack names the verb', async (t) => {
  const cause = new Error('cause')
  const end = new ConnectionEnd(4001, 'bye', true, cause)
  t.equal(end.error, end.error)
  t.equal(end.error.stack, 'WebSocketDisconnect: the connection is closed: 4001 bye')
  for (const verb of ['receive', 'send']) {
    const error = end.during(verb)
    t.equal(end.during(verb), error)
    t.match(error, { closeCode: 4001, reason: 'bye', wasClean: true, cause })
    t.equal(error.stack, `WebSocketDisconnect: the connection is closed: 4001 bye\n    at ${verb} (fastify-async-websocket)`)
  }
})

t.test('in a browser, an end has the code, the info and an error, and makes an error for each call of a verb, whose stack names the verb', async (t) => {
  const end = new browser.ConnectionEnd(4001, 'bye', true)
  t.equal(end.code, 4001)
  t.strictSame(end.info, { code: 4001, reason: 'bye', wasClean: true })
  for (const error of [end.error, end.during('receive')]) {
    t.type(error, WebSocketDisconnect)
    t.match(error, { closeCode: 4001, reason: 'bye', wasClean: true })
  }
  t.match(end.during('receive').stack, /\n {4}at receive \(fastify-async-websocket\)$/)
})
