'use strict'

// One peer in its own process: node server.js <peer> <settings as JSON>

const { unmasking } = require('./unmasking')
const { work, mark } = require('./worker')

const [peer, settings] = process.argv.slice(2)

/** Bytes in use, after a garbage collection where the process can ask for one. */
function memory () {
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

work({
  listen: () => require(`./peers/${peer}`).listen(JSON.parse(settings)),
  unmasking,
  mark,
  memory
})
