'use strict'

// Echo with one message in flight. Measures the time of each message.

const { Echo, EchoConnection } = require('./echo')
const { plain } = require('./messages')
const { Times } = require('./times')

class Latency extends Echo {
  times = new Times()

  begin () {
    this.times.clear()
  }

  end () {
    return this.times.percentiles()
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
    this.#flow.times.add(performance.now() - this.#sentAt)
    super.receive(length, bytes)
  }
}

async function prepare (settings) {
  const flow = new Latency(plain({ ...settings, inFlight: 1 }))
  await flow.open(settings.connections, () => new LatencyConnection(flow, settings, settings.path))
  return flow
}

module.exports = { prepare }
