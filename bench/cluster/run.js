'use strict'

// npm run bench -- cluster [--quick] [--only <text>]: measures topics over processes, for each broker. See ../README.md.

const { setTimeout: delay } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { Child } = require('../child')
const { run } = require('../main')
const { ENGINES } = require('./engines')
const { Server } = require('./server')

/** Times in seconds. */
const FULL = { subscribers: 1_000, warmUp: 2, seconds: 5 }
const QUICK = { subscribers: 100, warmUp: 0.2, seconds: 0.2 }

function readOptions () {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' }
    }
  })
  return values
}

/** The processes on one engine. */
class Cluster {
  #engine
  #server
  #apps
  #ports

  static async start (engine) {
    const cluster = new Cluster(engine)
    await cluster.#start(ENGINES[engine])
    return cluster
  }

  constructor (engine) {
    this.#engine = engine
  }

  /** Publishes `inFlight` messages at a time, and the next ones when all subscribers have received them. */
  async measure (settings, { subscribers, ...options }) {
    const load = new Child('load.js', ['broadcast', JSON.stringify({ payload: 'text', size: 64, connections: subscribers, ...settings })], { name: 'the load' })
    try {
      await load.call('prepare', { ports: this.#ports })
      while (await this.#subscribers() < subscribers) await delay(10)
      return await load.call('measure', options)
    } finally {
      load.end()
      while (await this.#subscribers() > 0) await delay(10)
    }
  }

  end () {
    for (const app of this.#apps) app.end()
    this.#server?.end()
  }

  async #start ({ name, processes, server }) {
    if (server !== undefined) this.#server = await Server.start(server)
    this.#apps = Array.from({ length: processes }, () => new Child('cluster/app.js', [this.#engine, String(this.#server?.url)], { name: `a process with ${name}` }))
    this.#ports = await Promise.all(this.#apps.map((app) => app.call('listen')))
  }

  /** The number of subscribers whose subscription the broker has confirmed. */
  async #subscribers () {
    const counts = await Promise.all(this.#apps.map((app) => app.call('subscribers')))
    return counts.reduce((sum, count) => sum + count)
  }
}

function head ({ subscribers }) {
  return `${line(['', 'deliveries/s', 'each message awaited', `ms to the last of ${subscribers.toLocaleString('en')}: p50`, 'p99'])}\n|---|---:|---:|---:|---:|`
}

async function row (name, cluster, options) {
  const free = await cluster.measure({ inFlight: 16 }, options)
  const awaited = await cluster.measure({ inFlight: 16, publisher: '/publish-awaiting' }, options)
  const { p50, p99 } = await cluster.measure({ inFlight: 1 }, options)
  return line([name, ...[free, awaited].map(({ count, seconds }) => Math.round(count / seconds).toLocaleString('en')), p50.toFixed(1), p99.toFixed(1)])
}

function line (cells) {
  return `| ${cells.join(' | ')} |`
}

async function main () {
  const { quick, only } = readOptions()
  const options = quick ? QUICK : FULL
  console.log(head(options))
  for (const [engine, { name }] of Object.entries(ENGINES)) {
    if (!name.includes(only)) continue
    const cluster = await Cluster.start(engine)
    console.log(await row(name, cluster, options))
    cluster.end()
  }
}

run(main)
