'use strict'

// A number of lanes. Each lane opens a connection, closes it, and begins again.

const { CLOSE, clientFrame, serverFrame } = require('../frames')
const { Connection } = require('./connection')

const NORMAL_CLOSURE = Buffer.from([1000 >> 8, 1000 & 0xff])
const close = clientFrame(NORMAL_CLOSURE, CLOSE)
const closed = serverFrame(NORMAL_CLOSURE, CLOSE)

/** A connection that is opened, and closed with the closing handshake (RFC 6455, section 7.1.2). The server ends the connection. */
class Handshake extends Connection {
  #answered = false
  over = new Promise((resolve) => { this.closed = () => resolve(this.#answered) })

  async complete (opened) {
    await this.open
    opened()
    this.socket.write(close)
    if (!await this.over) throw new Error('the server has not answered the close frame')
  }

  receive (length, bytes) {
    if (this.#answered || !bytes.subarray(0, length).equals(closed)) throw new Error('the server has not answered with a close frame')
    this.#answered = true
  }
}

class Handshakes {
  count = 0
  #running = false
  #settings
  #lanes

  constructor (settings) {
    this.#settings = settings
  }

  start () {
    this.#running = true
    this.#lanes = Array.from({ length: this.#settings.connections }, () => this.#lane())
  }

  async stop () {
    this.#running = false
    await Promise.all(this.#lanes)
  }

  async #lane () {
    while (this.#running) {
      await new Handshake(this.#settings, this.#settings.path).complete(() => { this.count++ })
    }
  }
}

async function prepare (settings) {
  return new Handshakes(settings)
}

module.exports = { prepare }
