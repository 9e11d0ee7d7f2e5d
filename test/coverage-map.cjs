'use strict'

// A test file covers the file of the same name in lib; those without a namesake only add to what is covered. Without a
// server on the PATH the tests that need it are skipped, and nothing is asked of them.
const { accessSync, constants, existsSync } = require('node:fs')
const { delimiter, join } = require('node:path')

const servers = {
  'lib/brokers/ioredis.ts': 'redis-server',
  'lib/brokers/nats.ts': 'nats-server',
  'lib/brokers/node-redis.ts': 'redis-server',
  'lib/brokers/redis.ts': 'redis-server',
  'lib/brokers/redis-links.ts': 'redis-server'
}

module.exports = (test) => {
  const file = test.replace(/^test[\\/]/, 'lib/').replace(/\.test\.ts$/, '.ts')
  return existsSync(join(__dirname, '..', file)) && (!(file in servers) || isOnPath(servers[file])) ? [file] : null
}

function isOnPath (program) {
  return process.env.PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
