'use strict'

// A server that a test kills and starts again: PORT=<port> node server.js

const Fastify = require('fastify')
const start = require('../../example/start')
const websocket = require('../..')
const { addPages, talk } = require('./app')

/** How a connection of /end/:how ends. */
const ENDS = {
  async closed (ws) {
    await ws.accept()
    await ws.send('goodbye')
    await ws.close(1012, 'restart')
  },
  async gone (ws) {
    await ws.accept()
    await ws.send('goodbye')
    ws.terminate()
  },
  refused: (ws) => ws.deny(503)
}

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  addPages(app)
  app.get('/connections', async () => app.websockets.size)
  app.websocket('/talk', talk)
  app.websocket('/end/:how', (ws, request) => ENDS[request.params.how](ws))
  // Stays silent, so that a thousand clients cost nothing.
  app.websocket('/stay', async (ws) => {
    await ws.accept()
    await ws.closed
  })
  return app
}

start(build, 'http://HOST')
