'use strict'

// The tests of a folder cover the folder of the same name in lib, all of it, and tests outside of a folder cover nothing.
// A file whose tests need a program that is missing is left out, since these tests are skipped.
const { existsSync, readdirSync } = require('node:fs')
const { join, sep } = require('node:path')
const findProgram = require('./helpers/find-program.cjs')

/** What a file needs, by the beginning of its path. */
const NEEDS = {
  'lib/brokers/redis': ['redis-server', 'redis-cli'],
  'lib/brokers/nats': ['nats-server']
}

const root = join(__dirname, '..')

module.exports = (test) => {
  const [, folder] = test.split(sep)
  if (folder === 'index.test.ts') return ['lib/index.ts']
  if (folder.endsWith('.ts') || !existsSync(join(root, 'lib', folder))) return null
  const names = readdirSync(join(root, 'lib', folder), { recursive: true }).filter((name) => name.endsWith('.ts'))
  return names.map((name) => `lib/${folder}/${name}`).filter((file) => {
    const need = Object.keys(NEEDS).find((path) => file.startsWith(path))
    return need === undefined || NEEDS[need].every((program) => findProgram(program))
  })
}
