'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** Installs what only the benchmarks need, once. Without it they run as well, without µWebSockets. */
function install () {
  if (fs.existsSync(path.join(__dirname, 'node_modules'))) return
  console.error('installing µWebSockets for the comparison (about 250 MB, binaries for every platform)')
  spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: __dirname, stdio: 'inherit', shell: process.platform === 'win32' })
}

module.exports = { install }
