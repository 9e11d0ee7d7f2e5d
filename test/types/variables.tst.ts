import Fastify, { type FastifyInstance, type FastifyRequest, type FastifySchema, type RouteOptions, type RouteShorthandOptions } from 'fastify'
import { describe, expect, test } from 'tstyche'
import type { RawWebSocket } from '../../types/raw'
import websocket from '../../lib/index'

const app = Fastify()
const http = async (): Promise<string> => 'http'

describe('types of Fastify, in variables that are spread into routes', () => {
  test('RouteShorthandOptions', () => {
    const options: RouteShorthandOptions = {}
    app.websocket('/', options, async (ws) => { expect(await ws.receive()).type.toBe<string>() })
    app.websocket('/', { ...options, websocket: { valueType: 'bytes' } }, async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() })
    app.get('/', { ...options, websocket: true }, async (ws) => { expect(await ws.receive()).type.toBe<string>() })
    app.get('/', { ...options, websocket: { raw: true } }, (socket) => { expect(socket).type.toBe<RawWebSocket>() })
    app.get('/', { ...options, websocket: { valueType: 'integer', onMessage (ws, data) { expect(data).type.toBe<number>() } } })
    app.get('/', { ...options, wsHandler: async (ws) => { expect(await ws.receive()).type.toBe<string>() } }, http)
    app.get('/', { ...options, schema: { receive: {} }, websocket: true }, async (ws) => { expect(await ws.receive()).type.toBe<any>() })
    app.route({ ...options, method: 'GET', url: '/', handler: http, wsHandler: async (ws) => { expect(await ws.receive()).type.toBe<string>() } })
    app.route(websocket.defineWebSocket({ ...options, url: '/', handler: async (ws) => { expect(await ws.receive()).type.toBe<string>() } }))
  })

  test('RouteShorthandOptions with generics', () => {
    type Generic = { Querystring: { n: number } }
    const options: RouteShorthandOptions<any, any, any, Generic> = { preHandler: async (request) => { expect(request.query.n).type.toBe<number>() } }
    app.websocket<Generic>('/', options, async (ws) => { expect(ws.query.n).type.toBe<number>() })
    app.get<Generic>('/', { ...options, websocket: true }, async (ws) => { expect(ws.query.n).type.toBe<number>() })
  })

  test('FastifySchema', () => {
    const schema: FastifySchema = { receive: {}, send: {} }
    app.websocket('/', { schema }, async (ws) => { await ws.accept() })
    app.get('/', { schema, websocket: { valueType: 'bytes' } }, async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() })
    app.websocket('/', { schema: { ...schema, receive: {} } }, async (ws) => { expect(await ws.receive()).type.toBe<any>() })
    app.route({ method: 'GET', url: '/', schema, handler: http, wsHandler: async (ws) => { await ws.accept() } })
  })

  test('RouteOptions', () => {
    const route: RouteOptions = { method: 'GET', url: '/', handler: http }
    app.route({ ...route, wsHandler: async (ws) => { expect(await ws.receive()).type.toBe<string>() } })
    app.route({ ...route, websocket: { valueType: 'bytes' }, handler: async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() } })
  })
})

describe('types of this package, by name', () => {
  test('WebSocketHandler', () => {
    const handler: websocket.WebSocketHandler = async function (ws, request) {
      expect(this).type.toBe<FastifyInstance>()
      expect(request).type.toBeAssignableTo<FastifyRequest>()
      expect(await ws.receive()).type.toBe<string>()
    }
    expect(app.websocket).type.toBeCallableWith('/', handler)
    app.get('/', { websocket: true }, handler)
    app.get('/', { wsHandler: handler }, http)
    app.route(websocket.defineWebSocket({ url: '/', handler }))
    expect(app.websocket).type.not.toBeCallableWith('/', { websocket: { valueType: 'bytes' } }, handler)
  })

  test('WebSocketHandler, with the generics of its route', () => {
    type Generic = { Params: { room: string }, Receive: { text: string }, Send: number }
    const handler: websocket.WebSocketHandler<Generic> = async (ws, request) => {
      expect(request.params.room).type.toBe<string>()
      expect(await ws.receive()).type.toBe<{ text: string }>()
      expect(ws.send).type.not.toBeCallableWith('text')
    }
    app.websocket<Generic>('/', handler)
  })

  test('WebSocketSessionHandlers', () => {
    const handlers: websocket.WebSocketSessionHandlers = {
      onMessage (ws, data) { expect(data).type.toBe<string>() },
      onDisconnect (ws, info) { expect(info).type.toBe<websocket.CloseInfo>() }
    }
    app.websocket('/', handlers)
    app.get('/', { websocket: { ...handlers, autoAccept: true } })
  })

  test('RawWebSocketHandler', () => {
    const handler: websocket.RawWebSocketHandler = (socket) => { expect(socket).type.toBe<RawWebSocket>() }
    app.get('/', { websocket: { raw: true } }, handler)
  })

  test('options', () => {
    const options = { websocket: { valueType: 'bytes' }, preHandler: async () => {} } satisfies websocket.WebSocketRouteOptions
    app.websocket('/', options, async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() })
    const settings: websocket.WebSocketSettings = { heartbeat: false }
    app.get('/', { websocket: settings }, async (ws) => { await ws.accept() })
    const schema: websocket.WebSocketSchema = { receive: {} }
    app.websocket('/', { schema }, async (ws) => { await ws.accept() })
    expect<websocket.WebSocketRouteOptions>().type.not.toBeAssignableFrom({ websocket: { valueType: 'yaml' } })
  })

  test('app.websockets.publish, with the type of its messages', () => {
    expect(app.websockets.publish<{ n: number }>).type.toBeCallableWith('topic', { n: 1 })
    expect(app.websockets.publish<{ n: number }>).type.not.toBeCallableWith('topic', { n: 'one' })
  })
})
