'use strict'

// An app that describes its WebSocket routes: the page at /asyncapi shows them, and talks to them.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const asyncapi = require('fastify-async-websocket/asyncapi')
const start = require('../start')
const addRoutes = require('./routes')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  await app.register(asyncapi, {
    info: { title: 'Support desk', version: '1.0.0', description: 'Rooms in which customers and staff talk, and the length of the queue.' },
    components: { securitySchemes: { token: { type: 'httpApiKey', in: 'query', name: 'token', description: 'The token is "s3cret".' } } },
    routePrefix: '/asyncapi'
  })
  addRoutes(app)
  return app
}

module.exports = { build }
if (require.main === module) start(build, 'http://HOST/asyncapi')
