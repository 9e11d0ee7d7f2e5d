'use strict'

/** The peers to compare. `raw` is only there to check the load generator. */
const PEERS = {
  ours: { name: 'this plugin', script: 'ours' },
  before: { name: 'this plugin before', script: 'ours' }, // from the checkout of --before
  metrics: { name: 'this plugin, with metrics', script: 'ours-metrics' },
  handlers: { name: 'this plugin, onMessage', script: 'ours-handlers' },
  ws: { name: 'ws by hand', script: 'ws' },
  fastify: { name: '@fastify/websocket', script: 'fastify-websocket' },
  uws: { name: 'µWebSockets', script: 'uws' },
  raw: { name: 'raw TCP', script: 'raw' }
}

/** The peers that take part only where they are named. */
const OPTIONAL = ['before', 'metrics']

/** The reason why a peer cannot take part, or null. */
function obstacle (peer) {
  if (peer !== 'uws') return null
  try {
    require('uwebsockets')
    return null
  } catch (error) {
    return error.message.split('\n')[0]
  }
}

module.exports = { OPTIONAL, PEERS, obstacle }
