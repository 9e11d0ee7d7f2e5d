'use strict'

// A conversation with an order, read from top to bottom: `expect` insists on a message, `pair` asks and takes the answer.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/protocol', async (ws) => {
    await ws.accept()

    // Anything else, or nothing within five seconds, closes the connection with 1008.
    await ws.expect('MYPROTOCOL V1.1', { timeout: 5_000 })
    await ws.send('ACK')

    const name = await ws.pair('NAME?')
    const age = await ws.pair('AGE?', { type: 'integer' }) // not a whole number: 1003
    await ws.send(`${name} will be ${age + 1}`)

    const last = await ws.pair('BYE', { receiveFirst: true })
    ws.log.info(`${name} said ${last}`)
  }) // the end of the handler is the end of the connection: 1000

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/protocol')
