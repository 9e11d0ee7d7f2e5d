// Types of Fastify and of this package in variables, which are spread into routes.
import Fastify, { type FastifySchema, type RouteOptions, type RouteShorthandOptions } from 'fastify'
import websocket, {
  defineWebSocket, type RawWebSocketHandler, type WebSocketHandler, type WebSocketPluginOptions, type WebSocketRouteDefinition,
  type WebSocketRouteOptions, type WebSocketSchema, type WebSocketSessionHandlers, type WebSocketSettings
} from 'fastify-async-websocket'

const pluginOptions: WebSocketPluginOptions = { maxPayload: 1024 }
const app = Fastify()
await app.register(websocket, pluginOptions)

const options: RouteShorthandOptions = { preHandler: async () => {}, schema: { querystring: { type: 'object' } } }
app.websocket('/', options, async (ws) => { const text: string = await ws.receive(); await ws.send(text) })
app.websocket('/', { ...options, websocket: { valueType: 'bytes' } }, async (ws) => { const bytes: Buffer = await ws.receive(); await ws.send(bytes) })
app.websocket('/', { ...options, websocket: { onMessage: async (ws, data) => { await ws.send(data.length) } } })
app.get('/', { ...options, websocket: true }, async (ws) => { const text: string = await ws.receive(); await ws.send(text) })
app.get('/', { ...options, websocket: { valueType: 'integer' } }, async (ws) => { const n: number = await ws.receive(); await ws.send(n) })
app.get('/', { ...options, websocket: { raw: true } }, (socket) => { socket.send('text') })
app.get('/', { ...options, websocket: { onMessage: async (ws, data) => { await ws.send(data.length) } } })
app.get('/', { ...options, wsHandler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } }, async (request, reply) => reply.code(200).send(request.ip))
app.route({ ...options, method: 'GET', url: '/', websocket: true, handler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } })
app.route({ ...options, method: 'GET', url: '/', handler: async () => 'http', wsHandler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } })
app.route(defineWebSocket({ ...options, url: '/', handler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } }))
app.get('/', { ...options, schema: { receive: {} }, websocket: true }, async (ws) => { const { text } = await ws.receive(); await ws.send(text) })

const schema: FastifySchema = { params: { type: 'object' } }
app.websocket('/', { schema }, async (ws) => { const text: string = await ws.receive(); await ws.send(text) })
app.websocket('/', { schema: { ...schema, receive: {} } }, async (ws) => { const { text } = await ws.receive(); await ws.send(text) })
app.get('/', { schema, websocket: true }, async (ws) => { const text: string = await ws.receive(); await ws.send(text) })
app.get('/', { schema, websocket: { onMessage: async (ws, data) => { await ws.send(data.length) } } })
app.route({ method: 'GET', url: '/', schema, handler: async () => 'http', wsHandler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } })
app.route(defineWebSocket({ url: '/', schema, handler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } }))
const messages: FastifySchema = { receive: { type: 'string' }, send: { type: 'string' } }
app.websocket('/', { schema: messages }, async (ws) => { await ws.accept() })

const route: RouteOptions = { method: 'GET', url: '/', handler: async () => 'http' }
app.route({ ...route, wsHandler: async (ws) => { const text: string = await ws.receive(); await ws.send(text) } })
app.route({ ...route, websocket: { valueType: 'bytes' }, handler: async (ws) => { const bytes: Buffer = await ws.receive(); await ws.send(bytes) } })
app.route({ ...route, websocket: { raw: true }, handler: (socket) => { socket.send('text') } })

interface Message { text: string }
type Chat = { Params: { room: string }, Receive: Message, Send: Message }
const handler: WebSocketHandler = async (ws, request) => { const text: string = await ws.receive(); await ws.send(text + request.ip) }
const chat: WebSocketHandler<Chat> = async (ws) => { for await (const { text } of ws) await ws.send({ text: ws.params.room + text }) }
const handlers: WebSocketSessionHandlers = { onMessage: async (ws, data) => { await ws.send(data.length) }, onDisconnect: (ws, { code }) => { console.log(ws.id, code) } }
const raw: RawWebSocketHandler = (socket, request) => { socket.send(request.ip) }
app.websocket('/', handler)
app.websocket('/', options, handler)
app.get('/', { websocket: true }, handler)
app.get('/', { wsHandler: handler }, async () => 'http')
app.websocket<Chat>('/:room', chat)
app.websocket('/', handlers)
app.get('/', { websocket: { ...handlers, autoAccept: true } })
app.get('/', { websocket: { raw: true } }, raw)

const settings: WebSocketSettings = { valueType: 'json', heartbeat: false }
const own: WebSocketRouteOptions = { websocket: settings, preHandler: async () => {} }
const ownSchema: WebSocketSchema = { receive: {}, send: {} }
app.get('/', { websocket: settings }, handler)
app.websocket('/', own, handler)
app.websocket('/', { ...own, schema: ownSchema }, async (ws) => { await ws.accept() })
const definition: WebSocketRouteDefinition = defineWebSocket({ url: '/', handler })
app.route(definition)
await app.websockets.publish<Message>('room', { text: 'hello' })
