'use strict'

// The exports of @fastify/websocket, with this plugin: every WebSocket route gets the plain socket.

const fastifyPlugin = require('fastify-plugin')
const websocket = require('../../dist/lib')

async function fastifyWebsocket (app, { options, errorHandler, preClose }) {
  app.addHook('onRoute', (route) => {
    if (route.websocket === true || (route.websocket === undefined && route.wsHandler !== undefined)) route.websocket = { raw: true }
  })
  await app.register(websocket, { ...options, errorHandler, ...(preClose !== undefined && { preClose }) })
}

module.exports = fastifyPlugin(fastifyWebsocket, { fastify: '5.x' })
module.exports.default = module.exports
module.exports.fastifyWebsocket = module.exports
