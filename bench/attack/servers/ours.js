'use strict'

// This plugin, with its defaults.

const Fastify = require('fastify')
const websocket = require('../../..')
const never = require('./never')

async function listen ({ maxPayload }) {
  const app = Fastify()
  await app.register(websocket, { maxPayload })

  app.websocket('/deaf', async (ws) => {
    await ws.accept()
    await ws.closed
  })

  for (const slowSubscriber of ['close', 'skip']) {
    app.websocket(`/subscribe/${slowSubscriber}`, { websocket: { slowSubscriber } }, async (ws) => {
      await ws.accept()
      await ws.subscribe('news')
      await ws.closed
    })
  }

  app.websocket('/undecided', async () => { await never })

  await app.listen({ port: 0, host: '127.0.0.1' })
  return { server: app.server, publish: (message) => app.websockets.publish('news', message) }
}

module.exports = { listen }
