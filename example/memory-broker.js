'use strict'

// The smallest broker that follows the contract in docs/brokers.md. The broker connects apps within one process.

/** The server that brokers connect to. The server of a real engine is a process of its own. */
class MemoryServer {
  #isUp = true
  #connections = new Set()
  #logs = new Map()
  #appended = 0

  connect (connection) {
    this.#connections.add(connection)
    if (this.#isUp) connection.up()
  }

  disconnect (connection) {
    this.#connections.delete(connection)
  }

  send (channel, message, position) {
    for (const connection of this.#connections) connection.receive(channel, message, position)
  }

  /** Keeps a message, and sends it. One number after the other is a position. */
  append (channel, message, { size, maxBytes }) {
    const position = String(++this.#appended)
    const log = this.log(channel, Infinity)
    log.push({ position, message: Buffer.from(message), time: Date.now() })
    const bytes = () => log.reduce((sum, { message }) => sum + message.length, 0)
    while (log.length > size || (bytes() > maxBytes && log.length > 1)) log.shift()
    this.#logs.set(channel, log)
    this.send(channel, message, position)
    return position
  }

  /** The messages of the last `ttl` milliseconds. */
  log (channel, ttl) {
    const log = this.#logs.get(channel) ?? []
    return log.filter(({ time }) => Date.now() - time <= ttl)
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
  /** The part that keeps messages. Without it, the broker would be complete, too. */
  history = new MemoryHistory(this)
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

  async append (topic, message, retention) {
    this.#check()
    return this.#server.append(this.#prefix + topic, message, retention)
  }

  async log (topic, { ttl }) {
    this.#check()
    return this.#server.log(this.#prefix + topic, ttl)
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

  receive (channel, message, position) {
    const topic = channel.slice(this.#prefix.length)
    if (!channel.startsWith(this.#prefix) || !this.#topics.has(topic)) return
    if (position === undefined) this.#listener.onMessage(topic, message)
    else this.#listener.onEntry(topic, position, message)
  }

  #check () {
    if (!this.#isUp) throw new Error('the server is out of reach')
  }
}

/** The part of a broker that keeps messages, for topics with history. */
class MemoryHistory {
  #broker

  constructor (broker) {
    this.#broker = broker
  }

  async subscribe (topic) {
    await this.#broker.subscribe(topic)
  }

  async unsubscribe (topic) {
    await this.#broker.unsubscribe(topic)
  }

  async append (topic, message, retention) {
    return await this.#broker.append(topic, message, retention)
  }

  async read (topic, position, count, retention) {
    const log = await this.#broker.log(topic, retention)
    return log.filter((entry) => this.compare(entry.position, position) >= 0).slice(0, count)
  }

  async readNewest (topic, count, retention) {
    const log = await this.#broker.log(topic, retention)
    return log.slice(-count)
  }

  compare (a, b) {
    return a - b
  }
}

module.exports = { MemoryServer, MemoryBroker }
