'use strict'

// The workloads. A workload has a driver of load/ with its settings, the settings of the server, the peers that take part,
// and the metrics, which are computed from each measurement.

const ALL = ['ours', 'handlers', 'metrics', 'before', 'ws', 'fastify', 'uws']
const ONE_FORM = ['ours', 'before', 'ws', 'fastify', 'uws']

const SIZES = [64, 1024, 16 * 1024]

/** The end of the names of workloads in which servers on `ws` run without bufferutil. */
const WITHOUT_BUFFERUTIL = 'without bufferutil'

/** In bytes. With more in flight, a run would measure memory: 16 messages of 16 KiB on 10,000 connections are 2.4 GiB. */
const MOST_IN_FLIGHT = 1024 ** 3

const rate = (unit) => [{ unit, better: 'higher', of: ({ count, seconds }) => count / seconds }]
const bytesPer = (connections, key) => (result) => result[key] / connections / 1024

const latencies = ['p50', 'p99'].map((key) => ({ label: key, unit: 'µs', better: 'lower', of: (result) => result[key] * 1000 }))

function echo (size, inFlight, connections, server = {}, payload = 'text') {
  const { tls = false, bufferutil = true } = server
  return {
    name: `${tls ? 'TLS echo' : 'echo'} ${bytes(size)}${payload === 'bytes' ? ' of bytes' : ''}, ${inFlight} in flight, ${number(connections)} connections${bufferutil ? '' : `, ${WITHOUT_BUFFERUTIL}`}`,
    driver: 'echo',
    settings: { path: payload === 'bytes' ? '/echo-bytes' : '/echo', payload, size, inFlight, connections },
    server,
    peers: tls || !bufferutil || connections > 64 || payload === 'bytes' ? ONE_FORM : ALL,
    metrics: rate('messages/s')
  }
}

function latency (connections) {
  return {
    name: `latency of echo 64 B, 1 in flight, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
    driver: 'latency',
    settings: { path: '/echo', payload: 'text', size: 64, connections },
    server: {},
    peers: ALL,
    metrics: latencies
  }
}

function broadcast (burst, subscribers, history) {
  return {
    name: `broadcast 64 B to ${number(subscribers)}, ${burst === 1 ? 'singly' : `in bursts of ${burst}`}${history === undefined ? '' : ', with history'}`,
    driver: 'broadcast',
    settings: { payload: 'text', size: 64, inFlight: burst, connections: subscribers },
    server: { history },
    peers: history === undefined ? ONE_FORM : ['ours'],
    metrics: rate('deliveries/s')
  }
}

/** Each connection subscribes to its own share of the topics. */
function topics (count, connections) {
  return {
    name: `64 B to one of ${number(count)} topics, a subscriber each, in bursts of 16, ${number(connections)} connections`,
    driver: 'topics',
    settings: { payload: 'text', size: 64, inFlight: 16, connections, topics: count },
    server: { topics: count },
    peers: ['ours', 'before'],
    metrics: rate('deliveries/s')
  }
}

function memory (connections) {
  return {
    name: `memory of ${number(connections)} idle connections`,
    driver: 'idle',
    settings: { path: '/idle', connections },
    server: {},
    peers: ONE_FORM,
    fresh: true,
    metrics: [
      { label: 'resident, per connection', unit: 'KB', better: 'lower', of: bytesPer(connections, 'rss') },
      { label: 'heap and external, per connection', unit: 'KB', better: 'lower', of: bytesPer(connections, 'heap'), not: ['uws'] }
    ]
  }
}

function stream (driver, direction, messages) {
  return {
    name: `${messages === 1024 ? '1 GiB' : `${messages} MiB`} in 1 MiB messages, ${direction}`,
    driver,
    settings: { messages },
    server: {},
    peers: ONE_FORM,
    metrics: rate('MiB/s')
  }
}

const json = {
  name: 'JSON echo with schemas, 16 in flight, 64 connections',
  driver: 'echo',
  settings: { path: '/json', payload: 'json', inFlight: 16, connections: 64 },
  server: {},
  peers: ALL,
  metrics: rate('messages/s')
}

const deflate = {
  name: 'permessage-deflate echo 1 KiB, 16 in flight, 64 connections',
  driver: 'deflate',
  settings: { path: '/echo', payload: 'text', size: 1024, inFlight: 16, connections: 64 },
  server: { deflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } },
  peers: ONE_FORM,
  metrics: rate('messages/s')
}

const broadcastDeflate = {
  name: 'permessage-deflate broadcast 1 KiB to 1,000, in bursts of 16',
  driver: 'broadcast-deflate',
  settings: { payload: 'text', size: 1024, inFlight: 16, connections: 1000 },
  server: deflate.server,
  peers: ONE_FORM,
  seconds: 4, // `ws` compresses 16,000 messages for a burst
  metrics: rate('deliveries/s')
}

const handshakes = {
  name: 'handshakes, each with the closing handshake, 32 at a time',
  driver: 'handshakes',
  settings: { path: '/echo', connections: 32 },
  server: {},
  peers: ONE_FORM,
  metrics: rate('handshakes/s')
}

/** The load generator against a server that only answers. */
function ceiling () {
  const { driver, settings } = echo(64, 16, 64)
  return {
    name: 'the load generator itself: 64 B, 16 in flight, 64 connections against raw TCP',
    driver,
    settings,
    server: settings,
    peers: ['raw'],
    metrics: rate('messages/s')
  }
}

function echoes (sizes, connections) {
  return sizes
    .flatMap((size) => [1, 16].map((inFlight) => echo(size, inFlight, connections)))
    .filter(({ settings: { size, inFlight } }) => size * inFlight * connections <= MOST_IN_FLIGHT)
}

function workloads ({ quick }) {
  const most = quick ? 1000 : 10_000
  return [
    ...(quick ? echoes([64], 64) : [64, 1000, most].flatMap((connections) => echoes(SIZES, connections))),
    ...(quick ? [1024] : SIZES).map((size) => echo(size, 16, 64, { bufferutil: false })),
    echo(16 * 1024, 16, 64, {}, 'bytes'),
    latency(1), latency(64),
    json,
    broadcast(1, 1000), broadcast(16, 1000), broadcast(16, 1), broadcast(16, 100), broadcast(16, 1000, { size: 1_000, ttl: 300_000 }), ...(quick ? [] : [broadcast(16, most)]),
    topics(100_000, 1000),
    deflate, broadcastDeflate,
    echo(64, 16, 64, { tls: true }), echo(16 * 1024, 16, 64, { tls: true }),
    handshakes,
    memory(most),
    stream('upload', 'to the server', quick ? 128 : 1024), stream('download', 'from the server', quick ? 128 : 1024),
    ceiling()
  ]
}

function bytes (size) {
  return size < 1024 ? `${size} B` : `${size / 1024} KiB`
}

function number (value) {
  return value.toLocaleString('en')
}

module.exports = { workloads, WITHOUT_BUFFERUTIL }
