'use strict'

const os = require('node:os')
const { canPin } = require('./child')
const { PEERS, obstacle } = require('./peers')

const PACKAGES = ['fastify', 'ws', '@fastify/websocket', 'uwebsockets', 'bufferutil']

/** The machine, the system and the versions of the packages that are measured. */
function machine () {
  const cpus = os.cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    kernel: `${os.type()} ${os.release()}`,
    pinned: canPin,
    versions: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    absent: Object.keys(PEERS).map((peer) => ({ peer, reason: obstacle(peer) })).filter(({ reason }) => reason !== null)
  }
}

function versionOf (name) {
  try {
    return require(`${name}/package.json`).version
  } catch {
    return 'not installed'
  }
}

module.exports = { machine }
