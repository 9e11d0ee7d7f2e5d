'use strict'

// A test file covers the file of the same name in lib; those without a namesake only add to what is covered. Without the
// programs that a test needs it is skipped, and nothing is asked of it.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const findProgram = require('./helpers/find-program.cjs')

const redis = ['redis-server', 'redis-cli']
const needs = {
  'lib/brokers/ioredis.ts': redis,
  'lib/brokers/nats.ts': ['nats-server'],
  'lib/brokers/node-redis.ts': redis,
  'lib/brokers/redis.ts': redis,
  'lib/brokers/redis-links.ts': redis
}

module.exports = (test) => {
  const file = test.replace(/^test[\\/]/, 'lib/').replace(/\.test\.ts$/, '.ts')
  const isCovered = existsSync(join(__dirname, '..', file)) && (needs[file] ?? []).every((program) => findProgram(program))
  return isCovered ? [file] : null
}
