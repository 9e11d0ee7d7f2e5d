'use strict'

// Figures for Prometheus, made of app.websockets.stats() when Prometheus asks: no timer, and nothing for each message. Needs
// prom-client. The labels are routes, statuses and close codes, of which there are few: no URL, no topic, no id.

const Fastify = require('fastify')
const websocket = require('fastify-async-websocket')
const { Counter, Gauge, Histogram, Registry } = require('prom-client')
const start = require('./start')

/** For each metric: its kind, its help, its labels beside `route`, and its values in the counters of a route: [labels, value]. */
const METRICS = {
  websocket_connections_open: [Gauge, 'Open connections', [], ({ connections }) => [[{}, connections.open]]],
  websocket_connections_accepted_total: [Counter, 'Accepted connections', [], ({ connections }) => [[{}, connections.accepted]]],
  websocket_refusals_total: [Counter, 'Refused handshakes', ['status'], ({ refusals }) => byCode('status', refusals)],
  websocket_closes_total: [Counter, 'Ended connections', ['code'], ({ closes }) => byCode('code', closes)],
  websocket_messages_total: [Counter, 'Messages', ['direction'], ({ messages }) => byCode('direction', messages)],
  websocket_bytes_total: [Counter, 'Bytes of messages', ['direction'], ({ bytes }) => byCode('direction', bytes)],
  websocket_publications_total: [Counter, 'Published messages', [], ({ publications }) => [[{}, publications]]],
  websocket_skipped_total: [Counter, 'Published messages that slow subscribers have missed', [], ({ skipped }) => [[{}, skipped]]],
  websocket_slow_closes_total: [Counter, 'Subscribers closed as too slow', [], ({ slowCloses }) => [[{}, slowCloses]]],
  websocket_heartbeat_losses_total: [Counter, 'Connections dropped by the heartbeat', [], ({ heartbeatLosses }) => [[{}, heartbeatLosses]]]
}

function byCode (label, counts) {
  return Object.entries(counts).map(([code, count]) => [{ [label]: code }, count])
}

/** Returns a registry with the metrics of `app`. What belongs to no route, such as a 404, has an empty route. */
function createRegistry (app) {
  const registry = new Registry()
  const registers = [registry]
  for (const [name, [Metric, help, labels, valuesOf]] of Object.entries(METRICS)) {
    const collect = function () {
      this.reset()
      const { routes, ...all } = app.websockets.stats()
      const rest = new Map(valuesOf(all).map(([labels, value]) => [JSON.stringify(labels), value]))
      for (const [route, counters] of Object.entries(routes)) {
        for (const [labels, value] of valuesOf(counters)) {
          this.inc({ route, ...labels }, value)
          const key = JSON.stringify(labels)
          rest.set(key, rest.get(key) - value)
        }
      }
      for (const [labels, value] of rest) if (value > 0) this.inc({ route: '', ...JSON.parse(labels) }, value)
    }
    new Metric({ name, help, labelNames: ['route', ...labels], registers, collect }) // eslint-disable-line no-new
  }
  const up = () => Number(app.websockets.brokerState === 'up')
  new Gauge({ name: 'websocket_broker_up', help: 'Whether the broker is up', registers, collect () { this.set(up()) } }) // eslint-disable-line no-new
  return registry
}

/** Measures how long HTTP requests take. A session is no such request: its elapsedTime is the time for which it was open. */
function measureRequests (app, registry) {
  const seconds = new Histogram({ name: 'http_request_duration_seconds', help: 'HTTP requests', labelNames: ['route', 'status'], registers: [registry] })
  app.addHook('onResponse', async (request, reply) => {
    if (request.ws) return
    seconds.observe({ route: request.routeOptions.url ?? '', status: reply.statusCode }, reply.elapsedTime / 1000)
  })
}

async function build (options) {
  const app = Fastify(options)
  await app.register(websocket)
  const registry = createRegistry(app)
  measureRequests(app, registry)

  app.get('/metrics', async (request, reply) => {
    reply.type(registry.contentType)
    return registry.metrics()
  })

  app.websocket('/rooms/:room', async (ws) => {
    if (ws.params.room === 'secret') return ws.deny(403, { error: 'a secret' })
    await ws.accept()
    await ws.subscribe(ws.params.room)
    for await (const message of ws) await ws.publish(ws.params.room, message)
  })

  return app
}

module.exports = { build }
if (require.main === module) start(build, 'ws://HOST/rooms/lobby', 'http://HOST/metrics')
