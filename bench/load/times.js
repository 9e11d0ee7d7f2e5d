'use strict'

/** Collects times, in milliseconds. */
class Times {
  #times = []

  add (milliseconds) {
    this.#times.push(milliseconds)
  }

  clear () {
    this.#times = []
  }

  percentiles () {
    const sorted = Float64Array.from(this.#times).sort()
    const percentile = (p) => sorted[Math.ceil(sorted.length * p) - 1]
    return { p50: percentile(0.5), p99: percentile(0.99) }
  }
}

module.exports = { Times }
