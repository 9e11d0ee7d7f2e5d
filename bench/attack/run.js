'use strict'

// npm run attack -- [--quick] [--only <text>] [--peers <a,b,…>]: measures the memory of servers under attack. See ../README.md.

const { parseArgs } = require('node:util')
const { Child } = require('../child')
const { run } = require('../main')
const { environment } = require('../unmasking')
const { attacks, bytes, FULL, QUICK } = require('./attacks')

const PEERS = { ours: 'this plugin', ws: '`ws` by hand', fastify: '@fastify/websocket' }

/** In bytes: a server whose memory grows by more is stopped. */
const LIMIT = 1.5 * 1024 ** 3

const MAX_PAYLOAD = 1024 ** 2

function readOptions () {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      peers: { type: 'string', default: Object.keys(PEERS).join() }
    }
  })
  return { ...values, peers: values.peers.split(',') }
}

/** Attacks a server. Resolves with the growth of its memory, its connections and the published bytes. */
async function measure (peer, { attacker, settings, seconds, publish }) {
  const server = new Child('attack/server.js', [peer, JSON.stringify({ maxPayload: MAX_PAYLOAD })], { core: 0, name: `the server of ${PEERS[peer]}`, env: environment({}) })
  const clients = new Child('attack/attacker.js', [attacker, JSON.stringify(settings)], { core: 1, name: `the attack on ${PEERS[peer]}` })
  try {
    const port = await server.call('listen')
    await clients.call('attack', { port })
    return await server.call('watch', { seconds, limit: LIMIT, publish })
  } finally {
    server.end()
    clients.end()
  }
}

function row (attack, results) {
  const cells = Object.keys(PEERS).map((peer) => peer in results ? cell(attack, results[peer]) : '–')
  return `| ${[attack.name, ...cells, bytes(attack.bound)].join(' | ')} |`
}

function cell ({ settings, publish }, { growth, connections, published }) {
  const size = growth > LIMIT ? `> ${bytes(LIMIT)}` : bytes(growth)
  const notes = [
    publish !== undefined && published < publish.messages * publish.size ? `after ${bytes(published)}` : '',
    connections < settings.clients ? `${connections.toLocaleString('en')} left` : ''
  ].filter(Boolean)
  return [size, ...notes].join(', ')
}

async function main () {
  const { quick, only, peers } = readOptions()
  console.log(`| attack | ${Object.values(PEERS).join(' | ')} | its bound |\n| --- | ${'---: | '.repeat(4)}`.trimEnd())
  for (const attack of attacks(quick ? QUICK : FULL)) {
    if (!attack.name.includes(only)) continue
    const results = {}
    for (const peer of attack.peers ?? Object.keys(PEERS)) {
      if (peers.includes(peer)) results[peer] = await measure(peer, attack)
    }
    console.log(row(attack, results))
    if (results.ours === undefined || results.ours.growth <= attack.bound) continue
    console.error(`this plugin takes more than ${bytes(attack.bound)}: ${attack.name}`)
    process.exitCode = 1
  }
}

run(main)
