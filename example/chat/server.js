'use strict'

// A chat in the browser. The path has the room, the query has the name, and a schema describes the JSON messages. The chat
// runs in one process, or in several processes that share the server of REDIS_URL or NATS_URL.

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
  // Messages from the page. A message that does not validate closes the connection with 1008.
  receive: {
    type: 'object',
    required: ['type'],
    discriminator: { propertyName: 'type' },
    oneOf: [
      object({ type: { const: 'message' }, id, text }, ['type', 'text']),
      object({ type: { const: 'typing' }, typing })
    ]
  },
  // Messages to the page.
  send: {
    oneOf: [
      message,
      // Sent at first, and again whenever the page may have missed messages.
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

    await ws.accept() // the schema has refused wrong rooms and names with 400 before
    await ws.subscribe(topic)
    await rooms.caughtUp()
    rooms.enter(room, ws)
    try {
      await ws.send({ type: 'welcome', people: rooms.people(room), history: rooms.history(room) })

      // The loop does not await `publish`, which rejects while the broker is down. The other processes get the messages from
      // `rooms` later.
      for await (const { type, typing, text, id = randomUUID() } of ws) {
        if (type === 'typing') {
          ws.publish(topic, { type, name, typing }) // to all other sessions in the room
        } else {
          const message = rooms.say(room, { type, id, name, text })
          // To all sessions, also the sender's: so its page learns that the message has arrived. A page that was cut off
          // sends its unconfirmed messages again.
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
