'use strict'

const fs = require('node:fs')
const Fastify = require('fastify')
const websocket = require(process.env.BENCH_PLUGIN ?? '../..')
const { certFile, keyFile } = require('../tls')

// The load counts bytes and knows no pings. A connection costs what it does with them, but none comes while it is measured.
const heartbeat = { interval: 3_600_000 }

/** An app with this plugin, for the routes of both its forms. */
async function create ({ tls, deflate, maxPayload }) {
  const app = Fastify(tls ? { https: { cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) } } : {})
  await app.register(websocket, { maxPayload, heartbeat, perMessageDeflate: deflate })
  return app
}

async function start (app) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server.address().port
}

module.exports = { create, start }
