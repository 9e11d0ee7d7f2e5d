'use strict'

// One process of the cluster: node cluster/app.js <engine> <url of the server>

const Fastify = require('fastify')
const websocket = require('../..')
const { work } = require('../worker')
const { ENGINES } = require('./engines')

const [engine, url] = process.argv.slice(2)
let subscribers = 0

async function listen () {
  const app = Fastify()
  await app.register(websocket, { heartbeat: { interval: 3_600_000 }, broker: await ENGINES[engine].createBroker(url) }) // the load does not expect pings

  app.websocket('/subscribe', async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    subscribers++
    await ws.closed
    subscribers--
  })

  app.websocket('/publish', async (ws) => {
    await ws.accept()
    for await (const message of ws) app.websockets.publish('news', message)
  })

  app.websocket('/publish-awaiting', async (ws) => {
    await ws.accept()
    for await (const message of ws) await app.websockets.publish('news', message)
  })

  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server.address().port
}

work({ listen, subscribers: () => subscribers })
