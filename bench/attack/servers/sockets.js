'use strict'

// What is written by hand for a socket of `ws`, for `ws` and for @fastify/websocket.

const { on, once } = require('node:events')

const subscribers = new Set()

const routes = {
  /** Its messages wait to be taken, and are not. */
  async '/deaf' (socket) {
    on(socket, 'message')
    await once(socket, 'close')
  },

  '/subscribe/close' (socket) {
    subscribers.add(socket)
    socket.on('close', () => subscribers.delete(socket))
  }
}

function publish (message) {
  for (const subscriber of subscribers) subscriber.send(message)
}

module.exports = { routes, publish }
