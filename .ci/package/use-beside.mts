// In a program that has the types of @fastify/websocket and of ws as well.
import Fastify from 'fastify'
import '@fastify/websocket'
import type { WebSocket } from 'ws'
import websocket from 'fastify-async-websocket'

const app = Fastify()
await app.register(websocket)
app.websocket('/', async (ws) => { const text: string = await ws.receive(); await ws.send(text) })
app.get('/raw', { websocket: { raw: true } }, (socket: WebSocket) => { socket.on('message', (data) => socket.send(String(data))) })
const socket = await app.injectWS('/')
socket.terminate()
