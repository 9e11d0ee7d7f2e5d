'use strict'

// `ws` unmasks with a function of Node if Node has one, else with the native package bufferutil if it finds the package,
// else in JavaScript.

const http = require('node:http')
const path = require('node:path')

/** The environment of a server. `ws` is in a node_modules of a parent folder, and finds packages of this folder only with NODE_PATH. */
function environment ({ bufferutil = true }) {
  return {
    ...process.env,
    NODE_PATH: path.join(__dirname, 'node_modules'),
    WS_NO_BUFFER_UTIL: bufferutil ? '' : '1'
  }
}

/** What `ws` unmasks with in this process; undefined if the process does not use `ws`. Without its binary, bufferutil is JavaScript, too. */
function unmasking () {
  const loaded = Object.keys(require.cache)
  if (!loaded.includes(require.resolve('ws'))) return undefined
  if (http.websocketUnmask !== undefined) return 'node:http'
  return loaded.some((file) => path.basename(file) === 'bufferutil.node') ? 'bufferutil' : 'its own JavaScript'
}

module.exports = { environment, unmasking }
