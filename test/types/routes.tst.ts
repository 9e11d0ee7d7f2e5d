import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { describe, expect, test } from 'tstyche'
import type { RawWebSocket } from '../../types/raw'
import websocket from '../../lib/index'

const app = Fastify()
app.register(websocket, { valueType: 'json', maxPayload: 1024 })

describe('the forms of a route', () => {
  test('app.websocket(url, handler)', () => {
    app.websocket('/', async function (ws, request) {
      expect(this).type.toBeAssignableTo<FastifyInstance>()
      expect(request).type.toBeAssignableTo<FastifyRequest>()
      expect(await ws.accept()).type.toBe<typeof ws>()
      expect(await ws.receive()).type.toBe<string>()
      for await (const message of ws) expect(message).type.toBe<string>()
      await ws.send({ anything: 1 })
    })
  })

  test('app.websocket(url, options, handler)', () => {
    app.websocket('/', { websocket: { valueType: 'bytes' } }, async (ws) => {
      expect(await ws.receive()).type.toBe<Buffer>()
      await ws.send(new Uint8Array(1))
      expect(ws.send).type.not.toBeCallableWith('text')
    })
    app.websocket('/', { preHandler: async (request) => { expect(request.ws).type.toBe<boolean>() } }, async (ws) => {
      expect(await ws.receive()).type.toBe<string>()
    })
  })

  test('app.get with websocket: true', () => {
    app.get('/', { websocket: true }, async (ws, request) => {
      expect(await ws.receive()).type.toBe<string>()
      expect(request.ws).type.toBe<boolean>()
    })
  })

  test('app.get with websocket: settings', () => {
    app.get('/', { websocket: { receiveType: 'integer', sendType: 'json', subprotocols: ['v1'] } }, async (ws) => {
      expect(await ws.receive()).type.toBe<number>()
    })
    app.get('/', { websocket: { valueType: 'boolean' } }, async (ws) => {
      expect(await ws.receive()).type.toBe<boolean>()
      expect(ws.send).type.toBeCallableWith(true)
      expect(ws.send).type.not.toBeCallableWith(1)
    })
  })

  test('app.route', () => {
    app.route({
      method: 'GET',
      url: '/',
      websocket: { receiveType: 'any' },
      handler: async (ws, request) => {
        expect(await ws.receive()).type.toBe<string | Buffer>()
        expect(request).type.toBeAssignableTo<FastifyRequest>()
      }
    })
  })

  test('app.route with wsHandler: HTTP and WebSocket on one URL', () => {
    app.route({
      method: 'GET',
      url: '/',
      websocket: { receiveType: 'bytes' },
      handler: async (request, reply) => {
        expect(request.params).type.toBe<unknown>()
        return reply.send('http')
      },
      wsHandler: async (ws) => {
        expect(await ws.receive()).type.toBe<Buffer>()
      }
    })
    app.get('/', { wsHandler: async (ws) => { expect(await ws.receive()).type.toBe<string>() } }, async (request, reply) => reply.code(200).send())
  })

  test('defineWebSocket, with app.route', () => {
    app.route(websocket.defineWebSocket({
      url: '/',
      websocket: { valueType: 'number' },
      handler: async (ws, request) => {
        expect(await ws.receive()).type.toBe<number>()
        expect(request).type.toBeAssignableTo<FastifyRequest>()
      }
    }))
    app.withTypeProvider<TypeBoxTypeProvider>().route(websocket.defineWebSocket({ url: '/', handler: async (ws) => { await ws.accept() } }))
  })

  test('session handlers', () => {
    app.websocket('/', {
      onConnect: async (ws) => { await ws.accept({ headers: { 'set-cookie': ['a=1', 'b=2'] } }) },
      onMessage: async (ws, data, request) => {
        expect(data).type.toBe<string>()
        expect(request).type.toBeAssignableTo<FastifyRequest>()
        await ws.send(data)
      },
      onDisconnect: (ws, { code, reason, wasClean }) => {
        expect(code).type.toBe<number>()
        expect(reason).type.toBe<string>()
        expect(wasClean).type.toBe<boolean>()
      }
    })
    app.get('/', { websocket: { valueType: 'integer', onMessage: async (ws, data) => { expect(data).type.toBe<number>() } } })
    app.websocket('/', { websocket: { valueType: 'bytes', onMessage (ws, data) { expect(data).type.toBe<Buffer>() } } })
    app.route({ method: 'GET', url: '/', websocket: { receiveType: 'boolean', onMessage (ws, data) { expect(data).type.toBe<boolean>() } } })
    app.route(websocket.defineWebSocket({ url: '/', websocket: { valueType: 'integer', onMessage (ws, data) { expect(data).type.toBe<number>() } } }))
  })

  test('raw: true hands the plain socket over', () => {
    app.get('/', { websocket: { raw: true } }, (socket, request) => {
      expect(socket).type.toBe<RawWebSocket>()
      expect(request).type.toBeAssignableTo<FastifyRequest>()
    })
    app.websocket('/', { websocket: { raw: true } }, (socket) => { expect(socket).type.toBe<RawWebSocket>() })
    app.route({ method: 'GET', url: '/', websocket: { raw: true }, handler (socket) { expect(socket).type.toBe<RawWebSocket>() } })
  })

  test('origins', () => {
    app.websocket('/', {
      websocket: {
        valueType: 'bytes',
        origins (origin, request) {
          expect(this).type.toBeAssignableTo<FastifyInstance>()
          expect(origin).type.toBe<string>()
          expect(request).type.toBeAssignableTo<FastifyRequest>()
          return origin === 'https://example.com'
        }
      }
    }, async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() })
    app.get('/', { websocket: { origins: ['https://example.com'], valueType: 'integer' } }, async (ws) => { expect(await ws.receive()).type.toBe<number>() })
    app.get('/', { websocket: { raw: true, origins: '*' } }, (socket) => { expect(socket).type.toBe<RawWebSocket>() })
    for (const origins of ['same-origin', '*', ['https://example.com'] as const, /example/, async () => true] as const) {
      expect(app.register).type.toBeCallableWith(websocket, { origins })
    }
  })

  test('refusal, maxConnections, shutdown', () => {
    expect(app.register).type.toBeCallableWith(websocket, { refusal: 'auto', maxConnections: 100, shutdown: { code: 1012, reason: '', spread: 1, timeout: 1 } })
    app.register(websocket, { shutdown: { notify (ws) { expect(ws.send).type.toBeCallableWith('good-bye') } } })
    app.websocket('/', { websocket: { refusal: 'close', maxConnections: 1, valueType: 'bytes' } }, async (ws) => { expect(await ws.receive()).type.toBe<Buffer>() })
    expect(app.websocket).type.not.toBeCallableWith('/', { websocket: { shutdown: {} } }, async () => {})
    expect(app.register).type.not.toBeCallableWith(websocket, { refusal: 'ws' })
  })

  test('HTTP routes stay as they are', () => {
    app.get('/', async (request, reply) => { expect(reply.statusCode).type.toBe<number>(); return 'x' })
    app.get<{ Params: { id: string } }>('/:id', { schema: {} }, async (request) => request.params.id)
    app.route({ method: 'POST', url: '/', handler: async (request, reply) => { expect(reply.sent).type.toBe<boolean>() } })
  })
})

describe('types of messages', () => {
  test('receive(type) has the type', () => {
    app.websocket('/', async (ws) => {
      expect(await ws.receive('integer')).type.toBe<number>()
      expect(await ws.receive('number')).type.toBe<number>()
      expect(await ws.receive('boolean')).type.toBe<boolean>()
      expect(await ws.receive('bytes')).type.toBe<Buffer>()
      expect(await ws.receive('json')).type.toBe<any>()
      expect(await ws.receive({ type: 'bytes', timeout: 100 })).type.toBe<Buffer>()
      expect(await ws.receive({ timeout: 100, signal: ws.signal })).type.toBe<string>()
      expect(ws.receive).type.not.toBeCallableWith('yaml')
      expect(await ws.receiveText()).type.toBe<string>()
      expect(await ws.receiveBytes({ timeout: 1 })).type.toBe<Buffer>()
      expect(await ws.receiveJson({ mode: 'bytes' })).type.toBe<any>()
      expect(await ws.pair('a')).type.toBe<string>()
      expect(await ws.pair('a', { type: 'integer', receiveFirst: true })).type.toBe<number>()
      for await (const n of ws.messages('number')) expect(n).type.toBe<number>()
      for await (const n of ws.messages({ type: 'number', timeout: 1 })) expect(n).type.toBe<number>()
      for await (const text of ws.messages({ timeout: 1, signal: ws.signal })) expect(text).type.toBe<string>()
      expect(ws.messages).type.not.toBeCallableWith({ type: 'yaml' })
      expect(ws.subprotocols).type.toBe<string[]>()
      expect(await ws.ping()).type.toBe<number>()
      await ws.send('1', { type: 'text' })
      await ws.send({}, 'json')
      await ws.publish('topic', 1, 'integer')
      expect(ws.subscribe).type.toBeCallableWith('topic', { after: undefined, last: 5, positions: true })
      expect(ws.subscribe).type.not.toBeCallableWith('topic', { after: 5 })
      expect(await ws.subscribe('topic')).type.toBe<websocket.TopicStanding>()
      expect((await ws.publish('topic', 'text')).position).type.toBe<string | null>()
      expect(ws.send).type.not.toBeCallableWith(1, { type: 'text' })
      expect(ws.send).type.not.toBeCallableWith(1, 'text')
    })
  })

  test('generics, as on HTTP routes', () => {
    app.websocket<{ Params: { room: string }, Querystring: { name: string }, Receive: { text: string }, Send: { from: string } }>('/:room', async (ws, request) => {
      expect(ws.params.room).type.toBe<string>()
      expect(request.query.name).type.toBe<string>()
      expect(await ws.receive()).type.toBe<{ text: string }>()
      expect(ws.send).type.toBeCallableWith({ from: 'ada' })
      expect(ws.send).type.not.toBeCallableWith({ to: 'ada' })
    })
  })
})

describe('type providers', () => {
  test('TypeBox', () => {
    const typed = app.withTypeProvider<TypeBoxTypeProvider>()
    const schema = {
      params: Type.Object({ room: Type.String() }),
      querystring: Type.Object({ limit: Type.Integer() }),
      receive: Type.Object({ text: Type.String() }),
      send: Type.Object({ from: Type.String() })
    }
    typed.websocket('/:room', { schema }, async (ws, request) => {
      expect(request.params).type.toBe<{ room: string }>()
      expect(ws.query.limit).type.toBe<number>()
      expect(await ws.receive()).type.toBe<{ text: string }>()
      expect(await ws.receive('json')).type.toBe<{ text: string }>()
      expect(await ws.receiveJson()).type.toBe<{ text: string }>()
      expect(await ws.receive('text')).type.toBe<string>()
      expect(ws.send).type.toBeCallableWith({ from: 'ada' })
      expect(ws.send).type.not.toBeCallableWith({ from: 1 })
      expect(ws.publish).type.not.toBeCallableWith('topic', { from: 1 })
      for await (const message of ws) expect(message).type.toBe<{ text: string }>()
    })
    typed.get('/:room', { schema, websocket: true }, async (ws) => {
      expect(await ws.receive()).type.toBe<{ text: string }>()
    })
    typed.get('/:room', { schema, websocket: { onMessage (ws, data) { expect(data).type.toBe<{ text: string }>() } } })
    typed.route({ method: 'GET', url: '/', schema, websocket: true, handler: async (ws) => { expect(await ws.receive()).type.toBe<{ text: string }>() } })
    typed.get('/', { schema: { receive: Type.Integer() }, websocket: { valueType: 'json' } }, async (ws) => { expect(await ws.receive()).type.toBe<number>() })
  })

  test('Zod', () => {
    const typed = app.withTypeProvider<ZodTypeProvider>()
    const schema = {
      querystring: z.object({ limit: z.coerce.number() }),
      receive: z.discriminatedUnion('type', [z.object({ type: z.literal('a'), n: z.number() }), z.object({ type: z.literal('b') })]),
      send: z.object({ at: z.string() })
    }
    typed.websocket('/', { schema }, async (ws, request) => {
      expect(request.query.limit).type.toBe<number>()
      const message = await ws.receive()
      expect(message).type.toBe<{ type: 'a', n: number } | { type: 'b' }>()
      if (message.type === 'a') expect(message.n).type.toBe<number>()
      expect(ws.send).type.toBeCallableWith({ at: 'now' })
      expect(ws.send).type.not.toBeCallableWith({ at: 1 })
    })
    typed.get('/', { schema, websocket: { valueType: 'json', onMessage (ws, data) { expect(data.type).type.toBe<'a' | 'b'>() } } })
  })
})

describe('onInvalid', () => {
  test('of the plugin, in websocket, beside it, and among session handlers', () => {
    app.register(websocket, { onInvalid (ws, error, request) { expect(request.url).type.toBe<string>() } })
    app.websocket('/', { websocket: { onInvalid (ws) { expect(ws.id).type.toBe<string>() } } }, async () => {})
    app.websocket('/', { onInvalid (ws) { expect(ws.id).type.toBe<string>() } }, async () => {})
    app.websocket('/', { onMessage () {}, onInvalid (ws) { expect(ws.id).type.toBe<string>() } })
    expect(app.websocket).type.not.toBeCallableWith('/', { websocket: { onInvalid: 5 } }, async () => {})
  })
})

describe('what registration refuses', () => {
  test('a body', () => {
    expect(app.websocket).type.not.toBeCallableWith('/', { schema: { body: {} } }, async () => {})
  })

  test('unknown values', () => {
    expect(app.register).type.not.toBeCallableWith(websocket, { valueType: 'yaml' })
    expect(app.register).type.not.toBeCallableWith(websocket, { origins: 'https://example.com' })
    expect(app.websocket).type.not.toBeCallableWith('/', { websocket: { valueType: 'yaml' } }, async () => {})
  })
})

describe('clients and the set of sessions', () => {
  test('injectWebSocket and connect', async () => {
    const text = await app.injectWebSocket('/')
    expect(await text.receive()).type.toBe<string>()
    const json = await app.injectWebSocket('/', { valueType: 'json', cookies: { a: 'b' }, query: { n: 1 }, remoteAddress: '::1' })
    expect(await json.receive()).type.toBe<any>()
    const bytes = await websocket.connect('ws://127.0.0.1', { receiveType: 'bytes' })
    expect(await bytes.receive()).type.toBe<Buffer>()
    expect(bytes.headers).type.toBe<Record<string, string | string[] | undefined>>()
  })

  test('app.websockets', async () => {
    expect(app.websockets.size).type.toBe<number>()
    for (const ws of app.websockets) expect(ws.id).type.toBe<string>()
    expect(await app.websockets.publish('topic', { any: 'thing' })).type.toBe<websocket.Publication>()
    expect(app.websockets.history).type.toBeCallableWith('topic', { after: 'position' })
    expect(app.websockets.history).type.not.toBeCallableWith('topic', { positions: true })
    for (const { position } of (await app.websockets.history('topic', { last: 5 })).messages) expect(position).type.toBe<string>()
    expect(app.websockets.brokerState).type.toBe<'up' | 'down'>()
    app.websockets.on('resync', async (event) => { expect(event.topics).type.toBe<string[]>() })
    app.websockets.once('resync', ({ topics }) => { expect(topics).type.toBe<string[]>() }).on('another', (any) => any)
  })

  test('a broker', () => {
    expect(websocket).type.toBeCallableWith(app, { broker: {} as websocket.Broker })
    expect<websocket.Broker>().type.not.toBeAssignableFrom<{ publish (topic: string): Promise<void> }>()
    expect<Parameters<websocket.Broker['start']>[0]>().type.toBe<websocket.BrokerListener>()
  })

  test('errors and close codes', () => {
    const error: unknown = null
    if (error instanceof websocket.WebSocketDisconnect) expect(error.closeCode).type.toBe<number>()
    if (error instanceof websocket.WebSocketError) expect(error.code).type.toBe<string>()
    expect(websocket.closeCodes.GOING_AWAY).type.toBe<1001>()
  })
})
