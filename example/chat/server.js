'use strict'

// A chat in the browser: rooms from the path, names from the query, JSON messages that a schema describes. In one process,
// or in several that share a server: that of REDIS_URL or of NATS_URL.

const { randomUUID } = require('node:crypto')
const { join } = require('node:path')
const Fastify = require('fastify')
const fastifyStatic = require('@fastify/static')
const websocket = require('fastify-async-websocket')
const start = require('../start')
const connectEngine = require('./engine')
const Processes = require('./processes')
const Rooms = require('./rooms')

function object (properties, required = Object.keys(properties)) {
  return { type: 'object', properties, required, additionalProperties: false }
}

const room = { type: 'string', pattern: '^[\\w-]{1,32}$' }
const name = { type: 'string', pattern: '^\\S+( \\S+)*$', maxLength: 32 }
const id = { type: 'string', pattern: '^[\\w-]{1,64}$' }
const text = { type: 'string', pattern: '\\S', maxLength: 2000 }
const typing = { type: 'boolean' }
const people = { type: 'array', items: name }
const message = object({ type: { const: 'message' }, id, name, text, at: { type: 'integer' } })

const schema = {
  params: object({ room }),
  querystring: object({ name }),
  // What the page sends. A message that does not fit ends the connection with 1008.
  receive: {
    type: 'object',
    required: ['type'],
    discriminator: { propertyName: 'type' },
    oneOf: [
      object({ type: { const: 'message' }, id, text }, ['type', 'text']),
      object({ type: { const: 'typing' }, typing })
    ]
  },
  // What it gets.
  send: {
    oneOf: [
      message,
      // At first, and whenever something may have been missed.
      object({ type: { enum: ['welcome', 'resync'] }, people, history: { type: 'array', items: message } }),
      object({ type: { enum: ['joined', 'left'] }, name, people }),
      object({ type: { const: 'typing' }, name, typing })
    ]
  }
}

async function build (options, env = process.env) {
  const app = Fastify({ ...options, ajv: { customOptions: { discriminator: true } } })
  const createBroker = await connectEngine(app, env)
  await app.register(websocket, { broker: createBroker?.('chat.') })
  await app.register(fastifyStatic, { root: join(__dirname, 'public') })

  app.get('/room/:room', { schema: { params: schema.params } }, (request, reply) => reply.sendFile('index.html'))

  const rooms = new Rooms(app.websockets, createBroker && new Processes(app, createBroker('chat-processes.')))

  app.websocket('/chat/:room', { schema }, async (ws) => {
    const { room } = ws.params
    const { name } = ws.query
    const topic = `room:${room}`

    await ws.accept() // what is wrong with the room or the name has been refused with 400 before
    await ws.subscribe(topic)
    await rooms.caughtUp()
    rooms.enter(room, ws)
    try {
      await ws.send({ type: 'welcome', people: rooms.people(room), history: rooms.history(room) })

      // Publishing is not awaited: while the broker is down it rejects, and the others learn from `rooms` later what was said.
      for await (const { type, typing, text, id = randomUUID() } of ws) {
        if (type === 'typing') {
          ws.publish(topic, { type, name, typing }) // to everybody else
        } else {
          const message = rooms.say(room, { type, id, name, text })
          // To everybody: its page learns so that it has arrived. One that was cut off sends again what it is not sure of.
          if (message !== null) app.websockets.publish(topic, message)
        }
      }
    } finally {
      rooms.leave(room, ws)
    }
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'http://HOST/')
