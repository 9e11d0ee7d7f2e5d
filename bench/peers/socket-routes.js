'use strict'

// Routes for sockets of `ws`, as one writes them by hand. The peers `ws` and @fastify/websocket share them.

const { promisify } = require('node:util')
const { validate } = require('./validate')
const { CHUNK } = require('../stream')

const subscribers = new Set()

module.exports = {
  '/echo' (socket) {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  },

  '/echo-bytes' (socket) {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  },

  '/json' (socket) {
    socket.on('message', (data) => {
      const message = JSON.parse(data)
      if (!validate(message)) return socket.close(1008)
      socket.send(JSON.stringify(message))
    })
  },

  '/subscribe' (socket) {
    subscribers.add(socket)
    socket.on('close', () => subscribers.delete(socket))
  },

  '/publish' (socket) {
    socket.on('message', (data, isBinary) => {
      for (const subscriber of subscribers) subscriber.send(data, { binary: isBinary })
    })
  },

  '/upload' (socket) {
    let received = 0
    socket.on('message', (chunk) => {
      received += chunk.length
      if (chunk.length === CHUNK.length) return
      socket.send(String(received))
      received = 0
    })
  },

  '/download' (socket) {
    const send = promisify(socket.send.bind(socket))
    socket.on('message', async (count) => {
      for (let i = 0; i < Number(count); i++) await send(CHUNK)
    })
  },

  '/idle' (socket) {
    socket.on('message', () => socket.close())
  }
}
