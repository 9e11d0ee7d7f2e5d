'use strict'

// When a client leaves, the work for it should stop: `ws.signal` aborts when the connection is gone.

const { setTimeout } = require('node:timers/promises')
const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  let running = 0

  // Stands for any work that takes a signal: fetch, a child process, a database query.
  async function work (ms, signal) {
    running++
    try {
      await setTimeout(ms, undefined, { signal })
      return `Worked for ${ms} ms`
    } finally {
      running--
    }
  }

  // To try it, send a number of milliseconds, and leave before they have passed. Then look at /running.
  app.websocket('/work', { websocket: { receiveType: 'integer' } }, async (ws) => {
    await ws.accept()
    for await (const ms of ws) await ws.send(await work(ms, ws.signal))
  })

  app.get('/running', async () => ({ running }))

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/work', 'http://HOST/running')
