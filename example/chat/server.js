'use strict'

// A chat in the browser: rooms from the path, names from the query, JSON messages that a schema describes.

const { randomUUID } = require('node:crypto')
const { join } = require('node:path')
const Fastify = require('fastify')
const fastifyStatic = require('@fastify/static')
const websocket = require('fastify-async-websocket')
const start = require('../start')

/** How many messages a room keeps, and how many rooms are kept. */
const MAX_HISTORY = 50
const MAX_ROOMS = 200

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
      object({ type: { const: 'welcome' }, people, history: { type: 'array', items: message } }),
      object({ type: { enum: ['joined', 'left'] }, name, people }),
      object({ type: { const: 'typing' }, name, typing })
    ]
  }
}

async function build (options) {
  const app = Fastify({ ...options, ajv: { customOptions: { discriminator: true } } })
  await app.register(websocket)
  await app.register(fastifyStatic, { root: join(__dirname, 'public') })

  app.get('/room/:room', { schema: { params: schema.params } }, (request, reply) => reply.sendFile('index.html'))

  const histories = new Map()

  /** Adds to the history of a room, and forgets the room that has been silent for longest when there are too many. */
  function remember (room, message) {
    const history = histories.get(room) ?? []
    histories.delete(room)
    histories.set(room, [...history, message].slice(-MAX_HISTORY))
    if (histories.size > MAX_ROOMS) histories.delete(histories.keys().next().value)
  }

  app.websocket('/chat/:room', { schema }, async (ws) => {
    const { room } = ws.params
    const { name } = ws.query
    const topic = `room:${room}`
    const history = () => histories.get(room) ?? []
    // Who listens to the room is in it. One name with two pages open is one person.
    const people = () => [...new Set([...app.websockets.subscribers(topic)].map((session) => session.query.name))]

    await ws.accept() // what is wrong with the room or the name has been refused with 400 before
    const isNew = !people().includes(name)
    await ws.subscribe(topic)
    try {
      await ws.send({ type: 'welcome', people: people(), history: history() })
      if (isNew) await ws.publish(topic, { type: 'joined', name, people: people() })

      for await (const { type, typing, text, id = randomUUID() } of ws) {
        if (type === 'typing') {
          await ws.publish(topic, { type, name, typing }) // to everybody else
        } else if (!history().some((message) => message.id === id)) { // a page that was cut off sends again what it is not sure of
          const message = { type, id, name, text, at: Date.now() }
          remember(room, message)
          await app.websockets.publish(topic, message) // to everybody: its page learns so that the message has arrived
        }
      }
    } finally {
      await ws.unsubscribe(topic)
      if (!people().includes(name)) await ws.publish(topic, { type: 'left', name, people: people() })
    }
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'http://HOST/')
