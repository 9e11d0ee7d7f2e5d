'use strict'

const { differences, table } = require('./accounts')

/** In bytes: how much memory may grow for each connection. This is 1 KB for a thousand connections. */
const ALLOWED = 1.024

/** In bytes: how much memory varies by itself. A leak on few connections is seen only if it is larger. */
const NOISE = 128 * 1024

const SIDES = ['server', 'clients']

/** Whether there is a problem up to `round`. */
function hasFailed (round) {
  return round !== undefined && SIDES.some((side) => round[side].problems.count + round[side].resources.length > 0)
}

/** The problems of a run, as text. */
function problemsOf (rounds) {
  const last = rounds.at(-1)
  const told = SIDES.flatMap((side) => last[side].problems.texts)
  const count = SIDES.reduce((sum, side) => sum + last[side].problems.count, 0)
  return [
    ...told,
    ...count > told.length ? [`and ${count - told.length} more`] : [],
    ...differences(last.server.accounts, last.clients.accounts),
    ...last.clients.counts.clean === 0 ? ['no connection has ended cleanly'] : [],
    ...SIDES.flatMap((side) => {
      const { resources } = last[side]
      const { bytes, connections } = growth(rounds, side)
      return [
        ...resources.length > 0 ? [`${side}: handles are left: ${resources.join(', ')}`] : [],
        ...bytes > NOISE && bytes > ALLOWED * connections ? [`${side}: memory has grown by ${number(bytes)} bytes`] : []
      ]
    })
  ]
}

function summary (rounds) {
  const { server: { counts: server }, clients: { counts: clients } } = rounds.at(-1)
  return [
    `${number(clients.connections)} connections: ${number(clients.clean)} ended cleanly, ${number(clients.killed)} killed, ${number(clients.refused)} refused, ${number(clients.left)} left before the response`,
    `${number(server.received)} messages received by the server, ${number(clients.received)} by the clients`,
    ...table(rounds.at(-1).server.accounts, rounds.at(-1).clients.accounts),
    `${number(server.begun)} handlers begun, ${number(server.ended)} ended; onDisconnect has run ${number(server.disconnects)} times for ${number(server.toDisconnect)} sessions`,
    ...SIDES.map((side) => `memory of the ${side}: ${describe(growth(rounds, side))}; handles left: ${rounds.at(-1)[side].resources.length}`)
  ]
}

/** The growth of memory between the first and the last snapshot: 0 if the run ended before the second one. */
function growth (rounds, side) {
  const [first, last = first] = rounds.filter((round) => round[side].bytes !== undefined)
  if (first === undefined) return { first: 0, bytes: 0, connections: 0 }
  return {
    first: first[side].bytes,
    bytes: last[side].bytes - first[side].bytes,
    connections: last.clients.counts.connections - first.clients.counts.connections
  }
}

function describe ({ first, bytes, connections }) {
  const slope = connections === 0 ? 0 : bytes / ALLOWED / connections
  return `${number(first / 1024)} KB when warm, and ${number(bytes / 1024)} KB more after ${number(connections)} connections (${slope.toFixed(2)} KB each thousand)`
}

function number (value) {
  return Math.round(value).toLocaleString('en')
}

module.exports = { hasFailed, problemsOf, summary }
