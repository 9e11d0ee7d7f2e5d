'use strict'

// This plugin with session handlers.

const { create, start } = require('./app')
const { schema } = require('../json')

async function listen (settings) {
  const app = await create(settings)

  app.websocket('/echo', {
    onMessage (ws, data) { return ws.send(data) }
  })

  app.websocket('/json', {
    schema: { receive: schema, send: schema },
    websocket: {
      onMessage (ws, data) { return ws.send(data) }
    }
  })

  return start(app)
}

module.exports = { listen }
