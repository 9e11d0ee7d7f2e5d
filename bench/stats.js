'use strict'

function median (values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median and the spread of the ratios `a` to `b`, round by round. In one round, a disturbance affects both. */
function ratio (a, b) {
  const ratios = a.map((value, round) => value / b[round])
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) }
}

module.exports = { median, ratio }
