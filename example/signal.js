'use strict'

// Work for a client that has left is work for nobody: `ws.signal` is aborted when the connection is gone.

const { setTimeout } = require('node:timers/promises')
const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  let running = 0

  // Stands for whatever takes a signal: fetch, a child process, a query to a database.
  async function work (ms, signal) {
    running++
    try {
      await setTimeout(ms, undefined, { signal })
      return `Worked for ${ms} ms`
    } finally {
      running--
    }
  }

  // Send a number of milliseconds, then leave before they have passed.
  app.websocket('/work', { websocket: { receiveType: 'integer' } }, async (ws) => {
    await ws.accept()
    for await (const ms of ws) await ws.send(await work(ms, ws.signal))
  })

  app.get('/running', async () => ({ running }))

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/work', 'http://HOST/running')
