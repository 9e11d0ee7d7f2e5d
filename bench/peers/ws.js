'use strict'

// `ws` by hand, used as its README shows.

const fs = require('node:fs')
const http = require('node:http')
const https = require('node:https')
const { once } = require('node:events')
const { WebSocketServer } = require('ws')
const { certFile, keyFile } = require('../tls')
const routes = require('./socket-routes')

async function listen ({ tls, deflate, maxPayload }) {
  const server = tls
    ? https.createServer({ cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) })
    : http.createServer()
  const wss = new WebSocketServer({ server, maxPayload, perMessageDeflate: deflate })

  wss.on('connection', (socket, request) => {
    socket.on('error', console.error)
    routes[request.url](socket)
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

module.exports = { listen }
