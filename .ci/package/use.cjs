'use strict'

const assert = require('node:assert')
const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const asyncapi = require('fastify-async-websocket/asyncapi')
const { closeCodes, connect, defineWebSocket, WebSocketDisconnect, WebSocketError, WebSocketOptionError } = require('fastify-async-websocket')
const { natsBroker } = require('fastify-async-websocket/nats')
const { redisBroker } = require('fastify-async-websocket/redis')

async function main () {
  assert.equal(typeof websocket, 'function')
  assert.equal(websocket.default, websocket)
  assert.ok(new WebSocketDisconnect(1000, '', true) instanceof WebSocketError)

  await assert.rejects(natsBroker({}).start({}), WebSocketOptionError)

  const app = Fastify()
  await app.register(websocket)
  await app.register(asyncapi, { info: { title: 'Echo', version: '1.0.0' }, routePrefix: '/asyncapi' })
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  app.route(defineWebSocket({ url: '/hello', handler: async (ws) => { await ws.accept(); await ws.send('hello') } }))

  await app.ready()
  assert.equal(app.asyncapi().channels.echo.address, '/echo')
  assert.equal(app.asyncapi({ yaml: true }), `${JSON.stringify(app.asyncapi(), null, 2)}\n`) // the package yaml is not installed
  for (const path of ['', '/json', '/yaml', '/static/page.js', '/static/client.mjs']) assert.equal((await app.inject(`/asyncapi${path}`)).statusCode, 200)

  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await connect(`${address}/echo`)
  assert.equal(await client.pair('hi'), 'hi')
  await client.close()
  assert.equal((await client.closed).code, closeCodes.NORMAL_CLOSURE)

  const injected = await app.injectWebSocket('/hello')
  assert.equal(await injected.receive(), 'hello')
  await app.close()

  await assert.rejects(redisBroker({}).start({}), { name: 'WebSocketOptionError' })
  console.log('CommonJS: ok')
}

main()
