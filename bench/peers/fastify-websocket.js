'use strict'

// @fastify/websocket, used as its README shows.

const fs = require('node:fs')
const Fastify = require('fastify')
const websocket = require('@fastify/websocket')
const { certFile, keyFile } = require('../tls')
const routes = require('./socket-routes')

async function listen ({ tls, deflate, maxPayload }) {
  const app = Fastify(tls ? { https: { cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) } } : {})
  await app.register(websocket, { options: { maxPayload, perMessageDeflate: deflate } })

  for (const [url, handler] of Object.entries(routes)) {
    app.get(url, { websocket: true }, (socket) => handler(socket))
  }

  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server.address().port
}

module.exports = { listen }
