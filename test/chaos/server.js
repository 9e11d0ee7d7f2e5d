'use strict'

// One of the servers of the chaos test: PORT=<port> NAME=<name> node server.js, with REDIS_URL or NATS_URL as for the chat.

const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const Fastify = require('fastify')
const connectEngine = require('../../example/chat/engine')
const start = require('../../example/start')
const websocket = require('../..')

const { NAME } = process.env

/** The process publishes to each topic, one message per so many milliseconds. */
const TOPICS = { orders: 20, news: 50 }

/** The log keeps everything that a run publishes. */
const HISTORY = { size: 20_000, ttl: 600_000, maxBytes: 16 * 1024 * 1024 }

async function build (options) {
  const app = Fastify(options)
  const createBroker = await connectEngine(app, process.env)
  await app.register(websocket, { broker: createBroker?.('chaos.'), history: HISTORY })

  const html = readFileSync(join(__dirname, 'page.html'))
  const client = readFileSync(join(__dirname, '..', '..', 'dist', 'lib', 'client.mjs'))
  app.get('/', async (_request, reply) => reply.type('text/html').send(html))
  app.get('/client.mjs', async (_request, reply) => reply.type('text/javascript').send(client))

  app.websocket('/feed', { websocket: { valueType: 'json' } }, async (ws) => {
    await ws.accept()
    await ws.send({ process: NAME })
    for (const topic of Object.keys(TOPICS)) {
      const { position, recovered } = await ws.subscribe(topic, { after: ws.query[topic], positions: true })
      await ws.send(recovered ? { topic, recovered } : { topic, recovered, position })
    }
    await ws.closed
  })

  // For the test: what the log has, the end of the traffic, and the last message.
  app.get('/log/:topic', ({ params, query }) => app.websockets.history(params.topic, query))
  app.get('/newest/:topic', ({ params }) => app.websockets.history(params.topic, { last: 1 }))
  app.post('/publish/:topic', ({ params, body }) => app.websockets.publish(params.topic, body))
  const ends = Object.entries(TOPICS).map(([topic, interval]) => publishEach(app, topic, interval))
  const hush = async () => { await Promise.all(ends.map((end) => end())) }
  app.post('/hush', (_request, reply) => hush().then(() => reply.send({})))
  app.addHook('onClose', hush)

  return app
}

/**
 * Publishes numbered messages. `from` is another one for each life of the process. Returns the function that ends this, and resolves when
 * the log has the last message.
 */
function publishEach (app, topic, interval) {
  const from = `${NAME} ${process.pid}`
  let n = 0
  let last
  const timer = setInterval(() => { last = app.websockets.publish(topic, { from, n: n++, text: 'x'.repeat(n % 100) }) }, interval)
  return async () => {
    clearInterval(timer)
    await last?.catch(() => {}) // the broker may be gone
  }
}

start(build, 'http://HOST')
