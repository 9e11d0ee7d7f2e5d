'use strict'

// This plugin with a handler that iterates, as its README shows.

const { create, start } = require('./app')
const { schema } = require('../json')
const { CHUNK } = require('../stream')

/** The step from one topic to the next. It is a prime, so that every topic has its turn. */
const STRIDE = 7919

async function listen (settings) {
  const app = await create(settings)

  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })

  app.websocket('/echo-bytes', { websocket: { receiveType: 'bytes' } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })

  app.websocket('/json', { schema: { receive: schema, send: schema } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })

  app.websocket('/subscribe', async (ws) => {
    await ws.accept()
    await ws.subscribe('news')
    await ws.closed
  })

  app.websocket('/publish', async (ws) => {
    await ws.accept()
    for await (const message of ws) await app.websockets.publish('news', message)
  })

  // Subscribes to `count` topics, from topic number `from` on.
  app.websocket('/subscribe-to-some', async (ws) => {
    await ws.accept()
    const { from, count } = await ws.receiveJson()
    for (let i = from; i < from + count; i++) await ws.subscribe(`news ${i}`)
    await ws.send('ready')
    await ws.closed
  })

  app.websocket('/publish-to-each', async (ws) => {
    await ws.accept()
    let i = 0
    for await (const message of ws) await app.websockets.publish(`news ${i = (i + STRIDE) % settings.topics}`, message)
  })

  app.websocket('/upload', { websocket: { receiveType: 'bytes' } }, async (ws) => {
    await ws.accept()
    let received = 0
    for await (const chunk of ws) {
      received += chunk.length
      if (chunk.length === CHUNK.length) continue
      await ws.send(String(received))
      received = 0
    }
  })

  app.websocket('/download', { websocket: { receiveType: 'integer' } }, async (ws) => {
    await ws.accept()
    for await (const count of ws) {
      for (let i = 0; i < count; i++) await ws.send(CHUNK)
    }
  })

  app.websocket('/idle', async (ws) => {
    await ws.accept()
    await ws.receive()
  })

  return start(app)
}

module.exports = { listen }
