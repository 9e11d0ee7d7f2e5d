'use strict'

const path = require('node:path')
const { parseArgs } = require('node:util')
const { OPTIONAL, PEERS } = require('./peers')

const FULL = { rounds: 5, seconds: 0.5, warmUp: 0.2 }
const QUICK = { rounds: 1, seconds: 0.1, warmUp: 0.1 }

const USAGE = `npm run bench -- [options]
npm run bench -- cluster [--quick] [--only <text>]: topics over several processes, by themselves

  --quick             everything once and briefly, to see that it runs
  --only <text>       the workloads whose name contains the text
  --peers <a,b,…>     of ${Object.keys(PEERS).join(', ')}
  --before <folder>   another checkout of this plugin, built, as one more peer to compare with
  --rounds <n>        measurements of each peer and workload (${FULL.rounds})
  --seconds <s>       the length of one measurement (${FULL.seconds})
  --chart <file>      the file for the chart (a full run writes docs/performance.svg)`

function readOptions () {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      peers: { type: 'string', default: Object.keys(PEERS).filter((peer) => peer !== 'metrics').join() },
      before: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      chart: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    process.exit()
  }
  if (values.before !== undefined) process.env.BENCH_BEFORE = path.resolve(values.before)
  const defaults = values.quick ? QUICK : FULL
  const peers = values.peers.split(',').filter((peer) => peer !== 'before' || values.before !== undefined)
  const unknown = peers.find((peer) => !Object.hasOwn(PEERS, peer))
  if (unknown !== undefined) throw new Error(`unknown peer ${unknown}\n\n${USAGE}`)
  return {
    ...values,
    peers,
    hasAllPeers: Object.keys(PEERS).every((peer) => OPTIONAL.includes(peer) || peers.includes(peer)),
    rounds: positive('rounds', values.rounds ?? defaults.rounds),
    seconds: positive('seconds', values.seconds ?? defaults.seconds),
    warmUp: defaults.warmUp
  }
}

function positive (name, value) {
  if (!(Number(value) > 0)) throw new Error(`--${name} has to be a number above 0`)
  return Number(value)
}

module.exports = { readOptions }
