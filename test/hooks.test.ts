import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Deferred } from '../lib/base/deferred'
import { createApp, listen } from './helpers/app'
import { codeIn, readTable, root } from './helpers/docs'
import { connectPeer } from './helpers/peer'
import { refusal } from './helpers/refusal'
import { sendHandshake } from './helpers/request-client'
import { assertNoConnections } from './helpers/tcp'
import { http1Only, http2Server } from './helpers/transport'
import { until } from './helpers/until'
import type { FastifyInstance } from 'fastify'

/* Checks the tables of hooks and plugins in docs/hooks.md. */

interface Run {
  app: FastifyInstance
  port: number
  /** Names of the hooks that have run, in order. */
  order: string[]
}

const table = readTable('docs/hooks.md', '## Which hooks run', 'hook')
const hooks = table.map(({ hook }) => codeIn(hook))

/** Creates an app with one hook of each kind. */
async function createHookedApp (t: Test, addRoute: (app: FastifyInstance) => void): Promise<Run> {
  const app = await createApp(t)
  const order: string[] = []
  for (const name of hooks) app.addHook(name as 'onRequest', async (_request) => { order.push(name) })
  addRoute(app)
  return { app, port: await listen(app), order }
}

/** The hooks that run, according to this column of the table. */
function documented (column: string): string[] {
  return table.filter((row) => row[column] !== '–').map(({ hook }) => codeIn(hook))
}

t.test('the table of hooks is right about an accepted handshake', async (t) => {
  const { port, order } = await createHookedApp(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.closed
    })
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  const beforeTheEnd = documented('accepted').filter((name) => name !== 'onResponse')
  t.same(order, beforeTheEnd)
  peer.socket.close()
  await until(() => order.length > beforeTheEnd.length)
  t.same(order, documented('accepted'))
})

t.test('the table of hooks is right about a refused handshake', async (t) => {
  const { port, order } = await createHookedApp(t, (app) => {
    app.websocket('/deny', (ws) => ws.deny(403, { why: 'no' }))
    app.websocket('/close', (ws) => ws.close())
  })
  const column = documented('refused with `deny` or `close`')
  for (const path of ['/deny', '/close']) {
    await refusal(port, path)
    await until(() => order.includes('onResponse'))
    t.same(order.splice(0), column.filter((name) => path === '/deny' || name !== 'preSerialization'), path)
  }
})

t.test('the table of hooks is right about a handshake that an error ends', async (t) => {
  const { port, order } = await createHookedApp(t, (app) => { app.websocket('/', () => { throw new Error('thrown') }) })
  await refusal(port, '/')
  await until(() => order.includes('onResponse'))
  t.same(order.sort(), documented('ended by an error').sort())
})

t.test('the table of hooks is right about a client that leaves during its handshake', async (t) => {
  const started = new Deferred<void>()
  const { app, port, order } = await createHookedApp(t, (app) => {
    app.websocket('/', async (ws) => {
      started.resolve()
      await ws.closed
      await ws.accept()
    })
  })
  const client = await sendHandshake(t, port, '/')
  await started.promise
  client.leave()
  await assertNoConnections(t, app)
  await app.close()
  const onClose = http2Server === undefined ? [] : ['onResponse'] // as for a plain request over HTTP/2
  t.same(order, [...documented('the client leaves first'), ...onClose])
})

t.test('the table of hooks is right about a route with raw: true', async (t) => {
  const { app, port, order } = await createHookedApp(t, (app) => {
    app.get('/', { websocket: { raw: true } }, (socket) => { socket.close() })
  })
  await (await connectPeer(t, `ws://127.0.0.1:${port}`)).closed
  await app.close()
  t.same(order, documented('`raw: true`'))
})

t.test('onTimeout hooks run when connectionTimeout passes before the answer, and the handshake goes on', async (t) => {
  http1Only('a request that hears the timeout of its connection')
  const app = await createApp(t, {}, { connectionTimeout: 500 })
  const timedOut = new Deferred<void>()
  app.addHook('onTimeout', async () => { timedOut.resolve() })
  app.websocket('/', async (ws) => {
    await timedOut.promise
    await ws.accept()
    await ws.send('accepted')
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  t.equal(await peer.next(), 'accepted')
})

t.test('the table of plugins has each tested plugin with its version', async (t) => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const installed = Object.fromEntries(Object.entries<string>(devDependencies)
    .filter(([name]) => name.startsWith('@fastify/') && !['@fastify/static', '@fastify/type-provider-typebox'].includes(name))
    .map(([name, range]) => [name, range.replace('^', '')]))
  const documented = Object.fromEntries(readTable('docs/hooks.md', '## Plugins', 'plugin').map(({ plugin, version }) => [plugin, version]))
  t.same(documented, installed)
})
