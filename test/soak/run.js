'use strict'

// npm run soak -- [--seconds 600] [--seed <n>]
//
// Opens and closes connections between a server in one process and clients in another. Both sides send numbered messages, and
// some connections are killed. The plan of a connection follows from the seed and the connection's number. Between two
// rounds no client is connected: each handler, session and socket has to have ended. After the last round, memory has to be
// what it was after the warm-up.

const { parseArgs } = require('node:util')
const { readSnapshot } = require('./heap')
const { Process } = require('./process')
const { hasFailed, problemsOf, summary } = require('./report')

/** The share of the rounds that warm up. */
const WARM_UP = 0.4

/** In seconds: a run of at least this length reports each round. */
const LONG = 60

function readOptions () {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string' } } })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error('--seconds has to be a number above 0, and --seed an integer')
  return { seconds, seed }
}

/** Resolves with the reports of the server and the clients after each round. A round with a problem is the last one. */
async function soak ({ seconds, seed }) {
  const server = new Process('server.js', seed)
  const clients = new Process('clients.js', seed)
  const count = seconds < LONG ? 5 : 20
  const rounds = []
  try {
    const { port } = await server.call('listen')
    while (rounds.length < count && !hasFailed(rounds.at(-1))) {
      await clients.call('run', { port, seconds: seconds / count })
      const options = { snapshot: rounds.length + 1 === Math.ceil(count * WARM_UP) || rounds.length + 1 === count }
      rounds.push({ server: await told(server, options), clients: await told(clients, options) })
      if (seconds >= LONG) console.log(`round ${rounds.length} of ${count}: ${rounds.at(-1).clients.counts.connections} connections`)
    }
  } finally {
    server.end()
    clients.end()
  }
  return rounds
}

async function told (process, options) {
  const { counts, accounts, remains: { resources, snapshot }, problems } = await process.call('settle', options)
  return { counts, accounts, resources, problems, bytes: snapshot === undefined ? undefined : readSnapshot(snapshot) }
}

async function main () {
  const options = readOptions()
  console.log(`soak: --seconds ${options.seconds} --seed ${options.seed}`)
  const rounds = await soak(options)
  const problems = problemsOf(rounds)
  for (const problem of problems) console.error(problem)
  for (const line of summary(rounds)) console.log(line)
  console.log(problems.length === 0 ? 'no message lost, duplicated or reordered, and everything has ended' : 'FAILED')
  if (problems.length > 0) process.exitCode = 1
}

main().catch((error) => {
  console.error(error.stack)
  process.exitCode = 1
})
