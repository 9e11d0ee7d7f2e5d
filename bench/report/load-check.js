'use strict'

const { PEERS } = require('../peers')
const { median } = require('../stats')

/** A process that is busier than this counts as busy all the time. */
const BUSY = 0.9

/** If both processes are less busy than this, another process used the processor, or they waited for each other. */
const IDLE = 0.75

const names = (peers) => peers.map((peer) => PEERS[peer].name).join(', ')

/** For each workload with a rate: whether the server or the load process was the limit. */
function loadCheck (results, table) {
  return results.filter(({ metrics: [{ better }] }) => better === 'higher').map(({ name, peers, rounds, metrics: [{ unit }] }) => {
    const row = table.find(({ workload }) => workload === name)
    const share = (peer, key) => median(rounds.map((round) => round[peer][key]))
    const bound = peers.filter((peer) => share(peer, 'busy') > BUSY && share(peer, 'serverBusy') < BUSY)
    const idle = peers.filter((peer) => Math.max(share(peer, 'busy'), share(peer, 'serverBusy')) < IDLE)
    const fastest = peers.reduce((a, b) => row.figure(b) > row.figure(a) ? b : a)
    return {
      workload: name,
      peer: fastest,
      busy: share(fastest, 'busy'),
      serverBusy: share(fastest, 'serverBusy'),
      capacity: row.figure(fastest) / share(fastest, 'busy'),
      unit,
      warning: [
        bound.length === 0 ? '' : `**the load process is the limit of ${names(bound)}**`,
        idle.length === 0 ? '' : `**neither process is busy: ${names(idle)}; is the machine quiet?**`
      ].filter(Boolean).join(', ')
    }
  })
}

module.exports = { loadCheck }
