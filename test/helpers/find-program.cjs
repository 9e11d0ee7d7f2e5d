'use strict'

// JavaScript, because `coverage-map.cjs` uses this file, too, and loads no TypeScript.
const { existsSync } = require('node:fs')
const { delimiter, join } = require('node:path')

/** Folders of programs that are not on the PATH of every user. */
const MORE = ['/usr/sbin', '/usr/local/sbin']

/** The path of the first program on the PATH that has one of these names. */
module.exports = function findProgram (...names) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE]
  return directories.flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync)
}
