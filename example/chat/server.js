'use strict'

// A chat in the browser. The chat runs in one process, or in several processes that share the server of REDIS_URL or NATS_URL.

const { dirname, join } = require('node:path')
const Fastify = require('fastify')
const fastifyStatic = require('@fastify/static')
const websocket = require('fastify-async-websocket')
const start = require('../start')
const chatRoute = require('./chat-route')
const connectEngine = require('./engine')
const { historyOf } = require('./history')
const { params } = require('./messages')
const Processes = require('./processes')
const Rooms = require('./rooms')

/** The folder of the client for browsers. */
const CLIENT = dirname(require.resolve('fastify-async-websocket/client'))

async function build (options, env = process.env) {
  const app = Fastify({ ...options, ajv: { customOptions: { discriminator: true } } })
  const createBroker = await connectEngine(app, env)
  await app.register(websocket, { broker: createBroker?.('chat.'), history: historyOf })
  await app.register(fastifyStatic, { root: join(__dirname, 'public') })

  app.get('/room/:room', { schema: { params } }, (request, reply) => reply.sendFile('index.html'))
  app.get('/client.js', (request, reply) => reply.sendFile('client.mjs', CLIENT))

  const rooms = new Rooms(app.websockets, createBroker && new Processes(app, createBroker('chat-processes.')))

  app.route(chatRoute(rooms))

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'http://HOST/')
