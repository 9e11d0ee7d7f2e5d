'use strict'

// node test/client-load/storm.js [--clients 1000] [--down 2000] [--random <n>]
//
// Kills the server of many clients, which use `reconnect` with its defaults, and starts the server again after `--down`
// milliseconds. Prints how the attempts of the clients spread over time: as `reconnect` has planned them, and as this process,
// which may be slow with so many clients, has made them. With `--random 1`, each wait takes its whole bound: this is what the
// clients would do without a random delay.

const { setMaxListeners } = require('node:events')
const { parseArgs } = require('node:util')
const { setTimeout: delay } = require('node:timers/promises')
const { freePort } = require('../../bench/ports')
const { kill, startServer } = require('./child')

/** In ms: the width of a bar. */
const STEP = 100

/** In ms: how long all clients have to be back. */
const PATIENCE = 60_000

/** The clients that connect at the same time in the beginning. */
const SLICE = 100

function readOptions () {
  const number = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({ options: { clients: number('1000'), down: number('2000'), random: { type: 'string' } } })
  return { clients: Number(values.clients), down: Number(values.down), random: values.random }
}

/** Clients of one server. */
class Crowd {
  /** The times of all attempts, as they were planned and as they were made, and of all openings, in ms. */
  planned = []
  attempts = []
  openings = []
  open = 0
  #reconnect
  #url
  #leaving = new AbortController()
  #wake = () => {}

  constructor (reconnect, url) {
    this.#reconnect = reconnect
    this.#url = url
    setMaxListeners(0, this.#leaving.signal) // all clients share the signal
  }

  /** Adds a client. Its loop ends with `leave`. */
  async add () {
    const url = () => {
      this.attempts.push(performance.now())
      return this.#url
    }
    try {
      const onStatus = (status, details) => { if (status === 'waiting') this.planned.push(performance.now() + details.delay) }
      for await (const ws of this.#reconnect(url, { signal: this.#leaving.signal, onStatus })) {
        this.openings.push(performance.now())
        this.open++
        this.#wake()
        await ws.closed
        this.open--
      }
    } catch (error) {
      if (!this.#leaving.signal.aborted) throw error
    }
  }

  async isOpen (count) {
    while (this.open < count) await new Promise((resolve) => { this.#wake = resolve })
  }

  leave () {
    this.#leaving.abort()
  }
}

/** The largest number of `times`, which are sorted, within `width` milliseconds. */
function densest (times, width) {
  let first = 0
  let most = 0
  for (let last = 0; last < times.length; last++) {
    while (times[last] - times[first] >= width) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** How many of `times` are in each `STEP`. */
function perStep (times) {
  const counts = new Map()
  for (const time of times) counts.set(Math.floor(time / STEP), (counts.get(Math.floor(time / STEP)) ?? 0) + 1)
  return counts
}

/** A row of text for each `STEP` in which something has happened. */
function histogram (planned, attempts, openings, up) {
  const columns = [planned, attempts, openings].map(perStep)
  const rows = ['    ms planned attempts  open']
  for (let step = 0; step <= Math.floor(openings.at(-1) / STEP); step++) {
    const counts = columns.map((column) => column.get(step) ?? 0)
    const isUp = step === Math.floor(up / STEP)
    if (counts.every((count) => count === 0) && !isUp) continue
    const [first, ...rest] = counts.map(String)
    rows.push(`${String(step * STEP).padStart(6)} ${first.padStart(7)} ${rest[0].padStart(8)} ${rest[1].padStart(5)} ${'#'.repeat(Math.round(counts[0] / 5))}${isUp ? ' ← the server listens' : ''}`)
  }
  return rows
}

async function main () {
  globalThis.WebSocket ??= require('ws').WebSocket
  const { reconnect } = await import('../../dist/lib/client.mjs')
  const { clients, down, random } = readOptions()
  if (random !== undefined) Math.random = () => Number(random)
  const port = await freePort()
  const server = await startServer(port)
  const crowd = new Crowd(reconnect, `ws://127.0.0.1:${port}/stay`)
  for (let count = SLICE; count < clients + SLICE; count += SLICE) {
    for (let n = count - SLICE; n < Math.min(count, clients); n++) crowd.add()
    await crowd.isOpen(Math.min(count, clients))
  }

  crowd.planned.length = crowd.attempts.length = crowd.openings.length = 0
  const killed = performance.now()
  await kill(server)
  await delay(down)
  const again = await startServer(port)
  const up = performance.now() - killed
  await Promise.race([crowd.isOpen(clients), delay(PATIENCE, undefined, { ref: false }).then(() => { throw new Error(`after ${PATIENCE} ms, ${crowd.open} of ${clients} clients are open`) })])
  crowd.leave()
  await kill(again)

  const sinceKilled = (times) => times.map((time) => time - killed)
  const planned = sinceKilled(crowd.planned).sort((a, b) => a - b)
  const attempts = sinceKilled(crowd.attempts)
  const openings = sinceKilled(crowd.openings)
  for (const row of histogram(planned, attempts, openings, up)) console.log(row)
  console.log(JSON.stringify({
    clients,
    attempts: attempts.length,
    densest: densest(attempts, STEP),
    densestPlanned: densest(planned, STEP),
    up: Math.round(up),
    back: Object.fromEntries([50, 90, 99, 100].map((percent) => [`${percent} %`, Math.round(openings[Math.ceil(clients * percent / 100) - 1])]))
  }))
}

main().then(() => process.exit(), (error) => {
  console.error(error.stack)
  process.exit(1)
})
