'use strict'

// The smallest route: it accepts, then sends each message back until the client leaves.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/echo')
