'use strict'

// The answer to the handshake can have a subprotocol that both sides know, and headers.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  // The plugin selects the first of the `subprotocols`, in the server's order, that the client offers.
  app.websocket('/negotiated', { websocket: { subprotocols: ['chat.v2', 'chat.v1'] } }, async (ws) => {
    await ws.accept({ headers: { 'x-session': ws.id, 'set-cookie': ['seen=yes; Path=/', 'theme=dark; Path=/'] } })
    await ws.send(`We speak ${ws.protocol || 'no subprotocol'}.`)
  })

  // Here the handler chooses, and refuses a client that offers no subprotocol of this kind.
  app.websocket('/chosen', async (ws) => {
    const offered = (ws.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const subprotocol = offered.find((name) => name.startsWith('telemetry.'))
    if (subprotocol === undefined) return ws.deny(400, { error: 'Offer a subprotocol telemetry.*' })

    await ws.accept({ subprotocol })
    await ws.send(`We speak ${ws.protocol}.`)
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/negotiated', 'ws://HOST/chosen')
