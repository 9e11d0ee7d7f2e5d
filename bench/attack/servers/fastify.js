'use strict'

// @fastify/websocket, with authentication in a hook.

const Fastify = require('fastify')
const websocket = require('@fastify/websocket')
const never = require('./never')
const { routes, publish } = require('./sockets')

async function listen ({ maxPayload }) {
  const app = Fastify()
  await app.register(websocket, { options: { maxPayload } })

  for (const [url, handler] of Object.entries(routes)) {
    app.get(url, { websocket: true }, handler)
  }
  app.get('/undecided', { websocket: true, preValidation: () => never }, () => {})

  await app.listen({ port: 0, host: '127.0.0.1' })
  return { server: app.server, publish }
}

module.exports = { listen }
