'use strict'

// Before the handshake is complete, a refusal is an ordinary HTTP response: the app sets status, headers and body.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/full', async (ws) => {
    await ws.deny(503, { error: 'The room is full' }, { 'retry-after': '30' })
  })

  // An error thrown before `accept` goes to Fastify's error handler, as on an HTTP route.
  app.websocket('/rooms/:room', async (ws) => {
    throw Object.assign(new Error(`There is no room ${ws.params.room}`), { statusCode: 404 })
  })

  // A hook answers, so the handler does not run.
  app.websocket('/hours', {
    onRequest: async (request, reply) => reply.code(403).send({ error: 'Closed on Sundays' })
  }, async (ws) => {
    await ws.accept()
  })

  // A query that does not validate gets 400, and the handler does not run.
  app.websocket('/named', {
    schema: { querystring: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1 } } } }
  }, async (ws) => {
    await ws.accept()
    await ws.send(`Hello ${ws.query.name}`)
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/full', 'ws://HOST/rooms/7', 'ws://HOST/hours', 'ws://HOST/named')
