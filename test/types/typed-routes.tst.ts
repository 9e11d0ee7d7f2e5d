import Fastify from 'fastify'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { describe, expect, test } from 'tstyche'
import websocket, { defineWebSocket } from '../../lib/index'
import type { Connect, Reconnect } from '../../types/browser'
import type { TypedRoute } from '../../types/typed-route'

const app = Fastify()
app.register(websocket)

declare const connect: Connect
declare const reconnect: Reconnect

type TypesOf<Route extends TypedRoute> = NonNullable<Route['~types']>

/** A route of each kind of schemas. Clients send `{ text: string }`. They receive `{ from: string, at: number }`. */
const plain = defineWebSocket<{ Params: { room: string }, Querystring: { limit?: number }, Receive: { text: string }, Send: { from: string, at: number } }>({
  url: '/:room',
  schema: { receive: { type: 'object' }, send: { type: 'object' } },
  handler: async (ws, request) => {
    expect(request.params.room).type.toBe<string>()
    expect(await ws.receive()).type.toBe<{ text: string }>()
  }
})
const box = defineWebSocket.withTypeProvider<TypeBoxTypeProvider>()({
  url: '/:room',
  schema: {
    params: Type.Object({ room: Type.String() }),
    querystring: Type.Object({ limit: Type.Optional(Type.Number()) }),
    receive: Type.Object({ text: Type.String() }),
    send: Type.Object({ from: Type.String(), at: Type.Number() })
  },
  handler: async (ws, request) => {
    expect(request.params.room).type.toBe<string>()
    expect(await ws.receive()).type.toBe<{ text: string }>()
    expect(ws.send).type.toBeCallableWith({ from: 'ada', at: 1 })
    expect(ws.send).type.not.toBeCallableWith({ from: 'ada' })
  }
})
const zod = defineWebSocket.withTypeProvider<ZodTypeProvider>()({
  url: '/:room',
  schema: {
    params: z.object({ room: z.string() }),
    querystring: z.object({ limit: z.number().optional() }),
    receive: z.object({ text: z.string() }),
    send: z.object({ from: z.string(), at: z.number() })
  },
  websocket: {
    async onMessage (ws, data) {
      expect(data).type.toBe<{ text: string }>()
      expect(ws.params.room).type.toBe<string>()
      expect(ws.send).type.not.toBeCallableWith({ from: 'ada' })
    }
  }
})

describe('a route of defineWebSocket carries the types', () => {
  test('of parameters and query', () => {
    expect<TypesOf<typeof plain>['params']>().type.toBe<{ room: string }>()
    expect<TypesOf<typeof box>['params']>().type.toBe<{ room: string }>()
    expect<TypesOf<typeof zod>['params']>().type.toBe<{ room: string }>()
    expect<TypesOf<typeof plain>['query']>().type.toBe<{ limit?: number }>()
    expect<TypesOf<typeof box>['query']>().type.toBe<{ limit?: number }>()
    expect<TypesOf<typeof zod>['query']>().type.toBe<{ limit?: number | undefined }>()
  })

  test('and app.route takes it, whatever the type provider of the app', () => {
    app.route(plain).route(box).route(zod)
    app.withTypeProvider<TypeBoxTypeProvider>().route(plain).route(box).route(zod)
    app.withTypeProvider<ZodTypeProvider>().route(plain).route(box).route(zod)
  })

  test('of messages that are not JSON', async () => {
    const counter = defineWebSocket({ url: '/', websocket: { receiveType: 'integer', sendType: 'bytes' }, handler: async (ws) => { await ws.accept() } })
    app.route(counter)
    const ws = await connect<typeof counter>('/', { receiveType: 'bytes' })
    expect(await ws.receive()).type.toBe<Uint8Array<ArrayBuffer>>()
    expect(ws.send).type.toBeCallableWith(1)
    expect(ws.send).type.not.toBeCallableWith('one')

    const upload = defineWebSocket({ url: '/', websocket: { valueType: 'bytes' }, handler: async (ws) => { await ws.accept() } })
    app.route(upload)
    expect((await connect<typeof upload>('/')).send).type.toBeCallableWith(new Uint8Array(1))
    expect((await connect<typeof upload>('/')).send).type.toBeCallableWith(new ArrayBuffer(1))
    expect((await connect<typeof upload>('/')).send).type.not.toBeCallableWith('text')
  })

  test('of a route that says nothing of its messages', async () => {
    const silent = defineWebSocket({ url: '/', handler: async (ws) => { await ws.accept() } })
    app.route(silent)
    const ws = await connect<typeof silent>('/')
    expect(await ws.receive()).type.toBe<any>()
    expect(ws.send).type.toBeCallableWith('text')
    expect(ws.send).type.not.toBeCallableWith({ text: 'text' })
    const schemas = defineWebSocket({ url: '/', schema: { receive: { type: 'object' }, send: {} }, handler: async (ws) => { await ws.accept() } })
    app.route(schemas)
    expect(await (await connect<typeof schemas>('/')).receive()).type.toBe<any>()
    expect((await connect<typeof schemas>('/')).send).type.toBeCallableWith({ any: 'thing' })
  })
})

describe('a client of a typed route', () => {
  test('connect of the browser', async () => {
    for (const ws of [
      await connect<typeof plain>('/lobby', { valueType: 'json', subprotocols: ['chat.v2'] }),
      await connect<typeof box>('/lobby', { valueType: 'json', signal: AbortSignal.timeout(1) }),
      await connect<typeof zod>(new URL('wss://example.com/lobby'), { valueType: 'json' })
    ]) {
      expect(ws.send).type.toBeCallableWith({ text: 'hi' })
      expect(ws.send).type.not.toBeCallableWith({ txt: 'hi' })
      expect(ws.send).type.not.toBeCallableWith('hi')
      expect(ws.pair).type.not.toBeCallableWith({ text: 1 })
      expect(await ws.receive()).type.toBe<{ from: string, at: number }>()
      expect(await ws.pair({ text: 'hi' })).type.toBe<{ from: string, at: number }>()
      expect(await ws.receive('text')).type.toBe<string>()
      expect(await ws.receiveBytes()).type.toBe<Uint8Array<ArrayBuffer>>()
      for await (const said of ws) expect(said).type.toBe<{ from: string, at: number }>()
      for await (const said of ws.messages({ timeout: 1 })) expect(said).type.toBe<{ from: string, at: number }>()
    }
    expect(connect<typeof box>).type.not.toBeCallableWith('/', { valueType: 'yaml' })
    expect(connect<typeof box>).type.not.toBeCallableWith('/', { headers: {} })
  })

  test('reconnect', async () => {
    const url = async (): Promise<string> => '/lobby'
    for await (const ws of reconnect<typeof plain>('/lobby', { valueType: 'json' })) expect(await ws.receive()).type.toBe<{ from: string, at: number }>()
    for await (const ws of reconnect<typeof zod>(url, { valueType: 'json' })) expect(ws.send).type.not.toBeCallableWith({ txt: 'hi' })
    const connections = reconnect<typeof box>(url, {
      valueType: 'json',
      subprotocols: async () => ['chat.v2'],
      retry: ({ code, reason, wasClean }) => code === 1006 && reason === '' && !wasClean,
      onStatus (status, details) {
        expect(status).type.toBe<'connecting' | 'open' | 'waiting' | 'ended'>()
        expect(details?.delay).type.toBe<number | undefined>()
        expect(details?.why).type.toBe<unknown>()
      }
    })
    for await (const ws of connections) {
      expect(ws.send).type.toBeCallableWith({ text: 'hi' })
      expect(ws.send).type.not.toBeCallableWith({ text: 1 })
      for await (const said of ws) expect(said).type.toBe<{ from: string, at: number }>()
    }
    expect(reconnect<typeof box>).type.not.toBeCallableWith(url, { retry: 3 })
    reconnect<typeof box>(({ positions }) => {
      expect(positions).type.toBe<Record<string, string>>()
      return `/lobby?${new URLSearchParams(positions)}`
    }, { valueType: 'json', resume: true })
    reconnect(async ({ positions: { lobby = '' } }) => new URL(lobby), { resume: true })
    expect(reconnect).type.not.toBeCallableWith(({ topics }: { topics: string[] }) => topics[0], { resume: true })
    expect(reconnect).type.not.toBeCallableWith('/lobby', { resume: 'yes' })
  })

  test('connect of Node, and injectWebSocket', async () => {
    for (const ws of [
      await websocket.connect<typeof plain>('ws://127.0.0.1', { valueType: 'json', headers: { a: 'b' } }),
      await websocket.connect<typeof zod>('ws://127.0.0.1', { valueType: 'json' }),
      await app.injectWebSocket<typeof box>('/lobby', { valueType: 'json', query: { limit: 1 } })
    ]) {
      expect(ws.send).type.toBeCallableWith({ text: 'hi' })
      expect(ws.send).type.not.toBeCallableWith({ txt: 'hi' })
      expect(await ws.receive()).type.toBe<{ from: string, at: number }>()
      expect(await ws.receiveBytes()).type.toBe<Buffer>()
    }
    expect(app.injectWebSocket<typeof box>).type.not.toBeCallableWith('/', { connectTimeout: 1 })
  })

  test('a schema may take less than the handler gets: its defaults may be left out', async () => {
    const orders = defineWebSocket.withTypeProvider<ZodTypeProvider>()({
      url: '/',
      schema: { receive: z.object({ item: z.string(), count: z.number().default(1) }) },
      websocket: { onMessage (_ws, data) { expect(data).type.toBe<{ item: string, count: number }>() } }
    })
    app.route(orders)
    const { send } = await connect<typeof orders>('/', { valueType: 'json' })
    expect(send).type.toBeCallableWith({ item: 'tea' })
    expect(send).type.not.toBeCallableWith({ count: 1 })
  })

  test('what JSON makes of a message: a date is a string', async () => {
    interface Told { at: Date, by: { since?: Date, names: Date[] }, id: string & { brand: 'id' } }
    const dated = defineWebSocket<{ Send: Told | null }>({ url: '/', handler: async (ws) => { await ws.accept() } })
    app.route(dated)
    const told = await (await connect<typeof dated>('/', { valueType: 'json' })).receive()
    expect(told).type.toBe<{ at: string, by: { since?: string, names: string[] }, id: string & { brand: 'id' } } | null>()
  })

  test('the types may come without a route', async () => {
    const ws = await connect<TypedRoute<{ text: string }, { from: string }>>('/', { valueType: 'json' })
    expect(ws.send).type.not.toBeCallableWith({ txt: 'hi' })
    expect(await ws.receive()).type.toBe<{ from: string }>()
  })
})

describe('a client without a route', () => {
  test('its types follow from the options', async () => {
    expect(await (await connect('/')).receive()).type.toBe<string>()
    expect(await (await connect('/', { valueType: 'json' })).receive()).type.toBe<any>()
    expect(await (await connect('/', { receiveType: 'bytes' })).receive()).type.toBe<Uint8Array<ArrayBuffer>>()
    expect((await connect('/', { sendType: 'boolean' })).send).type.not.toBeCallableWith('yes')
    for await (const ws of reconnect('/', { valueType: 'integer' })) for await (const n of ws) expect(n).type.toBe<number>()
    for await (const ws of reconnect(() => new URL('wss://example.com'))) for await (const text of ws) expect(text).type.toBe<string>()
  })
})
