'use strict'

// The tests of a folder cover the folder of the same name in lib, all of it, and tests outside of a folder cover nothing.
// A file whose tests need a program that is missing is left out, since these tests are skipped.
const { existsSync, readdirSync } = require('node:fs')
const { basename, join } = require('node:path')
const findProgram = require('./helpers/find-program.cjs')

const redis = ['redis-server', 'redis-cli']
const needs = {
  'lib/brokers/ioredis.ts': redis,
  'lib/brokers/nats.ts': ['nats-server'],
  'lib/brokers/node-redis.ts': redis,
  'lib/brokers/redis.ts': redis,
  'lib/brokers/redis-links.ts': redis
}

const root = join(__dirname, '..')

module.exports = (test) => {
  const folder = basename(join(test, '..'))
  if (test === 'test/index.test.ts') return ['lib/index.ts']
  if (folder === 'test' || !existsSync(join(root, 'lib', folder))) return null
  const files = readdirSync(join(root, 'lib', folder)).map((name) => `lib/${folder}/${name}`)
  return files.filter((file) => (needs[file] ?? []).every((program) => findProgram(program)))
}
