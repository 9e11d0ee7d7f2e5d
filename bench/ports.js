'use strict'

// The tests use this file, too.

const { once } = require('node:events')
const { connect, createServer } = require('node:net')

/** Resolves with a free port of 127.0.0.1, for a program that takes its port as an argument. */
async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves with whether a server listens on a port of 127.0.0.1. */
async function isListening (port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

module.exports = { freePort, isListening }
