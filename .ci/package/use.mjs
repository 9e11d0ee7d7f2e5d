import assert from 'node:assert'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import websocket, * as all from 'fastify-async-websocket'
import asyncapi, { asyncapi as named } from 'fastify-async-websocket/asyncapi'
import { closeCodes, connect, defineWebSocket, WebSocketDisconnect, WebSocketError } from 'fastify-async-websocket'
import { natsBroker } from 'fastify-async-websocket/nats'
import { redisBroker } from 'fastify-async-websocket/redis'

const common = createRequire(import.meta.url)('fastify-async-websocket')
assert.equal(websocket, common)
assert.equal(asyncapi, named)
assert.equal(asyncapi, createRequire(import.meta.url)('fastify-async-websocket/asyncapi'))
// The same names in both, but for the one that fastify-plugin adds.
assert.deepEqual(Object.keys(all).sort(), Object.keys(common).filter((name) => name !== 'fastifyAsyncWebsocket').sort())
for (const name of Object.keys(all)) assert.equal(all[name], common[name])
assert.ok(new WebSocketDisconnect(1000, '', true) instanceof WebSocketError)

await assert.rejects(natsBroker({}).start({}), all.WebSocketOptionError)

const app = Fastify()
await app.register(websocket)
await app.register(asyncapi, { info: { title: 'Echo', version: '1.0.0' } })
app.websocket('/echo', async (ws) => {
  await ws.accept()
  for await (const message of ws) await ws.send(message)
})
app.route(defineWebSocket({ url: '/hello', handler: async (ws) => { await ws.accept(); await ws.send('hello') } }))

await app.ready()
assert.deepEqual(Object.values(app.asyncapi().channels).map(({ address }) => address), ['/echo', '/hello'])

const address = await app.listen({ port: 0, host: '127.0.0.1' })
const client = await connect(`${address}/echo`)
assert.equal(await client.pair('hi'), 'hi')
await client.close()
assert.equal((await client.closed).code, closeCodes.NORMAL_CLOSURE)

const injected = await app.injectWebSocket('/hello')
assert.equal(await injected.receive(), 'hello')
await app.close()

await assert.rejects(redisBroker({}).start({}), { name: 'WebSocketOptionError' })
console.log('ES modules: ok')
