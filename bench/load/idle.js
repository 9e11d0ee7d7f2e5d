'use strict'

// Connections that are opened, and then do nothing.

const { Connection, openAll } = require('./connection')

/** Open before the first look at the server's memory: what every server has once is not a connection's. */
const BEFORE = 100

async function prepare (settings) {
  const open = (count) => openAll(count, () => new Connection(settings, settings.path))
  await open(BEFORE)
  return { count: 0, run: () => open(settings.connections) }
}

module.exports = { prepare }
