// The client for browsers, in a Node that has the WebSocket of browsers. The first argument is the page: a module, or its bundle.
import assert from 'node:assert'
import Fastify from 'fastify'
import websocket, { connect } from 'fastify-async-websocket'
import * as client from 'fastify-async-websocket/client'

assert.notEqual(client.connect, connect)
assert.equal(client.closeCodes.POLICY_VIOLATION, 1008)

const app = Fastify()
await app.register(websocket)
app.websocket('/chat/:room', { websocket: { valueType: 'json' } }, async (ws) => {
  await ws.accept()
  for await (const { text } of ws) await ws.send({ from: ws.params.room, text })
})
app.websocket('/closes', async (ws) => {
  await ws.accept()
  await ws.close(4001, 'so long')
})
const url = await app.listen({ port: 0, host: '127.0.0.1' })

const { visit } = await import(process.argv[2])
assert.deepEqual(await visit(url), ['lobby', 'attic', 'cellar', 'so long'])
await app.close()
console.log(`the client for browsers, ${process.argv[2]}, on Node ${process.version}: ok`)
