import t, { type Test } from 'tap'
import { Type, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createApp } from '../helpers/app'
import { unhandledRejections } from '../helpers/unhandled'
import type { FastifyInstance, FastifySchemaCompiler, RouteShorthandOptions } from 'fastify'
import type { WebSocketClient, WebSocketSession } from '../../lib/index'

interface Ends {
  session: WebSocketSession<any>
  client: WebSocketClient<any>
}

/** A route with these message schemas, and both ends of a connection to it. */
async function open (t: Test, schema: { receive?: unknown, send?: unknown }, { app, ...route }: { app?: FastifyInstance } & RouteShorthandOptions = {}): Promise<Ends> {
  app ??= await createApp(t)
  app.websocket('/', { ...route, schema } as object, async (ws) => {
    await ws.accept()
    await ws.closed
  })
  const client = await app.injectWebSocket('/', { receiveType: 'any' })
  const [session] = app.websockets
  return { session, client }
}

/** Resolves with the value that the session receives when the client sends `message`. */
async function submit ({ session, client }: Ends, message: unknown): Promise<unknown> {
  await client.send(typeof message === 'string' ? message : JSON.stringify(message))
  return await session.receive()
}

/** Resolves with the text that the client receives when the session sends `value`. */
async function issue ({ session, client }: Ends, value: unknown): Promise<unknown> {
  await session.send(value)
  return await client.receive()
}

/** A validator compiler that returns the same validator for every schema. */
function always (validate: (data: any) => unknown): FastifySchemaCompiler<any> {
  return () => validate as never
}

const VALIDATION_ERROR = { name: 'WebSocketValidationError', code: 'FST_WS_VALIDATION', closeCode: 1008, validationContext: 'receive' }

const USER = { type: 'object', required: ['name'], properties: { name: { type: 'string' }, age: { type: 'integer' } } }

t.test('a valid message is received as JSON', async (t) => {
  const ends = await open(t, { receive: USER })
  t.strictSame(await submit(ends, { name: 'ada', age: 36 }), { name: 'ada', age: 36 })
})

t.test('an invalid message rejects with a WebSocketValidationError that lists the failures', async (t) => {
  const ends = await open(t, { receive: USER })
  await t.rejects(submit(ends, { age: 36 }), {
    ...VALIDATION_ERROR,
    message: "message must have required property 'name'",
    validation: [{ keyword: 'required', instancePath: '', message: "must have required property 'name'", params: { missingProperty: 'name' } }]
  })
  await t.rejects(submit(ends, { name: 'ada', age: 'x' }), { ...VALIDATION_ERROR, message: 'message/age must be integer', validation: [{ instancePath: '/age' }] })
})

t.test('the failures of one message are not changed by the next', async (t) => {
  const ends = await open(t, { receive: USER })
  const first: any = await submit(ends, {}).catch((error) => error)
  await submit(ends, { name: 'ada', age: 'x' }).catch(() => {})
  await submit(ends, { name: 'ada' })
  t.match(first, { validation: [{ keyword: 'required' }] })
  t.equal(first.validation.length, 1)
})

t.test('the session goes on after an invalid message', async (t) => {
  const ends = await open(t, { receive: USER })
  await t.rejects(submit(ends, {}), VALIDATION_ERROR)
  t.strictSame(await submit(ends, { name: 'ada' }), { name: 'ada' })
})

t.test('a message that is no JSON rejects with a WebSocketDecodeError', async (t) => {
  const ends = await open(t, { receive: USER })
  await t.rejects(submit(ends, 'ada'), { name: 'WebSocketDecodeError' })
})

t.test('the error message names all failures, if the compiler reports them all', async (t) => {
  const app = await createApp(t, {}, { ajv: { customOptions: { allErrors: true } } })
  const ends = await open(t, { receive: { type: 'object', required: ['a', 'b'] } }, { app })
  await t.rejects(submit(ends, {}), { message: "message must have required property 'a', message must have required property 'b'", validation: [{}, {}] })
})

t.test('the changes of the validator are received: coercion, defaults and removed properties', async (t) => {
  const ends = await open(t, {
    receive: { type: 'object', additionalProperties: false, properties: { n: { type: 'number' }, list: { type: 'array', items: { type: 'integer' } }, d: { default: 'x' } } }
  })
  t.strictSame(await submit(ends, { n: '1.5', list: '7', other: true }), { n: 1.5, list: [7], d: 'x' })
})

t.test('a message that is a single value is coerced as well', async (t) => {
  const cases: [type: string, message: unknown, received: unknown][] = [
    ['integer', '"7"', 7], ['number', '"1.5"', 1.5], ['boolean', '"true"', true], ['string', '7', '7'], ['string', 'true', 'true'], ['array', '7', [7]],
    ['string', 'null', ''], ['integer', 'null', 0], ['integer', '[7]', 7], ['null', '""', null], ['integer', '7', 7]
  ]
  for (const [type, message, received] of cases) {
    const ends = await open(t, { receive: { type } })
    t.strictSame(await submit(ends, message), received, `${message} as ${type}`)
  }
})

t.test('a single value that cannot be coerced is refused', async (t) => {
  const ends = await open(t, { receive: { type: 'integer' } })
  await t.rejects(submit(ends, '"seven"'), { ...VALIDATION_ERROR, message: 'message must be integer' })
})

t.test('a message of every type is validated', async (t) => {
  const { session, client } = await open(t, { receive: { const: 'yes' } })
  const receive = async (message: string | Buffer, receiving: () => Promise<unknown>): Promise<unknown> => {
    await client.send(message)
    return await receiving()
  }
  t.equal(await receive('yes', () => session.receiveText()), 'yes')
  t.equal(await receive('"yes"', () => session.receiveJson()), 'yes')
  t.equal(await receive(Buffer.from('"yes"'), () => session.receiveJson({ mode: 'bytes' })), 'yes')
  await t.rejects(receive('no', () => session.receiveText()), VALIDATION_ERROR)
  await t.rejects(receive('no', () => session.receive('any')), VALIDATION_ERROR)
  await t.rejects(receive('7', () => session.receive('integer')), VALIDATION_ERROR)
  await t.rejects(receive('"no"', () => session.receiveJson()), VALIDATION_ERROR)
  await t.rejects(receive(Buffer.from('yes'), () => session.receiveBytes()), VALIDATION_ERROR)
})

t.test('a $ref leads to a schema that was added to the app', async (t) => {
  const app = await createApp(t)
  app.addSchema({ $id: 'user', ...USER })
  const ends = await open(t, { receive: { type: 'array', items: { $ref: 'user#' } }, send: { $ref: 'user#' } }, { app })
  t.strictSame(await submit(ends, [{ name: 'ada' }]), [{ name: 'ada' }])
  await t.rejects(submit(ends, [{}]), { ...VALIDATION_ERROR, message: "message/0 must have required property 'name'" })
  t.equal(await issue(ends, { name: 'ada', secret: true }), '{"name":"ada"}')
})

t.test('one schema can serve several routes, both ways', async (t) => {
  const app = await createApp(t)
  const shared = { $id: 'shared', ...USER }
  app.websocket('/other', { schema: { receive: shared, send: shared } as object }, async () => {})
  const ends = await open(t, { receive: shared, send: shared }, { app })
  t.strictSame(await submit(ends, { name: 'ada' }), { name: 'ada' })
})

t.test('a $ref leads to a schema of the context of the route, which has no HTTP route', async (t) => {
  const app = await createApp(t)
  await app.register(async (app) => {
    app.addSchema({ $id: 'user', ...USER })
    app.websocket('/child', { schema: { receive: { $ref: 'user#' }, send: { $ref: 'user#' } } as object }, async (ws: WebSocketSession<any>) => {
      await ws.accept()
      for await (const user of ws) await ws.send({ ...user, secret: true })
    })
  })
  const client = await app.injectWebSocket('/child', { sendType: 'json' })
  t.equal(await client.pair({ name: 'ada', age: '36' }), '{"name":"ada","age":36}')
})

t.test('each schema is compiled once, when the app gets ready', async (t) => {
  const app = await createApp(t)
  const compiled: unknown[] = []
  app.setValidatorCompiler(({ schema }) => {
    compiled.push(schema)
    return () => true
  })
  app.setSerializerCompiler(({ schema }) => {
    compiled.push(schema)
    return JSON.stringify
  })
  const receive = { title: 'in' }
  const send = { title: 'out' }
  app.websocket('/', { schema: { receive, send } as object }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  await app.ready()
  t.strictSame(compiled, [receive, send])
  for (let n = 0; n < 2; n++) t.equal(await (await app.injectWebSocket('/', { sendType: 'json' })).pair(n), String(n))
  t.equal(compiled.length, 2)
})

t.test('if the compilers of Fastify are out of reach, schemas are compiled at the first connection', async (t) => {
  for (const name of ['fastify.schemaController', 'fastify.options']) {
    const { getOwnPropertySymbols } = Object
    t.intercept(Object, 'getOwnPropertySymbols', { value: (o: object) => getOwnPropertySymbols(o).filter(({ description }) => description !== name) })
    const { session, client } = await open(t, { receive: USER, send: USER })
    t.strictSame(await submit({ session, client }, { name: 'ada', age: '36' }), { name: 'ada', age: 36 })
    await t.rejects(submit({ session, client }, {}), VALIDATION_ERROR)
    t.equal(await issue({ session, client }, { name: 'ada', secret: true }), '{"name":"ada"}')
  }
})

t.test('the schema of a route is not changed', async (t) => {
  const schema = Object.freeze({ receive: Object.freeze({ type: 'string' }), send: Object.freeze({ type: 'string' }) })
  const ends = await open(t, schema)
  t.equal(await submit(ends, '"a"'), 'a')
  t.strictSame(schema, { receive: { type: 'string' }, send: { type: 'string' } })
})

t.test('a schema of fluent-json-schema works', async (t) => {
  const fluent = (schema: object): object => ({ isFluentSchema: true, valueOf: () => schema })
  const ends = await open(t, { receive: fluent(USER), send: fluent(USER) })
  await t.rejects(submit(ends, {}), VALIDATION_ERROR)
  t.equal(await issue(ends, { name: 'ada', secret: true }), '{"name":"ada"}')
})

t.test('a route without message schemas takes and sends anything', async (t) => {
  const ends = await open(t, {})
  t.equal(await submit(ends, '{}'), '{}')
  t.equal(await issue(ends, { a: 1 }), '{"a":1}')
})

t.test('a sent value is serialized through the schema', async (t) => {
  const { session, client } = await open(t, { send: USER })
  t.equal(await issue({ session, client }, { name: 'ada', secret: true, age: '36' }), '{"name":"ada","age":36}')
  await session.sendJson({ name: 'ada', secret: true })
  t.equal(await client.receive(), '{"name":"ada"}')
  await session.sendJson({ name: 'ada', secret: true }, { mode: 'bytes' })
  t.strictSame(await client.receive(), Buffer.from('{"name":"ada"}'))
  await session.sendText('as it is')
  t.equal(await client.receive(), 'as it is')
})

t.test('a value that does not fit the schema is not sent, and rejects with a WebSocketEncodeError', async (t) => {
  const ends = await open(t, { send: USER })
  await t.rejects(ends.session.send({ age: 36 }), { name: 'WebSocketEncodeError', cause: { message: '"name" is required!' } })
  t.equal(await issue(ends, { name: 'ada' }), '{"name":"ada"}')
})

t.test('the response schema of the route still serves a refusal', async (t) => {
  const app = await createApp(t)
  const schema = { send: USER, response: { 403: { type: 'object', properties: { reason: { type: 'string' } } } } }
  app.websocket('/', { schema: schema as object }, async (ws) => await ws.deny(403, { reason: 'full', secret: true }))
  await t.rejects(app.injectWebSocket('/'), { name: 'WebSocketUpgradeError', statusCode: 403, body: '{"reason":"full"}' })
})

t.test('the upgrade request itself is not validated as a message', async (t) => {
  const app = await createApp(t)
  app.route({
    method: 'GET',
    url: '/',
    schema: { receive: USER } as object,
    handler: async () => 'http',
    wsHandler: async (ws: WebSocketSession<any>) => { await ws.accept() }
  } as never)
  await app.injectWebSocket('/')
  t.equal((await app.inject('/')).body, 'http')
})

for (const [name, schema] of Object.entries({
  'a receive schema of no known type': { receive: { type: 'strin' } },
  'a receive schema with a $ref to nowhere': { receive: { $ref: 'nowhere#' } },
  'a send schema of no known type': { send: { type: 'strin' } },
  'a send schema with a $ref to nowhere': { send: { $ref: 'nowhere#' } },
  'a receive schema that is null': { receive: null },
  'a send schema that is null': { send: null }
})) {
  t.test(`${name} fails when the app gets ready, with an error of Fastify that names the fault`, async (t) => {
    const app = await createApp(t)
    app.websocket('/broken', { schema: schema as object }, async () => {})
    await t.rejects(async () => await app.ready(), { code: /^FST_ERR_SCH_/, message: /GET: \/broken, due to error schema\.(receive|send): ./, cause: Error })
  })
}

t.test('schemaErrorFormatter of the route makes the message', async (t) => {
  const ends = await open(t, { receive: USER }, {
    schemaErrorFormatter: (errors, context) => new Error(`${context}: ${errors.map(({ keyword }) => keyword).join()}`)
  })
  await t.rejects(submit(ends, {}), { ...VALIDATION_ERROR, message: 'receive: required', validation: [{ keyword: 'required' }] })
})

t.test('an error of schemaErrorFormatter rejects', async (t) => {
  const failure = new Error('formatter')
  const ends = await open(t, { receive: USER }, { schemaErrorFormatter: () => { throw failure } })
  await t.rejects(submit(ends, {}), failure)
  t.strictSame(await submit(ends, { name: 'ada' }), { name: 'ada' })
})

t.test('TypeBox: a schema works as a JSON schema', async (t) => {
  const ends = await open(t, { receive: Type.Object({ n: Type.Integer() }), send: Type.Object({ n: Type.Integer() }) })
  t.strictSame(await submit(ends, { n: 1 }), { n: 1 })
  await t.rejects(submit(ends, { n: 'x' }), { ...VALIDATION_ERROR, message: 'message/n must be integer' })
  t.equal(await issue(ends, { n: 1, secret: true }), '{"n":1}')
})

t.test('TypeBox: the compiler of TypeBox works', async (t) => {
  const app = await createApp(t)
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  const ends = await open(t, { receive: Type.Object({ n: Type.Integer() }) }, { app })
  t.strictSame(await submit(ends, { n: 1 }), { n: 1 })
  await t.rejects(submit(ends, { n: 'x' }), { ...VALIDATION_ERROR, message: 'message/n must be integer', validation: [{ instancePath: '/n', keyword: 'type' }] })
})

t.test('Zod: the parsed value of a message is received', async (t) => {
  const app = await createApp(t)
  app.setValidatorCompiler(validatorCompiler)
  const ends = await open(t, { receive: z.object({ name: z.string().trim(), age: z.coerce.number().default(1) }) }, { app })
  t.strictSame(await submit(ends, { name: ' ada ', other: true }), { name: 'ada', age: 1 })
  await t.rejects(submit(ends, { name: 7 }), { ...VALIDATION_ERROR, message: /^message\/name .*expected string/, validation: [{ instancePath: '/name', keyword: 'invalid_type' }] })
})

t.test('Zod: a message may become any value, also a falsy one', async (t) => {
  const app = await createApp(t)
  app.setValidatorCompiler(validatorCompiler)
  for (const [i, value] of [0, '', false, null, undefined, 7n].entries()) {
    app.websocket(`/${i}`, { schema: { receive: z.string().transform(() => value) } as object }, async (ws) => {
      await ws.accept()
      t.equal(await ws.receive(), value)
    })
  }
  for (let i = 0; i < 6; i++) {
    const client = await app.injectWebSocket(`/${i}`)
    await client.send('"x"')
    t.match(await client.closed, { code: 1000 })
  }
})

t.test('Zod: a sent value is encoded by the schema', async (t) => {
  const app = await createApp(t)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  const ends = await open(t, { send: z.object({ name: z.string() }) }, { app })
  t.equal(await issue(ends, { name: 'ada', secret: true }), '{"name":"ada"}')
  await t.rejects(ends.session.send({ name: 7 }), { name: 'WebSocketEncodeError', cause: { code: 'FST_ERR_RESPONSE_SERIALIZATION' } })
})

t.test('the validator compiler of the route takes precedence over that of the app', async (t) => {
  const app = await createApp(t)
  app.setValidatorCompiler(always(() => false))
  const ends = await open(t, { receive: {} }, { app, validatorCompiler: always(() => true) })
  t.equal(await submit(ends, '1'), 1)
})

t.test('a compiler gets the method, the URL and the place of a schema', async (t) => {
  const compiled: unknown[] = []
  const app = await createApp(t)
  app.setValidatorCompiler(({ schema, method, url, httpPart }) => {
    compiled.push({ schema, method, url, httpPart })
    return () => true
  })
  const receive = { my: 'schema' }
  await open(t, { receive }, { app })
  t.match(compiled, [{ schema: receive, method: 'GET', url: '/', httpPart: 'body' }])
})

t.test('a message passes if the validator returns true, nothing, or an object without an error', async (t) => {
  for (const result of [true, undefined, null, {}, { error: null }, { error: undefined }, { error: false }]) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => result) })
    t.strictSame(await submit(ends, { a: 1 }), { a: 1 }, JSON.stringify(result))
  }
})

t.test('a failure without a list of errors still has a message', async (t) => {
  const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => false) })
  await t.rejects(submit(ends, 1), { ...VALIDATION_ERROR, message: 'the message is not valid', validation: [] })
})

t.test('a validator that returns false refuses the message, with its errors if it has some', async (t) => {
  const silent = await open(t, { receive: {} }, { validatorCompiler: always(() => false) })
  const error: any = await submit(silent, '1').catch((error) => error)
  t.match(error, VALIDATION_ERROR)
  t.strictSame(error.validation, [])

  const errors = [{ instancePath: '/a', message: 'is odd' }, { message: 'is even' }, {}]
  const telling = await open(t, { receive: {} }, { validatorCompiler: always(Object.assign(() => false, { errors })) })
  await t.rejects(submit(telling, '1'), { ...VALIDATION_ERROR, message: 'message/a is odd, message is even, message ', validation: errors })
})

t.test('a value that the validator returns is received', async (t) => {
  for (const value of [{ b: 2 }, 0, '', false, null, undefined]) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => ({ value })) })
    t.strictSame(await submit(ends, { a: 1 }), value, String(value))
  }
})

t.test('a validator that returns an error refuses the message, with the list in the error', async (t) => {
  const list = [{ path: ['a'], message: 'is odd' }]
  for (const property of ['validation', 'errors', 'issues', 'details']) {
    const error = Object.assign(new Error('odd'), { [property]: list })
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => ({ error, value: 'not to be received' })) })
    await t.rejects(submit(ends, '1'), { ...VALIDATION_ERROR, message: 'odd', validation: list, cause: error })
  }
})

t.test('an error without a list is the one failure', async (t) => {
  const cases: [unknown, string][] = [[new Error('odd'), 'odd'], ['odd', 'odd'], [{ message: 'odd' }, 'odd'], [true, 'true'], [Object.assign(new Error('odd'), { validation: true }), 'odd']]
  for (const [error, message] of cases) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => ({ error })) })
    await t.rejects(submit(ends, '1'), { ...VALIDATION_ERROR, message, validation: [{ message }], cause: error as never })
  }
})

t.test('an error of a validator rejects unchanged: it is no validation error', async (t) => {
  const failure = new Error('a bug')
  const ends = await open(t, { receive: {} }, { validatorCompiler: always((data) => { if (data === 'bad') throw failure }) })
  await t.rejects(submit(ends, '"bad"'), failure)
  t.equal(await submit(ends, '"good"'), 'good')
})

t.test('a validator may return a promise, which only tells whether the message passes', async (t) => {
  for (const result of [true, undefined, { error: 'of the data' }, { value: 'of the data' }]) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(async () => result) })
    t.strictSame(await submit(ends, { a: 1 }), { a: 1 }, JSON.stringify(result))
  }
  const ends = await open(t, { receive: {} }, { validatorCompiler: always(async () => false) })
  await t.rejects(submit(ends, { a: 1 }), { ...VALIDATION_ERROR, validation: [] })
})

t.test('a validator whose promise rejects refuses the message', async (t) => {
  for (const failure of [new Error('odd'), Object.assign(new Error('odd'), { errors: [{ message: 'is odd' }] })]) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(async () => { throw failure }) })
    await t.rejects(submit(ends, '1'), { ...VALIDATION_ERROR, message: 'odd', cause: failure })
  }
  for (const [failure, message] of [[undefined, 'undefined'], [null, 'null'], ['odd', 'odd']]) {
    const ends = await open(t, { receive: {} }, { validatorCompiler: always(() => Promise.reject(failure)) })
    await t.rejects(submit(ends, '1'), { ...VALIDATION_ERROR, message, validation: [{ message }] })
  }
})

t.test('a rejected promise of a validator is no unhandled rejection if no receive is awaited', async (t) => {
  const { session, client } = await open(t, { receive: {} }, { validatorCompiler: always(async () => { throw new Error('odd') }) })
  t.strictSame(await unhandledRejections(async () => {
    session.receive()
    await client.send('1')
    await client.ping()
    await client.send('2')
    await client.ping()
    session.receive()
  }), [])
})

t.test('an asynchronous schema of Ajv works, with its coercion and its errors', async (t) => {
  const ends = await open(t, { receive: { $async: true, ...USER } })
  t.strictSame(await submit(ends, { name: 7, error: 'of the data' }), { name: '7', error: 'of the data' })
  await t.rejects(submit(ends, {}), { ...VALIDATION_ERROR, validation: [{ keyword: 'required', params: { missingProperty: 'name' } }] })
  const single = await open(t, { receive: { $async: true, type: 'integer' } })
  t.equal(await submit(single, '"7"'), 7)
})
