'use strict'

// One connection publishes a burst of messages. It publishes the next burst when all subscribers have received the last one.

const { Connection, openAll } = require('./connection')
const { plain } = require('./messages')
const { Times } = require('./times')

const SAMPLE = 16

class Broadcast {
  count = 0
  #running = false
  #pending = 0
  #drained
  #subscribers
  #publisher
  #publishedAt = 0
  #times = new Times()

  /** `answers`: the frames that a subscriber receives for a burst of `requests`. */
  constructor ({ requests, answers }) {
    this.requests = Buffer.concat(requests)
    this.expected = Buffer.concat(answers)
    this.burst = answers.length
  }

  /** Spreads the subscribers over `ports`. The publisher connects to the first port. `handshake`: options of the subscribers' `Connection`. */
  async open ({ port, ports = [port], connections, publisher = '/publish', ...settings }, handshake) {
    let next = 0
    this.#subscribers = await openAll(connections, () => new Subscriber(this, { ...settings, port: ports[next++ % ports.length] }, '/subscribe', handshake))
    this.#publisher = await new Connection({ ...settings, port: ports[0] }, publisher).open
  }

  start () {
    this.#running = true
    this.#publish()
  }

  stop () {
    this.#running = false
    return new Promise((resolve) => { this.#drained = resolve })
  }

  begin () {
    this.#times.clear()
  }

  /** The time from publishing a burst until the last subscriber has received all of it. */
  end () {
    return this.#times.percentiles()
  }

  /** A subscriber has received all of a burst. */
  received () {
    this.count += this.burst
    if (--this.#pending > 0) return
    this.#times.add(performance.now() - this.#publishedAt)
    if (this.#running) this.#publish()
    else this.#drained()
  }

  #publish () {
    this.#pending = this.#subscribers.length
    this.#publishedAt = performance.now()
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
      throw new Error('a subscriber has received other bytes than were published')
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

module.exports = { prepare, Broadcast }
