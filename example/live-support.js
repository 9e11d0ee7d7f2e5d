'use strict'

// A live support room with session handlers: one for the connection, one for each message, one for the end.

const { readFile } = require('node:fs/promises')
const { join } = require('node:path')
const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function car (app) {
  app.get('/ws-index', async (request, reply) => {
    return reply.type('text/html').send(await readFile(join(__dirname, 'live-support.html')))
  })

  app.websocket('/live-support', {
    schema: {
      querystring: { type: 'object', properties: { name: { type: 'string', default: 'John' } } },
      receive: { type: 'string', minLength: 1, maxLength: 1000 }
    },
    websocket: {
      valueType: 'text',

      async onConnect (ws) {
        await ws.accept()
        await ws.send(`Welcome ${ws.query.name} to our live support room!\nHow can we help you?`)
      },

      // Gets one message at a time: the next message waits until this call has settled.
      async onMessage (ws, complaint) {
        await ws.send(`We have received your complaint:\n\n"${complaint}"\n\nWe shall get back to you.`)
      },

      // Runs exactly once for every accepted connection, however the connection ended.
      async onDisconnect (ws, { code }) {
        ws.log.info(`${ws.query.name} has left (${code})`)
      }
    }
  })
}

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  await app.register(car, { prefix: '/car' })
  return app
}

module.exports = { build }
if (require.main === module) start(build, 'http://HOST/car/ws-index', 'ws://HOST/car/live-support')
