'use strict'

// One connection publishes a burst of messages; when all subscribers have received all of it, the next.

const { Connection, openAll } = require('./connection')
const { plain } = require('./messages')

const SAMPLE = 16

class Broadcast {
  count = 0
  #running = false
  #pending = 0
  #drained
  #subscribers
  #publisher

  constructor ({ requests, answers }) {
    this.requests = Buffer.concat(requests)
    this.expected = Buffer.concat(answers)
    this.burst = answers.length
  }

  async open (settings) {
    this.#subscribers = await openAll(settings.connections, () => new Subscriber(this, settings, '/subscribe'))
    this.#publisher = await new Connection(settings, '/publish').open
  }

  start () {
    this.#running = true
    this.#publish()
  }

  stop () {
    this.#running = false
    return new Promise((resolve) => { this.#drained = resolve })
  }

  /** One subscriber has received all of a burst. */
  received () {
    this.count += this.burst
    if (--this.#pending > 0) return
    if (this.#running) this.#publish()
    else this.#drained()
  }

  #publish () {
    this.#pending = this.#subscribers.length
    this.#publisher.socket.write(this.requests)
  }
}

class Subscriber extends Connection {
  #flow
  #position = 0
  #bursts = 0

  constructor (flow, ...args) {
    super(...args)
    this.#flow = flow
  }

  receive (length, bytes) {
    const { expected } = this.#flow
    const start = this.#position
    const end = start + length
    if (end > expected.length) throw new Error('more bytes than were published')
    if (this.#bursts % SAMPLE === 0 && expected.compare(bytes, 0, length, start, end) !== 0) {
      throw new Error('a subscriber has received what was not published')
    }
    this.#position = end
    if (end < expected.length) return
    this.#position = 0
    this.#bursts++
    this.#flow.received()
  }
}

async function prepare (settings) {
  const flow = new Broadcast(plain(settings))
  await flow.open(settings)
  return flow
}

module.exports = { prepare }
