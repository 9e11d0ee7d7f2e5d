import t from 'tap'
import createError from '@fastify/error'
import * as errors from '../../lib/base/errors'
import websocket from '../../lib/index'

const {
  WebSocketBrokerError, WebSocketDecodeError, WebSocketDisconnect, WebSocketEncodeError, WebSocketError, WebSocketExpectError, WebSocketHandshakeError,
  WebSocketOptionError, WebSocketTimeoutError, WebSocketTopicError, WebSocketUpgradeError, WebSocketValidationError
} = errors

interface Entry {
  code: string
  statusCode?: number
  closeCode?: number
  typeError?: true
  make (options?: errors.ErrorOptions): errors.ErrorShape
}

/** Every error, as in the table of the contract. */
const REGISTRY: Record<keyof typeof errors, Entry> = {
  WebSocketError: { code: 'FST_WS_ERROR', statusCode: 500, make: (options) => new WebSocketError('it', options) },
  WebSocketHandshakeError: { code: 'FST_WS_HANDSHAKE', statusCode: 500, make: (options) => new WebSocketHandshakeError('it', options) },
  WebSocketDisconnect: { code: 'FST_WS_DISCONNECT', closeCode: 1001, make: (options) => new WebSocketDisconnect(1001, 'it', true, options) },
  WebSocketDecodeError: { code: 'FST_WS_DECODE', closeCode: 1003, make: (options) => new WebSocketDecodeError('it', options) },
  WebSocketEncodeError: { code: 'FST_WS_ENCODE', typeError: true, make: (options) => new WebSocketEncodeError('it', options) },
  WebSocketExpectError: { code: 'FST_WS_EXPECT', closeCode: 1008, make: (options) => new WebSocketExpectError('it', 1, 2, options) },
  WebSocketValidationError: { code: 'FST_WS_VALIDATION', closeCode: 1008, make: (options) => new WebSocketValidationError('it', [], options) },
  WebSocketTimeoutError: { code: 'FST_WS_TIMEOUT', closeCode: 1008, make: (options) => new WebSocketTimeoutError('it', options) },
  WebSocketUpgradeError: { code: 'FST_WS_UPGRADE', make: (options) => new WebSocketUpgradeError('it', undefined, options) },
  WebSocketTopicError: { code: 'FST_WS_TOPIC', typeError: true, make: (options) => new WebSocketTopicError('it', options) },
  WebSocketBrokerError: { code: 'FST_WS_BROKER', statusCode: 503, make: (options) => new WebSocketBrokerError('it', options) },
  WebSocketOptionError: { code: 'FST_WS_OPTION', statusCode: 500, typeError: true, make: (options) => new WebSocketOptionError('it', options) }
}

const ENTRIES = Object.entries(REGISTRY) as [keyof typeof errors, Entry][]

t.test('the registry holds all error classes, and the package exports each', async (t) => {
  t.strictSame(Object.keys(errors).sort(), Object.keys(REGISTRY).sort())
  for (const [name] of ENTRIES) t.equal(websocket[name], errors[name], name)
})

t.test('each class has its own code', async (t) => {
  for (const [name, { code, make }] of ENTRIES) t.equal(make().code, code, name)
  t.equal(new Set(ENTRIES.map(([, { code }]) => code)).size, ENTRIES.length)
})

t.test('each class has its close code, or none', async (t) => {
  for (const [name, { closeCode, make }] of ENTRIES) t.equal(make().closeCode, closeCode, name)
})

t.test('each class has its status, or none', async (t) => {
  for (const [name, { statusCode, make }] of ENTRIES) t.equal(make().statusCode, statusCode, name)
})

t.test('each error is a WebSocketError and an Error', async (t) => {
  for (const [name, { make }] of ENTRIES) {
    t.ok(make() instanceof WebSocketError, name)
    t.ok(make() instanceof Error, name)
    t.ok(make() instanceof createError.FastifyError, name)
  }
})

t.test('the errors for a wrong argument are a TypeError, the others are not', async (t) => {
  for (const [name, { typeError = false, make }] of ENTRIES) t.equal(make() instanceof TypeError, typeError, name)
})

t.test('no error is an instance of a class other than its own and the base', async (t) => {
  for (const [name, { make }] of ENTRIES) {
    for (const [other] of ENTRIES) {
      if (other !== 'WebSocketError') t.equal(make() instanceof errors[other], name === other, `${name} instanceof ${other}`)
    }
  }
})

t.test('other errors, and values that are no errors, are instances of no class', async (t) => {
  const Foreign = createError('FST_WS_FOREIGN', 'foreign')
  for (const value of [new Error('e'), new TypeError('e'), new RangeError('e'), Foreign(), {}, null, undefined, 'FST_WS_ERROR', { code: 'FST_WS_ERROR' }]) {
    for (const [name] of ENTRIES) t.notOk((value as object) instanceof errors[name], name)
  }
})

t.test('each error has the name of its class', async (t) => {
  for (const [name, { make }] of ENTRIES) t.equal(make().name, name)
})

t.test('an error of a class derived from one of them has the name of that class', async (t) => {
  class MyError extends WebSocketDecodeError {}
  const error = new MyError('it')
  t.equal(error.name, 'MyError')
  t.equal(error.closeCode, 1003)
  t.ok(error instanceof WebSocketDecodeError)
})

t.test('the message is the given one, whatever it contains', async (t) => {
  for (const message of ['', 'plain', '100 %', '%s %d %j %o', '%%']) t.equal(new WebSocketDecodeError(message).message, message)
})

t.test('the stack begins with the name and the message, then names the place where the error was made', async (t) => {
  for (const [name, { make }] of ENTRIES.filter(([name]) => name !== 'WebSocketDisconnect')) {
    const error = make()
    const [head, first] = error.stack!.split('\n')
    t.equal(head, `${name}: ${error.message}`)
    t.match(first, /at .*make .*errors\.test\.ts/)
  }
})

t.test('the stack of a disconnect is its name and message, because its place would be that of an event listener', async (t) => {
  class MyDisconnect extends WebSocketDisconnect {}
  for (const Class of [WebSocketDisconnect, MyDisconnect]) {
    t.equal(new Class(4001, 'bye', true, { cause: new Error('cause') }).stack, `${Class.name}: the connection is closed: 4001 bye`)
  }
})

t.test('making an error leaves the traces of others as they were', async (t) => {
  for (const [name, { make }] of ENTRIES) {
    make()
    t.match(new Error('plain').stack, /^Error: plain\n +at /, name)
  }
})

t.test('name, stack and cause are not enumerable, as in a plain error', async (t) => {
  for (const [name, { make }] of ENTRIES) {
    const error = make({ cause: new Error('cause') })
    for (const key of ['name', 'stack', 'cause']) {
      t.ok(Object.hasOwn(error, key), `${name} has a ${key}`)
      t.notOk(Object.keys(error).includes(key), `the ${key} of ${name} is not enumerable`)
    }
  }
})

t.test('an error has the given cause, or none', async (t) => {
  const cause = new Error('cause')
  for (const [name, { make }] of ENTRIES) {
    t.equal(make({ cause }).cause, cause, name)
    t.notOk('cause' in make(), name)
    t.notOk('cause' in make({}), name)
  }
})

t.test('a cause may be any value', async (t) => {
  for (const cause of [null, 0, '', false, 'a string']) {
    const error = new WebSocketDecodeError('it', { cause })
    t.ok(Object.hasOwn(error, 'cause'))
    t.equal(error.cause, cause)
  }
})

t.test('a given status replaces that of the class', async (t) => {
  t.equal(new WebSocketHandshakeError('it', { statusCode: 426 }).statusCode, 426)
  t.equal(new WebSocketDecodeError('it', { statusCode: 400 }).statusCode, 400)
})

t.test('a disconnect has the close code, the reason and wasClean', async (t) => {
  const error = new WebSocketDisconnect(4001, 'gone fishing', false)
  t.match(error, { closeCode: 4001, reason: 'gone fishing', wasClean: false, message: 'the connection is closed: 4001 gone fishing' })
})

t.test('the message of a disconnect without a reason ends with the code', async (t) => {
  t.equal(new WebSocketDisconnect(1006, '', false).message, 'the connection is closed: 1006')
})

t.test('an expect error has the expected and the received message', async (t) => {
  const expected = { a: 1 }
  const received = Buffer.from('b')
  const error = new WebSocketExpectError('it', expected, received)
  t.equal(error.expected, expected)
  t.equal(error.received, received)
})

t.test('a validation error lists the failures and their places, as in Fastify', async (t) => {
  const validation = [{ instancePath: '/a', message: 'must be number' }]
  const error = new WebSocketValidationError('it', validation)
  t.equal(error.validation, validation)
  t.equal(error.validationContext, 'receive')
})

t.test('an upgrade error has the status, headers and body of the server', async (t) => {
  const headers = { 'www-authenticate': 'Basic', 'set-cookie': ['a=1', 'b=2'] }
  const error = new WebSocketUpgradeError('it', { statusCode: 401, headers, body: '{"a":1}' })
  t.equal(error.statusCode, 401)
  t.equal(error.responseHeaders, headers)
  t.equal(error.body, '{"a":1}')
  t.same(Object.keys(error).sort(), ['code', 'message', 'statusCode'], 'logs print neither cookies nor megabytes')
})

t.test('an upgrade error has no property headers, which Fastify would copy into a response', async (t) => {
  t.notOk('headers' in new WebSocketUpgradeError('it', { statusCode: 401, headers: { 'set-cookie': ['a=1'] }, body: '' }))
})

t.test('an upgrade error without a response has neither status nor headers nor body', async (t) => {
  const cause = new Error('ECONNREFUSED')
  const error = new WebSocketUpgradeError('it', undefined, { cause })
  t.equal(error.statusCode, undefined)
  t.strictSame(error.responseHeaders, {})
  t.equal(error.body, '')
  t.equal(error.cause, cause)
})
