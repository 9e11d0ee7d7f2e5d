'use strict'

/** A person, which other schemas refer to. */
const person = {
  $id: 'Person',
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string', minLength: 1, maxLength: 32 }, isStaff: { type: 'boolean', default: false } }
}

const said = {
  type: 'object',
  required: ['from', 'text'],
  properties: { from: { $ref: 'Person#' }, text: { type: 'string' }, answers: { type: 'array', items: { $ref: '#' }, description: 'What was said to this' } },
  examples: [{ from: { name: 'Grace', isStaff: true }, text: 'How can I help?' }]
}

/** The milliseconds between two reports of the queue. */
const INTERVAL = 5_000

module.exports = function addRoutes (app) {
  app.addSchema(person)

  app.websocket('/rooms/:room', {
    config: {
      summary: 'A room',
      description: 'What a person says goes to all people in the room.',
      tags: ['rooms'],
      'x-close-codes': { 4000: 'The room is closed.' }
    },
    websocket: { subprotocols: ['support.v2', 'support.v1'] },
    schema: {
      params: { type: 'object', properties: { room: { type: 'string', enum: ['lobby', 'billing'], default: 'lobby' } } },
      querystring: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, default: 'Ada' } } },
      receive: {
        type: 'object',
        required: ['text'],
        properties: { text: { type: 'string', minLength: 1, maxLength: 500 } },
        additionalProperties: false,
        examples: [{ text: 'It rattles' }]
      },
      send: said
    }
  }, {
    async onConnect (ws) {
      await ws.accept()
      await ws.subscribe(ws.params.room)
    },
    async onMessage (ws, { text }) {
      const message = { from: { name: ws.query.name }, text }
      await ws.send(message)
      await ws.publish(ws.params.room, message)
    }
  })

  app.websocket('/queue', {
    config: { summary: 'The length of the queue', tags: ['staff'], security: [{ token: [] }] },
    schema: {
      querystring: { type: 'object', properties: { token: { type: 'string' } } },
      response: { 401: { description: 'The token is missing or wrong.', type: 'object', properties: { message: { type: 'string' } } } }
    },
    websocket: { sendType: 'integer' },
    preHandler: async ({ query }, reply) => { if (query.token !== 's3cret') return reply.code(401).send({ message: 'Who are you?' }) }
  }, async function (ws) {
    await ws.accept()
    while (ws.state === 'open') {
      await ws.send(this.websockets.subscribers('lobby').size)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, INTERVAL)
        ws.signal.addEventListener('abort', () => { clearTimeout(timer); resolve() }, { once: true })
      })
    }
  })
}
