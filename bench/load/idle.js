'use strict'

// Connections that do nothing after their handshake.

const { Connection, openAll } = require('./connection')

/** The number of connections before the first measurement of the server's memory, so that memory needed once does not count. */
const BEFORE = 100

async function prepare (settings) {
  const open = (count) => openAll(count, () => new Connection(settings, settings.path))
  await open(BEFORE)
  return { count: 0, run: () => open(settings.connections) }
}

module.exports = { prepare }
