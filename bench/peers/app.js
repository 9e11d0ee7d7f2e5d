'use strict'

const fs = require('node:fs')
const Fastify = require('fastify')
const websocket = require(process.env.BENCH_PLUGIN ?? '../..')
const { certFile, keyFile } = require('../tls')

// The load counts bytes and does not expect pings. The heartbeat is on, so that a connection costs as much as with pings, but
// no ping comes during a measurement.
const heartbeat = { interval: 3_600_000 }

/** Creates an app with this plugin, for both forms of routes. */
async function create ({ tls, deflate, maxPayload, history }) {
  const app = Fastify(tls ? { https: { cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) } } : {})
  await app.register(websocket, { maxPayload, heartbeat, perMessageDeflate: deflate, history })
  return app
}

async function start (app) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server.address().port
}

module.exports = { create, start }
