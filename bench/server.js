'use strict'

// The server of one peer, in a process of its own: node server.js <peer> <settings as JSON>

const { unmasking } = require('./unmasking')
const { work, mark } = require('./worker')

const [peer, settings] = process.argv.slice(2)

/** The bytes in use, after a garbage collection if the process can run one. */
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
