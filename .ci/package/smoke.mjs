// What a user does with the package, once through: for whichever version of Fastify is installed beside it.
import assert from 'node:assert'
import Fastify, { errorCodes } from 'fastify'
import websocket, { connect, defineWebSocket } from 'fastify-async-websocket'

const app = Fastify()
console.log(`Fastify ${app.version}`)

const order = []
app.addHook('onRequest', async (request) => { order.push(`before ${request.url}`) })
await app.register(websocket)
app.addHook('preHandler', async (request) => { order.push(`after ${request.ws}`) })

app.addSchema({ $id: 'user', type: 'object', required: ['name'], properties: { name: { type: 'string' }, age: { type: 'integer' } } })
async function echo (ws) {
  await ws.accept()
  for await (const message of ws) await ws.send(message)
}
app.websocket('/echo', { websocket: { subprotocols: ['b', 'a'] } }, echo)
app.get('/schemas', { websocket: true, schema: { querystring: { type: 'object', properties: { n: { type: 'integer' } } }, receive: { $ref: 'user#' }, send: { $ref: 'user#' } } }, async (ws) => {
  await ws.accept()
  for await (const user of ws) await ws.send({ ...user, age: ws.query.n, secret: true })
})
app.websocket('/deny', async (ws) => { await ws.deny(402, { pay: 'first' }) })
app.websocket('/guarded', { preValidation: (request, reply) => { reply.code(401).send('who?') } }, echo)
app.websocket('/throws', async () => { throw Object.assign(new Error('teapot'), { statusCode: 418 }) })
app.websocket('/refusal', { websocket: { refusal: 'close' } }, async (ws) => { await ws.deny(403) })
app.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: echo })
app.get('/http', async () => 'http')
app.get('/raw', { websocket: { raw: true } }, (socket) => { socket.on('message', (data) => socket.send(`raw ${data}`)) })
app.websocket('/handlers', { onMessage: (ws, data) => ws.send(`got ${data}`) })
app.websocket('/room', async (ws) => {
  await ws.accept()
  await ws.subscribe('room')
  await ws.send('in')
  await ws.closed
})
await app.register(async (child) => { child.route(defineWebSocket({ url: '/child', handler: echo })) }, { prefix: '/v1' })

const url = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('http', 'ws')
for (const open of [(path, options) => connect(url + path, options), (path, options) => app.injectWebSocket(path, options)]) {
  order.length = 0
  const client = await open('/echo', { subprotocols: ['a', 'b'] })
  assert.deepEqual(order, ['before /echo', 'after true'])
  assert.equal(client.protocol, 'b')
  assert.equal(await client.pair('hi'), 'hi')
  await client.close()
  assert.deepEqual(await client.closed, { code: 1000, reason: '', wasClean: true })

  const typed = await open('/schemas?n=7', { valueType: 'json' })
  assert.deepEqual(await typed.pair({ name: 'ada', age: '36' }), { name: 'ada', age: 7 })
  assert.equal((await typed.pair({})).code, 1008)
  assert.equal((await typed.closed).code, 1008)
  for (const [path, statusCode, body] of [
    ['/deny', 402, /^{"pay":"first"}$/], ['/guarded', 401, /^who\?$/], ['/throws', 418, /teapot/],
    ['/schemas?n=x', 400, /must be integer/], ['/http', 404, /Not Found/], ['/none', 404, /Not Found/]
  ]) await assert.rejects(open(path), { name: 'WebSocketUpgradeError', statusCode, body })
  assert.equal((await (await open('/refusal')).closed).code, 4403)
  assert.equal(await (await open('/both')).pair('ws'), 'ws')
  assert.equal(await (await open('/raw')).pair('x'), 'raw x')
  assert.equal(await (await open('/handlers')).pair('x'), 'got x')
  assert.equal(await (await open('/v1/child')).pair('x'), 'x')
  const member = await open('/room')
  await member.expect('in')
  await app.websockets.publish('room', 'news')
  await member.expect('news')
}
assert.equal((await app.inject('/both')).body, 'http')
assert.equal((await app.inject('/echo')).statusCode, 426)

const open = await connect(`${url}/echo`)
await app.close()
assert.equal((await open.closed).code, 1001)

const broken = Fastify()
await broken.register(websocket)
broken.websocket('/', { schema: { receive: { type: 'strin' } } }, echo)
await assert.rejects(async () => await broken.ready(), { code: new errorCodes.FST_ERR_SCH_VALIDATION_BUILD().code })
console.log('smoke test: ok')
