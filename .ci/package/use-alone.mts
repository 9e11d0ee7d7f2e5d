// In a program without the types of @fastify/websocket, which have a `wsHandler` of their own.
import Fastify, { type RouteOptions } from 'fastify'
import websocket, { defineWebSocket, type WebSocketHandler } from 'fastify-async-websocket'

const app = Fastify()
await app.register(websocket)
const wsHandler: WebSocketHandler = async (ws) => { await ws.accept() }
const routes: RouteOptions[] = [
  { method: 'GET', url: '/', handler: async () => 'http', wsHandler },
  defineWebSocket({ url: '/', handler: wsHandler })
]
for (const route of routes) app.route(route).route({ ...route, logLevel: 'warn' })
