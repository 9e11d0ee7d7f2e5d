import t from 'tap'
import { messageReceived, messageSent } from '../../lib/observe/channels'
import { startMetrics } from '../../lib/observe/metrics'
import { createApp, listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { refused } from '../helpers/transports'
import { api, Telemetry } from '../helpers/telemetry'
import { ACCEPTED } from '../helpers/transport'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'

async function echo (t: Parameters<typeof createApp>[0], options = {}): Promise<FastifyInstance> {
  const app = await createApp(t, options)
  app.websocket('/echo/:id', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  return app
}

/** A path of the route, which no label must have. */
const path = '/echo/secret?token=1'
const route = { 'http.route': '/echo/:id' }

t.test('the metrics have the names, units and attributes of their conventions, and add up', async (t) => {
  const telemetry = new Telemetry(t)
  t.teardown(startMetrics(api))
  const app = await echo(t)
  app.websocket('/denied', (ws) => ws.deny(401))
  const port = await listen(app)
  const clients = await Promise.all(Array.from({ length: 3 }, () => app.injectWebSocket(path)))
  for (const client of clients) {
    await client.pair('12345')
    await client.pair('é')
  }
  await clients[0].close()
  const killed = await connectPeer(t, `ws://127.0.0.1:${port}${path}`)
  await killed.terminate()
  await refused(app.injectWebSocket('/denied'))
  await refused(app.injectWebSocket('/unknown'))
  await until(() => app.websockets.size === 2)

  const metrics = await telemetry.collect()
  const { 'websocket.server.connection.duration': { unit, points: durations }, ...others } = metrics
  const receive = { ...route, 'network.io.direction': 'receive' }
  const transmit = { ...route, 'network.io.direction': 'transmit' }
  t.same(others, {
    'websocket.server.active_connections': { unit: '{connection}', points: [[route, 2], [{ 'http.route': '/denied' }, 0]] },
    'websocket.server.messages': { unit: '{message}', points: [[receive, 6], [transmit, 6], [{ ...receive, 'http.route': '/denied' }, 0], [{ ...transmit, 'http.route': '/denied' }, 0]] },
    'websocket.server.message.size': { unit: 'By', points: [[receive, 6, 21], [transmit, 6, 21]] },
    'websocket.server.handshakes': {
      unit: '{handshake}',
      points: [[{ ...route, 'http.response.status_code': ACCEPTED }, 4], [{ 'http.route': '/denied', 'http.response.status_code': 401 }, 1], [{ 'http.response.status_code': 404 }, 1]]
    }
  })
  t.equal(unit, 's')
  t.same(durations.map(([attributes, count]) => [attributes, count]), [[{ ...route, 'websocket.close_code': '1000' }, 1], [{ ...route, 'websocket.close_code': '1006' }, 1]])
  t.ok(durations.every(([, , sum]) => sum! > 0 && sum! < 10), 'in seconds')
  t.notOk(JSON.stringify(metrics).includes('secret'))
})

t.test('a close code is a label if it is registered, or if the app has sent it', async (t) => {
  const telemetry = new Telemetry(t)
  t.teardown(startMetrics(api))
  const app = await echo(t)
  app.websocket('/own', async (ws) => {
    await ws.accept()
    await ws.close(4001, 'own')
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  const close = async (code: number): Promise<void> => {
    const peer = await connectPeer(t, url + path)
    await peer.close(code)
    await peer.closed
  }
  for (let code = 4_100; code < 4_150; code++) await close(code)
  await close(4_001)
  await (await app.injectWebSocket('/own')).closed
  await close(4_001)
  await close(1_001)
  await until(() => app.websockets.size === 0)
  const { points } = (await telemetry.collect())['websocket.server.connection.duration']
  t.same(points.map(([attributes, count]) => [attributes, count]), [
    [{ ...route, 'websocket.close_code': 'other' }, 51],
    [{ 'http.route': '/own', 'websocket.close_code': '4001' }, 1],
    [{ ...route, 'websocket.close_code': '4001' }, 1],
    [{ ...route, 'websocket.close_code': '1001' }, 1]
  ])
})

t.test('of many messages, the first ones between two collections have their size recorded, and all are counted', async (t) => {
  const telemetry = new Telemetry(t)
  const end = startMetrics(api)
  const app = await createApp(t)
  app.websocket('/many', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const client = await app.injectWebSocket('/many')
  const talk = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 100) {
      for (let i = 0; i < 100; i++) client.send('x')
      for (let i = 0; i < 100; i++) await client.receive()
    }
  }
  const counts = async (): Promise<number[]> => {
    const metrics = await telemetry.collect()
    return ['message.size', 'messages'].map((name) => metrics[`websocket.server.${name}`].points.filter(([attributes]) => (attributes as any)['http.route'] === '/many').reduce((sum, [, count]) => sum + count, 0))
  }
  t.ok(messageReceived.hasSubscribers)
  await talk(6_000)
  t.notOk(messageReceived.hasSubscribers || messageSent.hasSubscribers, 'nobody listens until the next collection')
  t.same(await counts(), [10_000, 12_000])
  t.ok(messageReceived.hasSubscribers)
  await talk(100)
  t.same(await counts(), [10_200, 12_200])
  end()
  t.notOk(messageReceived.hasSubscribers || messageSent.hasSubscribers)
  await talk(100)
  t.equal((await counts())[0], 10_200, 'nothing is recorded after the end')
})
