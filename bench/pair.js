'use strict'

const { setTimeout: delay } = require('node:timers/promises')
const { Child } = require('./child')
const { PEERS } = require('./peers')
const { environment } = require('./unmasking')

/** The environment that tells a server where this plugin is: for the peer `before` in the checkout of --before. */
const plugin = (peer) => peer === 'before' ? { BENCH_PLUGIN: process.env.BENCH_BEFORE } : {}

/** In bytes: the limit of a message for all servers. */
const maxPayload = 1024 * 1024

/** A server and its load process, for one workload. Between measurements, both are idle. */
class Pair {
  #server
  #load
  #measure
  #unmasking

  static async start (peer, workload) {
    const pair = new Pair(peer, workload)
    const port = await pair.#server.call('listen')
    await pair.#load.call('prepare', { port })
    pair.#unmasking = await pair.#server.call('unmasking')
    return pair
  }

  constructor (peer, { driver, settings, server, fresh }) {
    this.peer = peer
    const { name, script } = PEERS[peer]
    this.#server = new Child('server.js', [script, JSON.stringify({ maxPayload, ...server })], { core: 0, name: `the server of ${name}`, env: { ...environment(server), ...plugin(peer) } })
    this.#load = new Child('load.js', [driver, JSON.stringify({ ...settings, tls: server.tls })], { core: 1, name: `the load on ${name}` })
    this.#measure = fresh ? this.#memory : this.#throughput
  }

  async measure (options) {
    return { ...await this.#measure(options), unmasking: this.#unmasking }
  }

  end () {
    this.#server.end()
    this.#load.end()
  }

  async #throughput (options) {
    const marks = []
    const mark = () => marks.push(this.#server.call('mark'))
    const result = await this.#load.call('measure', options, { begin: mark, end: mark })
    const [before, after] = await Promise.all(marks)
    return { ...result, serverBusy: (after.cpu - before.cpu) / (after.time - before.time) }
  }

  async #memory () {
    const before = await this.#server.call('memory')
    await this.#load.call('measure', { warmUp: 0 })
    await delay(500)
    const after = await this.#server.call('memory')
    return { rss: after.rss - before.rss, heap: after.heap - before.heap }
  }
}

module.exports = { Pair }
