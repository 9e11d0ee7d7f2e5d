'use strict'

// `ws` by hand, with authentication as its README shows.

const http = require('node:http')
const { once } = require('node:events')
const { WebSocketServer } = require('ws')
const never = require('./never')
const { routes, publish } = require('./sockets')

async function listen ({ maxPayload }) {
  const server = http.createServer()
  const wss = new WebSocketServer({ noServer: true, maxPayload })

  wss.on('connection', (socket, request) => {
    socket.on('error', console.error)
    routes[request.url](socket)
  })

  server.on('upgrade', async (request, stream, head) => {
    if (request.url === '/undecided') await never
    wss.handleUpgrade(request, stream, head, (socket) => wss.emit('connection', socket, request))
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, publish }
}

module.exports = { listen }
