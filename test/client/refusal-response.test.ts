import { Readable } from 'node:stream'
import t from 'tap'
import { WebSocketUpgradeError } from '../../lib/base/errors'
import { failure, refusal } from '../../lib/client/refusal-response'

/** A response as `refusal` reads it. */
function responseOf (statusCode: number, body: Iterable<Buffer>): any {
  return Object.assign(Readable.from(body), { statusCode, headers: { 'x-a': '1' } })
}

function refusalOf (response: any): ReturnType<typeof refusal> {
  return refusal(response.statusCode, response.headers, response)
}

t.test('failure: the code of the error is in the message, and the error is the cause', async (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 10.0.0.5:1'), { code: 'ECONNREFUSED' })
  t.match(failure(cause), { name: 'WebSocketUpgradeError', message: 'the handshake failed: ECONNREFUSED', cause, body: '', responseHeaders: {} })
})

t.test('failure: an error without a code, and no error at all, are not described', async (t) => {
  t.match(failure(new Error('10.0.0.5 says no')), { message: 'the handshake failed', cause: { message: '10.0.0.5 says no' } })
  t.match(failure(undefined), { message: 'the handshake failed', cause: undefined })
})

t.test('failure: an error of this package stays unchanged', async (t) => {
  const error = new WebSocketUpgradeError('not here')
  t.equal(failure(error), error)
})

t.test('refusal: status, headers and body', async (t) => {
  const error = await refusalOf(responseOf(401, [Buffer.from('who '), Buffer.from('are you?')]))
  t.match(error, { name: 'WebSocketUpgradeError', message: 'the server refused the handshake: 401 Unauthorized', statusCode: 401, responseHeaders: { 'x-a': '1' }, body: 'who are you?' })
})

t.test('refusal: a status without a name is given as a number', async (t) => {
  t.match(await refusalOf(responseOf(499, [])), { message: 'the server refused the handshake: 499', body: '' })
})

t.test('refusal: a character that two chunks share is whole', async (t) => {
  const bytes = Buffer.from('grüße')
  t.equal((await refusalOf(responseOf(403, [bytes.subarray(0, 3), bytes.subarray(3)]))).body, 'grüße')
})

t.test('refusal: the body is the part that came before an error', async (t) => {
  const response = responseOf(403, (function * () {
    yield Buffer.from('not all')
    throw new Error('broken')
  })())
  t.equal((await refusalOf(response)).body, 'not all')
})

t.test('refusal: a body is read up to 16 MiB', async (t) => {
  let chunks = 0
  const response = responseOf(403, (function * () {
    for (;;) {
      chunks++
      yield Buffer.alloc(1024 * 1024, 'a')
    }
  })())
  t.equal((await refusalOf(response)).body.length, 16 * 1024 * 1024)
  t.ok(chunks < 32, `${chunks} chunks were asked for`)
  t.ok(response.destroyed)
})
