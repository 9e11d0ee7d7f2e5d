'use strict'

// Echo with one message in flight, and the time that each takes.

const { Echo, EchoConnection } = require('./echo')
const { plain } = require('./messages')

class Latency extends Echo {
  #times = []

  record (milliseconds) {
    this.#times.push(milliseconds)
  }

  begin () {
    this.#times = []
  }

  end () {
    const sorted = Float64Array.from(this.#times).sort()
    const percentile = (p) => sorted[Math.ceil(sorted.length * p) - 1]
    return { p50: percentile(0.5), p99: percentile(0.99) }
  }
}

class LatencyConnection extends EchoConnection {
  #flow
  #sentAt = 0

  constructor (flow, ...args) {
    super(flow, ...args)
    this.#flow = flow
  }

  send (count) {
    this.#sentAt = performance.now()
    super.send(count)
  }

  receive (length, bytes) {
    this.#flow.record(performance.now() - this.#sentAt)
    super.receive(length, bytes)
  }
}

async function prepare (settings) {
  const flow = new Latency(plain({ ...settings, inFlight: 1 }))
  await flow.open(settings.connections, () => new LatencyConnection(flow, settings, settings.path))
  return flow
}

module.exports = { prepare }
