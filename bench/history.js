'use strict'

// What topics with history cost on Redis: npm run bench -- history
//
// The processor time of the server for a message with history, and for PUBLISH and XADD by themselves; and the memory of a topic and
// of a message. One connection appends, as an app does.

const { Redis } = require('ioredis')
const { Server } = require('./cluster/server')
const { ENGINES } = require('./cluster/engines')
const { run } = require('./main')
const { redisBroker } = require('../dist/lib/brokers/redis')

const ROUNDS = 5
const MESSAGES = 20_000
const TOPICS = 1_000
const RETENTION = { size: 1_000, ttl: 300_000, maxBytes: 1024 * 1024 }

const LISTENER = { onUp () {}, onDown () {}, onMessage () {}, onEntry () {} }

async function main () {
  const server = await Server.start(ENGINES.ioredis.server)
  const { url } = server
  const client = new Redis(url, { enableAutoPipelining: true }) // as the broker does
  const broker = redisBroker(new Redis(url, { lazyConnect: true }))
  await broker.start(LISTENER)
  try {
    await costs(client, broker.history)
    await memory(client, broker.history)
  } finally {
    await broker.close()
    client.disconnect()
    server.end()
  }
}

/** Prints the µs of the server's processor for a message. */
async function costs (client, history) {
  for (const size of [64, 1024]) {
    const message = Buffer.alloc(size, 'x')
    const rounds = []
    for (let round = 0; round < ROUNDS; round++) {
      const kept = await serverTime(client, (i) => history.append(`topic ${i % 10}`, message, RETENTION))
      const apart = await serverTime(client, (i) => Promise.all([
        client.publish(`channel ${i % 10}`, message),
        client.xadd(`stream ${i % 10}`, 'MAXLEN', '~', RETENTION.size, '*', 'm', message)
      ]))
      rounds.push({ kept, apart, ratio: kept / apart })
    }
    rounds.sort((a, b) => a.ratio - b.ratio)
    const { kept, apart, ratio } = rounds[Math.floor(ROUNDS / 2)]
    console.log(`${size} B: ${kept.toFixed(1)} µs of the server for a message with history, ${apart.toFixed(1)} µs for PUBLISH and XADD: ` +
      `${ratio.toFixed(2)} × (${rounds[0].ratio.toFixed(2)}–${rounds.at(-1).ratio.toFixed(2)})`)
  }
}

/** The processor time of the server for one of `MESSAGES` operations, in µs. A hundred are under way at a time. */
async function serverTime (client, operate) {
  const used = async () => {
    const info = await client.info('cpu')
    return Number(info.match(/used_cpu_user:([\d.]+)/)[1]) + Number(info.match(/used_cpu_sys:([\d.]+)/)[1])
  }
  const before = await used()
  for (let i = 0; i < MESSAGES;) {
    await Promise.all(Array.from({ length: 100 }, () => operate(i++)))
  }
  return (await used() - before) * 1e6 / MESSAGES
}

/** Prints the bytes of the server for a topic and for a message. */
async function memory (client, history) {
  const used = async () => Number((await client.info('memory')).match(/used_memory:(\d+)/)[1])
  for (const [count, size] of [[1, 64], [200, 200], [1_000, 200]]) {
    await client.flushall()
    const before = await used()
    for (let topic = 0; topic < TOPICS / (count > 1 ? 10 : 1); topic++) {
      for (let i = 0; i < count; i++) await history.append(`topic ${topic}`, Buffer.alloc(size, 'x'), RETENTION)
    }
    const topics = TOPICS / (count > 1 ? 10 : 1)
    console.log(`a topic with ${count} × ${size} B: ${Math.round((await used() - before) / topics)} bytes of the server`)
  }
}

run(main)
