'use strict'

// One connection publishes bursts. Each message of a burst goes to another topic. The next burst follows when all messages
// have been received.

const { Connection, openAll } = require('./connection')
const { plain } = require('./messages')
const { clientFrame, serverFrame } = require('../frames')

const READY = serverFrame(Buffer.from('ready'))

class Topics {
  count = 0
  #running = false
  #pending = 0
  #drained
  #publisher

  constructor ({ requests, answers }) {
    this.requests = Buffer.concat(requests)
    this.burst = requests.length
    this.length = answers[0].length
  }

  async open ({ topics, ...settings }) {
    const share = topics / settings.connections
    const subscribers = await openAll(settings.connections, () => new Subscriber(this, settings, '/subscribe-to-some'))
    await Promise.all(subscribers.map((subscriber, i) => subscriber.subscribe(i * share, share)))
    this.#publisher = await new Connection(settings, '/publish-to-each').open
  }

  start () {
    this.#running = true
    this.#publish()
  }

  stop () {
    this.#running = false
    return new Promise((resolve) => { this.#drained = resolve })
  }

  received () {
    this.count++
    if (--this.#pending > 0) return
    if (this.#running) this.#publish()
    else this.#drained()
  }

  #publish () {
    this.#pending = this.burst
    this.#publisher.socket.write(this.requests)
  }
}

class Subscriber extends Connection {
  #flow
  #ready
  #bytes = 0

  constructor (flow, ...args) {
    super(...args)
    this.#flow = flow
  }

  subscribe (from, count) {
    this.socket.write(clientFrame(Buffer.from(JSON.stringify({ from, count }))))
    return new Promise((resolve) => { this.#ready = resolve })
  }

  receive (length, bytes) {
    if (this.#ready !== undefined) {
      if (READY.compare(bytes, 0, length) !== 0) throw new Error('the server has not subscribed to the topics')
      this.#ready()
      this.#ready = undefined
      return
    }
    for (this.#bytes += length; this.#bytes >= this.#flow.length; this.#bytes -= this.#flow.length) this.#flow.received()
  }
}

async function prepare (settings) {
  const flow = new Topics(plain(settings))
  await flow.open(settings)
  return flow
}

module.exports = { prepare }
