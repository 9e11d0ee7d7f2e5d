'use strict'

// npm run soak -- [--seconds 600] [--seed <n>]
//
// Connections come and go: a server in one process, clients in another, messages numbered both ways, random kills. What
// happens on a connection follows from the seed and its number. Between two rounds nobody is connected: by then all must
// have ended, and at the last memory must be what it was when all had been warmed up.

const { parseArgs } = require('node:util')
const { readSnapshot } = require('./heap')
const { Process } = require('./process')
const { hasFailed, problemsOf, summary } = require('./report')

/** The share of the rounds after which memory is what it is to be at the end. */
const WARM_UP = 0.4

/** From this many seconds on, each round is told of. */
const LONG = 60

function readOptions () {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string' } } })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error('--seconds is a number above 0, --seed a whole number')
  return { seconds, seed }
}

/** What the server and the clients tell after each round; where something is wrong, that is the last. */
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
  const { counts, remains: { resources, snapshot }, problems } = await process.call('settle', options)
  return { counts, resources, problems, bytes: snapshot === undefined ? undefined : readSnapshot(snapshot) }
}

async function main () {
  const options = readOptions()
  console.log(`soak: --seconds ${options.seconds} --seed ${options.seed}`)
  const rounds = await soak(options)
  const problems = problemsOf(rounds)
  for (const problem of problems) console.error(problem)
  for (const line of summary(rounds)) console.log(line)
  console.log(problems.length === 0 ? 'nothing lost, duplicated or reordered, and all has ended' : 'FAILED')
  if (problems.length > 0) process.exitCode = 1
}

main().catch((error) => {
  console.error(error.stack)
  process.exitCode = 1
})
