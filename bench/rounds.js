'use strict'

const { execSync } = require('node:child_process')
const { Pair } = require('./pair')
const { PEERS, obstacle } = require('./peers')
const { median } = require('./stats')

/** In seconds: the warm-up of a server. Some servers get faster from round to round in this time. */
const WARM_UP = 1.5

/** The number of file descriptors that a process needs beside its connections. */
const RESERVE = 200

/** Measures all rounds of a workload, A B C A B C …. Resolves with null if no peer takes part, or with too few file descriptors. */
async function measure (workload, options) {
  const peers = workload.peers.filter((peer) => options.peers.includes(peer) && obstacle(peer) === null)
  const { connections = 1 } = workload.settings
  if (peers.length === 0) return null
  if (connections + RESERVE > descriptors()) {
    console.error(`${workload.name}: left out, because a process may only open ${descriptors()} files (ulimit -Hn)`)
    return null
  }

  const rounds = workload.fresh ? await inFreshProcesses(workload, peers, options) : await interleaved(workload, peers, options)
  const { name, metrics } = workload
  for (const metric of metrics) console.error(progress(name, metric, peers, rounds))
  return { name, peers, metrics, rounds }
}

/** Starts each server once. In a full run, a first round warms up and does not count. */
async function interleaved (workload, peers, { rounds, warmUp, seconds, quick }) {
  const pairs = await Promise.all(peers.map((peer) => Pair.start(peer, workload)))
  const results = []
  if (!quick) for (const pair of pairs) await pair.measure({ warmUp: WARM_UP, seconds })
  for (let round = 0; round < rounds; round++) {
    const result = {}
    for (const pair of pairs) result[pair.peer] = await pair.measure({ warmUp, seconds: workload.seconds ?? seconds })
    results.push(result)
  }
  for (const pair of pairs) pair.end()
  return results
}

async function inFreshProcesses (workload, peers, { rounds }) {
  const results = []
  for (let round = 0; round < rounds; round++) {
    const result = {}
    for (const peer of peers) {
      const pair = await Pair.start(peer, workload)
      result[peer] = await pair.measure()
      pair.end()
    }
    results.push(result)
  }
  return results
}

function progress (name, { label, unit, of, not = [] }, peers, rounds) {
  const figures = peers.filter((peer) => !not.includes(peer)).map((peer) => `${PEERS[peer].name} ${round(median(rounds.map((result) => of(result[peer]))))}`)
  return `${name}${label === undefined ? '' : `, ${label}`} (${unit}): ${figures.join(' · ')}`
}

function round (value) {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

/** The hard limit of open files, to which Node raises its own limit. */
function descriptors () {
  if (process.platform === 'win32') return Infinity
  const limit = execSync('ulimit -Hn', { shell: '/bin/sh', encoding: 'utf8' }).trim()
  return limit === 'unlimited' ? Infinity : Number(limit)
}

module.exports = { measure }
