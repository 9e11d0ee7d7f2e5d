'use strict'

// A guard is a hook. The same hook works for HTTP and WebSocket routes. It runs once, before the handshake.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const start = require('./start')

const users = new Map([['s3cret', 'ada'], ['pa55word', 'grace']])

async function authenticate (request, reply) {
  const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
  if (!users.has(token)) return reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'Who are you?' })
  request.user = users.get(token)
}

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  app.decorateRequest('user', null)

  app.get('/me', { preHandler: authenticate }, async (request) => ({ user: request.user }))

  app.websocket('/inbox', { preHandler: authenticate }, async (ws, request) => {
    await ws.accept()
    await ws.send(`Welcome ${request.user}`)
    for await (const message of ws) await ws.send(`${request.user}: ${message}`)
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/inbox')
