import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import asyncapi from '../../lib/asyncapi/index'
import websocket from '../../lib/index'
import { checkDocument, faultsOf } from '../helpers/asyncapi'
import { root } from '../helpers/example'
import type { AsyncApiDocument } from '../../types/asyncapi'

const { build } = require('../fixtures/described.js')
const chatRoute = require('../../example/chat/chat-route.js')

async function everything (t: { teardown: (close: () => unknown) => void }, options = {}, serverOptions = {}): Promise<AsyncApiDocument> {
  const app = await build(websocket, asyncapi, options, serverOptions)
  t.teardown(() => app.close())
  await app.ready()
  return app.asyncapi()
}

t.test('the document of all forms of routes, with schemas of all kinds, is valid', async (t) => {
  const document = await everything(t)
  checkDocument(t, document)
  t.equal(document.asyncapi, '3.0.0')
  t.match(document.info, { title: 'Everything', version: '2.0.0', description: 'Routes of every form' })
  t.same(document.servers, { production: { host: 'chat.example.com', protocol: 'wss', pathname: '/v2' } })
})

t.test('the check of documents finds what the schema does not see', async (t) => {
  const document = await everything(t)
  const { root } = document.channels
  root.parameters = { none: {} }
  document.operations.rootSend.messages = [{ $ref: '#/components/messages/rootSend' }]
  document.components.schemas.User.properties.friends.items.$ref = '#'
  document.components.schemas.Local.$ref = '#/components/schemas/Nobody'
  t.equal(faultsOf(document).length, 4)
  delete (document as { info?: object }).info
  t.match(faultsOf(document)[0], /must have required property 'info'/)
})

t.test('each WebSocket route that is not hidden is one channel, whatever its form', async (t) => {
  const { channels } = await everything(t)
  const addresses = Object.fromEntries(Object.entries(channels).map(([name, { address, 'x-fastify-url': url }]) => [name, url === undefined ? address : `${address} ${url}`]))
  t.same(addresses, {
    root: '/',
    optionIdFilePng: '/option/{id}/{file}.png /option/:id(^\\d+$)/:file.png',
    both: '/both',
    handlers: '/handlers',
    definedOptional: '/defined/{optional} /defined/:optional?',
    rawWildcard: '/raw/{wildcard} /raw/*',
    guardedRoom: '/guarded/{room}',
    own: '/own',
    typebox: '/typebox',
    child: '/child/',
    zodRoomRoom: '/zod/room/{room}'
  })
})

t.test('the document is the same with a router that ignores slashes at the end', async (t) => {
  const { channels } = await everything(t, {}, { routerOptions: { ignoreTrailingSlash: true }, exposeHeadRoutes: false })
  t.equal(Object.keys(channels).length, 11)
})

t.test('operations have the view of the server, and messages of their channel', async (t) => {
  const { operations, channels } = await everything(t)
  t.same(operations.ownReceive, {
    action: 'receive',
    channel: { $ref: '#/channels/own' },
    messages: [{ $ref: '#/channels/own/messages/receive' }]
  })
  t.equal(operations.ownSend.action, 'send')
  t.same(channels.own.messages, { receive: { $ref: '#/components/messages/ownReceive' }, send: { $ref: '#/components/messages/ownSend' } })
  t.same(operations.rawWildcardReceive, { action: 'receive', channel: { $ref: '#/channels/rawWildcard' } }, 'the messages of a library are not known')
})

t.test('components given to asyncapi are in the document, and schemas of routes may refer to them', async (t) => {
  const app = await build(websocket, asyncapi, {
    components: {
      schemas: { Given: { type: 'object', properties: { deep: { type: 'string' } } }, User: { type: 'string' } },
      messages: { Other: { payload: { $ref: '#/components/schemas/Given' } } },
      parameters: { page: { description: 'A page' } },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' }, session: { type: 'httpApiKey', in: 'cookie', name: 'session' } }
    }
  })
  t.teardown(() => app.close())
  const schema = { receive: { $ref: 'Given' }, send: { type: 'object', properties: { deep: { $ref: 'Given#/properties/deep' } } } }
  app.websocket('/given', { schema, validatorCompiler: () => () => true, serializerCompiler: () => JSON.stringify }, async () => {})
  await app.ready()
  const document: AsyncApiDocument = app.asyncapi()
  checkDocument(t, document)
  t.same(document.components.messages.givenReceive.payload, { $ref: '#/components/schemas/Given' })
  t.same(document.components.messages.givenSend.payload.properties.deep, { $ref: '#/components/schemas/Given/properties/deep' })
  t.ok(document.components.messages.Other)
  t.ok(document.components.parameters!.page)
  t.same(document.components.schemas.User, { type: 'string' }, 'a given component keeps its name')
  t.equal(document.components.messages.guardedRoomSend.payload.$ref, '#/components/schemas/User_2')
})

t.test('a document without options has a title and a version', async (t) => {
  const app = await build(websocket, async () => {})
  t.teardown(() => app.close())
  await app.register(async (child: any) => { await child.register(asyncapi); child.websocket('/x', async () => {}) })
  let document!: AsyncApiDocument
  await app.register(async (child: any) => {
    await child.register(asyncapi, { info: { title: 'Child' } })
    child.addHook('onReady', async () => { document = child.asyncapi() })
  })
  await app.ready()
  checkDocument(t, document)
  t.same(document.info, { title: 'Child', version: '1.0.0' })
  t.same(document.channels, {}, 'the document has the routes of its context alone')
})

t.test('the document of the chat example is the golden one; UPDATE_GOLDEN=1 writes it', async (t) => {
  const app = require('fastify')({ ajv: { customOptions: { discriminator: true } } })
  t.teardown(() => app.close())
  await app.register(websocket)
  await app.register(asyncapi, { info: { title: 'Chat', version: '1.0.0' }, servers: { local: { host: '127.0.0.1:3000', protocol: 'ws' } } })
  app.route(chatRoute({}))
  await app.ready()
  const document = app.asyncapi()
  checkDocument(t, document)
  const file = join(root, 'test', 'fixtures', 'chat.asyncapi.json')
  if (process.env.UPDATE_GOLDEN) require('node:fs').writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
  t.strictSame(document, JSON.parse(readFileSync(file, 'utf8')))
})
