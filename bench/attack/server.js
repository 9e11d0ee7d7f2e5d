'use strict'

// A server under attack, in its own process: node --expose-gc attack/server.js <peer> <settings>

const { promisify } = require('node:util')
const { setImmediate, setTimeout: delay } = require('node:timers/promises')
const { work } = require('../worker')

const [peer, settings] = process.argv.slice(2)

/** How often memory is looked at, in milliseconds. */
const INTERVAL = 10

let served
let before

async function listen () {
  served = await require(`./servers/${peer}`).listen(JSON.parse(settings))
  globalThis.gc()
  before = process.memoryUsage.rss()
  return served.server.address().port
}

/** By how much memory grows within so many seconds, at the most: it is over when it is by more than `limit` bytes. */
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

/** Each message has bytes of its own. */
async function publishAll ({ messages, size }, progress) {
  for (let i = 0; i < messages; i++) {
    served.publish(Buffer.alloc(size, i))
    progress.published += size
    await setImmediate()
  }
}

work({ listen, watch })
