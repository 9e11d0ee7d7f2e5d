'use strict'

// A route and its tests, which open no port. `node example/testing.js` runs the tests.

const assert = require('node:assert/strict')
const test = require('node:test')
const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)

  app.websocket('/sum', { websocket: { valueType: 'number' } }, async (ws) => {
    if (ws.query.precision !== undefined) return ws.deny(400, { error: 'Precision is all we have' })
    await ws.accept()
    let sum = 0
    for await (const number of ws) await ws.send(sum += number)
  })

  return app
}

module.exports = { build }

if (require.main === module) {
  test('adds up the numbers from the client', async (t) => {
    const app = await build()
    t.after(() => app.close())
    const client = await app.injectWebSocket('/sum', { valueType: 'number' })

    assert.equal(await client.pair(1), 1)
    assert.equal(await client.pair(2), 3)
    assert.equal(await client.pair(0.5), 3.5)

    await client.close()
  })

  test('closes with 1003 when a message is not a number', async (t) => {
    const app = await build()
    t.after(() => app.close())
    const client = await app.injectWebSocket('/sum')

    await client.send('a lot')

    assert.equal((await client.closed).code, 1003)
  })

  test('refuses a precision', async (t) => {
    const app = await build()
    t.after(() => app.close())

    await assert.rejects(app.injectWebSocket('/sum?precision=2'), ({ statusCode, body }) => {
      assert.equal(statusCode, 400)
      assert.deepEqual(JSON.parse(body), { error: 'Precision is all we have' })
      return true
    })
  })
}
