'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** Installs what only the benchmarks need, unless it is there. Without it they run as well, without µWebSockets and bufferutil. */
function install () {
  if (isInstalled()) return
  console.error('installing bufferutil, and µWebSockets for the comparison (about 250 MB, binaries for every platform)')
  spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: __dirname, stdio: 'inherit', shell: process.platform === 'win32' })
}

/** npm writes a lock of its own last: the one of this folder is newer if it has changed since. */
function isInstalled () {
  const changed = (file) => fs.statSync(path.join(__dirname, file), { throwIfNoEntry: false })?.mtimeMs
  return changed('node_modules/.package-lock.json') >= changed('package-lock.json')
}

module.exports = { install }
