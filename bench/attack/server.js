'use strict'

// A server under attack, in a process of its own: node --expose-gc attack/server.js <peer> <settings>

const { promisify } = require('node:util')
const { setImmediate, setTimeout: delay } = require('node:timers/promises')
const { work } = require('../worker')

const [peer, settings] = process.argv.slice(2)

/** In ms: how often to read the size of the memory. */
const INTERVAL = 10

let served
let before

async function listen () {
  served = await require(`./servers/${peer}`).listen(JSON.parse(settings))
  globalThis.gc()
  before = process.memoryUsage.rss()
  return served.server.address().port
}

/** Resolves with the greatest growth of the memory in bytes, after `seconds` or when it is greater than `limit`. */
async function watch ({ seconds, limit, publish }) {
  const deadline = Date.now() + seconds * 1000
  const progress = { published: 0 }
  if (publish !== undefined) publishAll(publish, progress)
  let growth = 0
  while (growth <= limit && Date.now() < deadline) {
    await delay(INTERVAL)
    growth = Math.max(growth, process.memoryUsage.rss() - before)
  }
  const connections = await promisify(served.server.getConnections.bind(served.server))()
  return { growth, connections, ...progress }
}

/** Publishes messages. Each message is a new Buffer. */
async function publishAll ({ messages, size }, progress) {
  for (let i = 0; i < messages; i++) {
    served.publish(Buffer.alloc(size, i))
    progress.published += size
    await setImmediate()
  }
}

work({ listen, watch })
