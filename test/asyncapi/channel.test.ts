import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { asyncapi } from '../../lib/asyncapi/plugin'
import websocket from '../../lib/index'
import { checkDocument } from '../helpers/asyncapi'
import type { AsyncApiChannel, AsyncApiDocument, AsyncApiMessage, AsyncApiOperation, AsyncApiOptions } from '../../types/asyncapi'
import type { WebSocketPluginOptions } from '../../types/options'

interface One {
  document: AsyncApiDocument
  channel: AsyncApiChannel
  receive: AsyncApiMessage
  send: AsyncApiMessage
  operation: AsyncApiOperation
}

/** Describes an app with one route. */
async function describe (t: Test, url: string, route: object, pluginOptions: WebSocketPluginOptions = {}, options: AsyncApiOptions = {}): Promise<One> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, pluginOptions)
  await app.register(asyncapi, options)
  app.get(url, { websocket: true, ...route } as any, async () => {})
  await app.ready()
  const document = app.asyncapi()
  checkDocument(t, document)
  const [name] = Object.keys(document.channels)
  const { [`${name}Receive`]: receive, [`${name}Send`]: send } = document.components.messages
  return { document, channel: document.channels[name], receive, send, operation: document.operations[`${name}Receive`] }
}

t.test('a route tells its summary, description, tags, documentation and name in its schema or its config, which wins', async (t) => {
  const about = { summary: 'A', description: 'B', tags: ['c', { name: 'd' }], operationId: 'theName', externalDocs: { url: 'https://example.com' } }
  for (const route of [{ schema: about }, { config: about }, { schema: { summary: 'another', tags: [] }, config: about }]) {
    const { document, channel, operation } = await describe(t, '/', route)
    t.match(channel, { summary: 'A', description: 'B', tags: [{ name: 'c' }, { name: 'd' }], externalDocs: { url: 'https://example.com' } })
    t.match(operation, { summary: 'A', tags: [{ name: 'c' }, { name: 'd' }] })
    t.same(Object.keys(document.channels), ['theName'])
    t.same(Object.keys(document.operations), ['theNameReceive', 'theNameSend'])
  }
})

t.test('two routes with one name get two', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(asyncapi)
  for (const host of ['a.example.com', 'b.example.com']) app.get('/chat/:room', { websocket: true, constraints: { host } }, async () => {})
  await app.ready()
  checkDocument(t, app.asyncapi())
  t.same(Object.keys(app.asyncapi().channels), ['chatRoom', 'chatRoom_2'])
})

t.test('security is read from the schema or the config', async (t) => {
  const components = { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }
  for (const key of ['schema', 'config']) {
    const { operation } = await describe(t, '/', { [key]: { security: [{ token: [] }] } }, {}, { components })
    t.same(operation.security, [{ $ref: '#/components/securitySchemes/token' }])
  }
})

t.test('parameters are texts, and their schema is kept beside', async (t) => {
  const properties = { id: { type: 'integer', enum: [1, 2], default: 1, examples: [2], description: 'A number' }, '*': { type: 'string' }, other: { type: 'string' }, flag: true }
  const { channel } = await describe(t, '/:id/:none/:flag/*', { schema: { params: { type: 'object', properties } } })
  t.same(channel.parameters, {
    id: { description: 'A number', enum: ['1', '2'], default: '1', examples: ['2'], 'x-schema': properties.id },
    none: {},
    flag: { 'x-schema': true },
    wildcard: { 'x-schema': { type: 'string' } }
  })
  t.equal(channel.address, '/{id}/{none}/{flag}/{wildcard}')
  t.equal(channel['x-fastify-url'], '/:id/:none/:flag/*')
})

t.test('a query, which may be called querystring or query, and headers are in the binding', async (t) => {
  const query = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } }
  for (const key of ['querystring', 'query']) {
    const { channel } = await describe(t, '/', { schema: { [key]: query, headers: { type: 'object', properties: { 'x-a': { type: 'string' } }, required: ['x-a'] } } })
    t.same(channel.bindings.ws, {
      method: 'GET', query, headers: { type: 'object', properties: { 'x-a': { type: 'string' } }, required: ['x-a'] }, bindingVersion: '0.1.0'
    })
  }
})

t.test('subprotocols are a header of the binding, and a list', async (t) => {
  const { channel } = await describe(t, '/', { websocket: { subprotocols: ['b', 'a'] }, schema: { headers: { type: 'object', properties: { 'x-a': { type: 'string' } } } } })
  t.same(channel['x-subprotocols'], ['b', 'a'])
  t.match(channel.bindings.ws.headers, { properties: { 'sec-websocket-protocol': { type: 'string', enum: ['b', 'a'] }, 'x-a': { type: 'string' } } })
  const { channel: plain } = await describe(t, '/', { websocket: { subprotocols: ['b'] } })
  t.same(Object.keys(plain.bindings.ws.headers.properties), ['sec-websocket-protocol'])
})

t.test('messages have the type of their side', async (t) => {
  const TYPES: [type: string, contentType: string | undefined, payload: unknown][] = [
    ['text', 'text/plain', { type: 'string' }],
    ['bytes', 'application/octet-stream', { type: 'string', format: 'binary' }],
    ['integer', 'text/plain', { type: 'integer' }],
    ['number', 'text/plain', { type: 'number' }],
    ['boolean', 'text/plain', { type: 'boolean' }],
    ['json', 'application/json', undefined],
    ['any', undefined, undefined]
  ]
  for (const [valueType, contentType, payload] of TYPES) {
    const { receive, send } = await describe(t, '/', { websocket: { valueType } })
    t.same([receive.contentType, receive.payload], [contentType, payload], valueType)
    t.same([send.contentType, send.payload], [contentType, payload], valueType)
  }
  const { receive } = await describe(t, '/', { websocket: { receiveType: 'text' }, schema: { receive: { type: 'string', maxLength: 5 } } })
  t.match(receive, { contentType: 'text/plain', payload: { type: 'string', maxLength: 5 } })
})

t.test('a message whose schema has no form in JSON has no payload', async (t) => {
  class Joi {}
  const { receive } = await describe(t, '/', { schema: { receive: new Joi() }, validatorCompiler: () => () => true })
  t.same(receive, { title: 'From the client', contentType: 'application/json' })
})

t.test('the examples of a schema are those of the message', async (t) => {
  const { receive, send } = await describe(t, '/', { schema: { receive: { type: 'object', examples: [{ a: 1 }, {}] }, send: { type: 'string' } } })
  t.same(receive.examples, [{ payload: { a: 1 } }, { payload: {} }])
  t.equal(send.examples, undefined)
})

t.test('refusals are those of the plugin, and those that schema.response describes', async (t) => {
  const { channel } = await describe(t, '/', {
    schema: {
      querystring: { type: 'object', properties: {} },
      response: {
        200: { type: 'string' },
        101: { type: 'null' },
        400: { type: 'object' },
        403: { description: 'Not a member', type: 'object', properties: { error: { type: 'string' } } },
        404: { content: { 'application/json': { schema: { type: 'object' } } } },
        410: { description: 'Gone', content: {} }
      }
    }
  })
  t.same(channel['x-refusals'], {
    400: { description: 'The path, the query or a header does not validate.', payload: { type: 'object' } },
    403: { description: 'Not a member', payload: { description: 'Not a member', type: 'object', properties: { error: { type: 'string' } } } },
    404: { description: '', payload: { type: 'object' } },
    410: { description: 'Gone' },
    503: { description: 'The server is closing, has too many connections, or has not decided in time.' }
  })
  const { channel: open } = await describe(t, '/', { websocket: { origins: '*' } })
  t.same(Object.keys(open['x-refusals']), ['503'])
})

t.test('close codes follow from the options, and may be the app\'s own', async (t) => {
  const codes = async (websocket: object | true, schema: object = {}, plugin: WebSocketPluginOptions = {}): Promise<string> => {
    const { channel } = await describe(t, '/', { websocket, schema }, plugin)
    return Object.entries(channel['x-close-codes']).map(([code, when]) => `${code} ${when}`).join('\n')
  }
  const plain = await codes(true)
  t.equal(plain, [
    '1000 The server has finished.', '1001 The server is closing.', '1003 A message is not of the type text.', '1009 A message is larger than 1048576 bytes.',
    '1011 The server has failed.', '1013 The client reads what is published too slowly.'
  ].join('\n'))
  t.notMatch(await codes({ receiveType: 'any', slowSubscriber: 'skip' }), /1003|1013/)
  t.match(await codes({ maxPayload: 10 }), /1009 A message is larger than 10 bytes/)
  t.match(await codes({ idleTimeout: 500 }), /1001 The server is closing\. Or: No message went either way for 500 ms\./)
  const restarting = await codes({ idleTimeout: 500 }, {}, { shutdown: { code: 1012 } })
  t.match(restarting, /1001 No message went/)
  t.match(restarting, /1012 The server is closing/)
  t.match(await codes(true, { receive: {} }), /1008 A message does not validate\./)
  t.match(await codes({ rateLimit: { messages: 2, interval: 100 } }), /1008 More than 2 messages came in 100 ms\./)
  t.match(await codes({ refusal: 'auto' }, { response: { 401: {}, '4xx': {} } }), /4401 The handshake is refused, with 401 as its status\.\n4403 .*\n4503/)
  t.match(await codes(true, { 'x-close-codes': { 4001: 'Expired', 1000: 'Bye' } }), /1000 Bye\n[^]*4001 Expired/)
})

t.test('a route with raw: true has no messages, and the close codes of ws', async (t) => {
  const { document, channel } = await describe(t, '/', { websocket: { raw: true } })
  t.same(channel.messages, {})
  t.same(document.components.messages, {})
  t.same(Object.keys(channel['x-close-codes']), ['1009'])
})

t.test('extensions of a route are those of its channel', async (t) => {
  const { channel } = await describe(t, '/', { schema: { 'x-owner': 'schema', 'x-team': 'a' }, config: { 'x-owner': 'config' } })
  t.match(channel, { 'x-owner': 'config', 'x-team': 'a' })
})
