import Fastify = require('fastify')
import websocket = require('fastify-async-websocket')
import asyncapi = require('fastify-async-websocket/asyncapi')
import nats = require('fastify-async-websocket/nats')
import redis = require('fastify-async-websocket/redis')

const app = Fastify.fastify()
declare const connection: nats.NatsConnection
app.register(websocket, { maxPayload: 1024, broker: nats.natsBroker(connection) })
app.after(() => {
  app.websocket('/', async (ws) => {
    const session: websocket.WebSocketSession = await ws.accept()
    const text: string = await session.receive()
    await ws.send(text)
  })
})
const error: unknown = new websocket.WebSocketDisconnect(1000, '', true)
if (error instanceof websocket.WebSocketDisconnect) { const disconnect: websocket.WebSocketDisconnect = error; console.log(disconnect.closeCode) }
const code: 1000 = websocket.closeCodes.NORMAL_CLOSURE
console.log(code)
declare const redisClient: redis.RedisClient
redis.redisBroker(redisClient, { prefix: 'chat:' }).close()
app.register(asyncapi, { info: { title: 'Chat', version: '1.0.0' }, routePrefix: '/asyncapi' })
app.ready(() => {
  const document: asyncapi.AsyncApiDocument = app.asyncapi()
  const yaml: string = app.asyncapi({ yaml: true })
  console.log(document.channels, yaml)
})
