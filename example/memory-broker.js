'use strict'

// The smallest broker that follows the contract in docs/brokers.md. The broker connects apps within one process.

/** The server that brokers connect to. The server of a real engine is a process of its own. */
class MemoryServer {
  #isUp = true
  #connections = new Set()

  connect (connection) {
    this.#connections.add(connection)
    if (this.#isUp) connection.up()
  }

  disconnect (connection) {
    this.#connections.delete(connection)
  }

  send (channel, message) {
    for (const connection of this.#connections) connection.receive(channel, message)
  }

  stop () {
    this.#isUp = false
    for (const connection of this.#connections) connection.down(new Error('the server has stopped'))
  }

  start () {
    this.#isUp = true
    for (const connection of this.#connections) connection.up()
  }
}

/** A broker that connects one app to a server. */
class MemoryBroker {
  #server
  #prefix
  #listener = null
  #isUp = false
  #topics = new Set()

  constructor (server, { prefix = 'fastify-async-websocket:' } = {}) {
    this.#server = server
    this.#prefix = prefix
  }

  async start (listener) {
    this.#listener = listener
    this.#server.connect(this)
  }

  async subscribe (topic) {
    this.#check()
    this.#topics.add(topic)
  }

  async unsubscribe (topic) {
    this.#check()
    this.#topics.delete(topic)
  }

  async publish (topic, message) {
    this.#check()
    this.#server.send(this.#prefix + topic, message)
  }

  async close () {
    this.#server.disconnect(this)
    this.#isUp = false
  }

  // The server calls these functions.

  up () {
    this.#isUp = true
    this.#topics.clear() // a new connection has no subscriptions
    this.#listener.onUp()
  }

  down (reason) {
    this.#isUp = false
    this.#listener.onDown(reason)
  }

  receive (channel, message) {
    const topic = channel.slice(this.#prefix.length)
    if (channel.startsWith(this.#prefix) && this.#topics.has(topic)) this.#listener.onMessage(topic, message)
  }

  #check () {
    if (!this.#isUp) throw new Error('the server is out of reach')
  }
}

module.exports = { MemoryServer, MemoryBroker }
