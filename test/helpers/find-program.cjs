'use strict'

// JavaScript, since `coverage-map.cjs` asks as well, where no TypeScript is compiled.
const { existsSync } = require('node:fs')
const { delimiter, join } = require('node:path')

/** Where there are programs that not everybody has on the PATH. */
const MORE = ['/usr/sbin', '/usr/local/sbin']

/** The first program with one of the names, in the order of the PATH. */
module.exports = function findProgram (...names) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE]
  return directories.flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync)
}
