import Fastify from 'fastify'
import websocket, { closeCodes, connect, defineWebSocket, WebSocketDisconnect, type WebSocketSession } from 'fastify-async-websocket'
import asyncapi, { type AsyncApiDocument, type AsyncApiOptions } from 'fastify-async-websocket/asyncapi'
import { natsBroker, type NatsConnection } from 'fastify-async-websocket/nats'
import { redisBroker, type RedisClient } from 'fastify-async-websocket/redis'

const app = Fastify()
declare const connection: NatsConnection
await app.register(websocket, { valueType: 'json', broker: natsBroker(connection, { prefix: 'chat.' }) })
app.websocket('/', async (ws, request) => {
  const session: WebSocketSession = await ws.accept()
  const text: string = await ws.receive()
  const count: number = await ws.receive('integer')
  await session.send(text + count + request.ip)
})
app.get('/:id', { websocket: { valueType: 'bytes' } }, async (ws) => {
  const bytes: Buffer = await ws.receive()
  await ws.send(bytes)
})
app.route(defineWebSocket({ url: '/x', handler: async (ws) => { await ws.accept() } }))
app.get('/http', async (request, reply) => reply.code(200).send(request.ip))
const client = await connect('ws://127.0.0.1', { valueType: 'integer' })
const n: number = await client.receive()
try {
  await client.close(closeCodes.NORMAL_CLOSURE, String(n))
} catch (error) {
  if (error instanceof WebSocketDisconnect) { const disconnect: WebSocketDisconnect = error; console.log(disconnect.closeCode) }
}
declare const redisClient: RedisClient
await redisBroker(redisClient, { prefix: 'chat:' }).close()
const described: AsyncApiOptions = { info: { title: 'Chat', version: '1.0.0' }, routePrefix: '/asyncapi', hooks: { onRequest: async (request, reply) => { if (request.ip === '') await reply.code(401).send() } } }
await app.register(asyncapi, described)
app.websocket('/described', { config: { summary: 'A chat', tags: ['chat'], security: [{ token: [] }], 'x-close-codes': { 4001: 'expired' } } }, async (ws) => { await ws.accept() })
app.get('/described/too', { websocket: true, schema: { summary: 'A chat', hide: false, operationId: 'chat', tags: ['chat'], 'x-close-codes': { 4001: 'expired' }, receive: { type: 'object' } } }, async (ws) => { await ws.accept() })
const document: AsyncApiDocument = app.asyncapi()
const yaml: string = app.asyncapi({ yaml: true })
console.log(document.channels.chat?.address, yaml)
