'use strict'

// A conversation with a fixed order. `expect` requires a certain message. `pair` sends a question and returns the answer.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/protocol', async (ws) => {
    await ws.accept()

    // Another message, or no message within five seconds, closes the connection with 1008.
    await ws.expect('MYPROTOCOL V1.1', { timeout: 5_000 })
    await ws.send('ACK')

    const name = await ws.pair('NAME?')
    const age = await ws.pair('AGE?', { type: 'integer' }) // an answer that is no whole number closes with 1003
    await ws.send(`${name} will be ${age + 1}`)

    const last = await ws.pair('BYE', { receiveFirst: true })
    ws.log.info(`${name} said ${last}`)
  }) // when the handler returns, the connection closes with 1000

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/protocol')
