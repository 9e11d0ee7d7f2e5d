'use strict'

function median (values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The ratio of each round, `a` to `b`: their median and spread. Rounds are close in time, so what disturbs one side disturbs the other. */
function ratio (a, b) {
  const ratios = a.map((value, round) => value / b[round])
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) }
}

module.exports = { median, ratio }
