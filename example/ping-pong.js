'use strict'

// JSON in both directions: `valueType` sets the type once for the route.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/ping-pong', { websocket: { valueType: 'json' } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send({ type: message.type === 'ping' ? 'pong' : 'ping' })
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/ping-pong')
