'use strict'

const { on, once } = require('node:events')
const WebSocket = require('ws')
const { connect, WebSocketDisconnect, WebSocketUpgradeError } = require('../..')

// Both kinds of client have the same members: `send`, `receive`, which resolves with undefined at the end, `close`, `pause`,
// `resume`, the TCP `socket`, and `closed`, which resolves with the close code.

class WsPeer {
  socket
  closed
  #raw
  #messages

  static async open (url) {
    const raw = new WebSocket(url)
    const peer = new WsPeer(raw)
    let status
    raw.on('unexpected-response', (request, response) => {
      status = response.statusCode
      request.destroy()
      raw.terminate()
    })
    await Promise.race([once(raw, 'open').catch(() => {}), peer.closed])
    if (raw.readyState === WebSocket.CONNECTING || status !== undefined) return { status }
    peer.socket = raw._socket
    return { peer }
  }

  constructor (raw) {
    this.#raw = raw
    this.#messages = on(raw, 'message', { close: ['close'] })
    raw.on('error', () => {}) // 'close' follows
    this.closed = new Promise((resolve) => raw.once('close', (code) => resolve(code)))
  }

  send (message) {
    return new Promise((resolve, reject) => this.#raw.send(message, (error) => error ? reject(error) : resolve()))
  }

  async receive () {
    const { value, done } = await this.#messages.next()
    if (done) return undefined
    const [data, isBinary] = value
    return isBinary ? data : data.toString()
  }

  close () { this.#raw.close(1000) }
  pause () { this.#raw.pause() }
  resume () { this.#raw.resume() }
}

class OwnPeer {
  socket
  closed
  #client

  static async open (url) {
    try {
      return { peer: new OwnPeer(await connect(url, { receiveType: 'any' })) }
    } catch (error) {
      if (error instanceof WebSocketUpgradeError) return { status: error.statusCode }
      throw error
    }
  }

  constructor (client) {
    this.#client = client
    this.socket = client.raw._socket
    this.closed = client.closed.then(({ code }) => code)
  }

  send (message) {
    return this.#client.send(message)
  }

  async receive () {
    try {
      return await this.#client.receive()
    } catch (error) {
      if (error instanceof WebSocketDisconnect) return undefined
      throw error
    }
  }

  close () { this.#client.close() }
  pause () {} // the client pauses by itself while nothing is received
  resume () {}
}

const PEERS = { ws: WsPeer, connect: OwnPeer }

/** Connects to `url`. Resolves with the client as `peer`, or with the `status` of the refusal. */
function openPeer (kind, url) {
  return PEERS[kind].open(url)
}

module.exports = { openPeer }
