'use strict'

// What an app needs for a page that uses the client for browsers: the page itself, the built module, and a route that talks.

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const dist = join(__dirname, '..', '..', 'dist', 'lib')

/** In ms: the time between two messages of the server. */
const TICK = 200

/** Serves the page, another page, and the module of the package. */
function addPages (app) {
  const html = readFileSync(join(__dirname, 'page.html'))
  app.get('/', async (_request, reply) => reply.type('text/html').send(html))
  app.get('/away', async (_request, reply) => reply.type('text/html').send('<!doctype html><title>away</title>'))
  app.get('/client.mjs', async (_request, reply) => reply.type('text/javascript').send(readFileSync(join(dist, 'client.mjs'))))
}

/** A handler: echoes each message, and sends a message five times a second. */
async function talk (ws) {
  await ws.accept()
  const timer = setInterval(() => ws.send('tick'), TICK)
  try {
    for await (const message of ws) await ws.send(message)
  } finally {
    clearInterval(timer)
  }
}

module.exports = { addPages, talk }
