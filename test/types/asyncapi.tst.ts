import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import asyncapi from '../../lib/asyncapi/index'
import websocket from '../../lib/index'

const app = Fastify()

describe('asyncapi', () => {
  test('the document is an object, or a text with yaml: true', () => {
    expect(app.asyncapi()).type.toBe<asyncapi.AsyncApiDocument>()
    expect(app.asyncapi({ yaml: false })).type.toBe<asyncapi.AsyncApiDocument>()
    expect(app.asyncapi({ yaml: true })).type.toBe<string>()
    expect(app.asyncapi().channels.chat!.address).type.toBe<string>()
    expect(app.asyncapi().asyncapi).type.toBe<'3.0.0'>()
    expect(app.asyncapi().operations.chat!.action).type.toBe<'receive' | 'send'>()
  })

  test('the options', () => {
    app.register(asyncapi)
    app.register(asyncapi.asyncapi, { info: { title: 'Chat', version: '1.0.0', 'x-owner': 'me' }, servers: { a: { host: 'x', protocol: 'wss' } }, routePrefix: '/asyncapi' })
    app.register(asyncapi, { routePrefix: '/a', hooks: { onRequest: async (request, reply) => reply.code(401).send(request.ip), preHandler: [(_request, _reply, done) => done()] } })
    expect(app.register).type.not.toBeCallableWith(asyncapi, { servers: { a: { host: 'x', protocol: 'https' } } })
    expect(app.register).type.not.toBeCallableWith(asyncapi, { tilte: 'x' })
  })

  test('what a route tells in its schema', () => {
    const schema = { summary: 'A', tags: ['b'], hide: true, security: [{ token: [] }], 'x-close-codes': { 4001: 'c' }, receive: {} } as const
    app.websocket('/', { schema }, async (ws) => { expect(await ws.receive()).type.toBe<any>() })
    app.websocket('/', { schema: { summary: 'A', hide: true }, websocket: { onMessage: (ws, data) => { expect(data).type.toBe<string>() } } })
    app.get('/', { websocket: true, schema: { summary: 'A', operationId: 'b', description: 'c' } }, async (ws) => { await ws.accept() })
    app.route(websocket.defineWebSocket({ url: '/', schema: { summary: 'A' }, handler: async () => {} }))
  })

  test('what a route tells in its config', () => {
    app.websocket('/', { config: { summary: 'A', description: 'B', tags: ['c', { name: 'd' }], operationId: 'e', hide: true, security: [{ token: [] }], 'x-close-codes': { 4001: 'f' } } }, async () => {})
    app.get('/', { websocket: true, config: { summary: 'A' } }, async () => {})
    app.route(websocket.defineWebSocket({ url: '/', config: { summary: 'A' }, handler: async () => {} }))
    expect<asyncapi.AsyncApiRouteConfig>().type.not.toBeAssignableFrom({ summary: 1 })
  })
})
