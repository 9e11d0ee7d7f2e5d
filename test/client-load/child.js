'use strict'

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')

/** Starts server.js on `port`. Resolves with the process when it listens. */
async function startServer (port) {
  const child = spawn(process.execPath, [join(__dirname, 'server.js')], { env: { ...process.env, PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGKILL'))
  await once(child.stdout, 'data') // the line that names the address
  return child
}

/** Kills the process. Resolves when it has ended. */
async function kill (child) {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

module.exports = { kill, startServer }
