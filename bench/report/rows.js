'use strict'

const { median, ratio } = require('../stats')

/**
 * Returns a row for each metric of each workload. `figure` returns the median of a peer, and `ratio` the ratio of a peer to
 * `base`, round by round.
 */
function rows (results) {
  return results.flatMap(({ name, peers, metrics, rounds }) => metrics.map(({ label, unit, better, of, not = [] }) => {
    const measured = peers.filter((peer) => !not.includes(peer))
    const series = Object.fromEntries(measured.map((peer) => [peer, rounds.map((round) => of(round[peer]))]))
    return {
      workload: name,
      label,
      unit,
      better,
      peers: measured,
      figure: (peer) => series[peer] && median(series[peer]),
      ratio: (peer, base) => series[peer] && series[base] && ratio(series[peer], series[base])
    }
  }))
}

module.exports = { rows }
