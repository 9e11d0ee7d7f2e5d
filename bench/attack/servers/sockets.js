'use strict'

// Routes for sockets of `ws`, as one writes them by hand. The servers `ws` and @fastify/websocket share them.

const { on, once } = require('node:events')

const subscribers = new Set()

const routes = {
  /** Queues messages with `events.on`, and takes none. */
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
