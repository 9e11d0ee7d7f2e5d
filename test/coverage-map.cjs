'use strict'

// The tests of a folder cover all of the folder of the same name in lib. Tests outside of these folders cover nothing, except
// index.test.ts. A file is left out if its tests need a program that is missing, because tap skips these tests.
const { existsSync, readdirSync } = require('node:fs')
const { join, sep } = require('node:path')
const findProgram = require('./helpers/find-program.cjs')

/** The programs that the tests of a file need, by the beginning of the file's path. */
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
