'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** Installs the packages that only the benchmarks need, if they are missing. If that fails, the benchmarks run without µWebSockets and bufferutil. */
function install () {
  if (isInstalled()) return
  console.error('installing bufferutil, and µWebSockets for the comparison (about 250 MB, binaries for every platform)')
  spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: __dirname, stdio: 'inherit', shell: process.platform === 'win32' })
}

/** Whether the packages are installed, and the lock file has not changed since. npm writes its own lock last, into node_modules. */
function isInstalled () {
  const changed = (file) => fs.statSync(path.join(__dirname, file), { throwIfNoEntry: false })?.mtimeMs
  return changed('node_modules/.package-lock.json') >= changed('package-lock.json')
}

module.exports = { install }
