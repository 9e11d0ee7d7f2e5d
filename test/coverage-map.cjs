'use strict'

// A test file covers the file of the same name in lib; those without a namesake only add to what is covered.
const { existsSync } = require('node:fs')
const { join } = require('node:path')

module.exports = (test) => {
  const file = test.replace(/^test[\\/]/, 'lib/').replace(/\.test\.ts$/, '.ts')
  return existsSync(join(__dirname, '..', file)) ? [file] : null
}
