'use strict'

// node test/client-load/leaks.js [--connections 10000]
//
// Clients of `reconnect` open connections, one after another: the server closes them, drops them and refuses them, and the URL
// of some attempts cannot be had. Fails if anything of the connections is left: bytes of the heap, listeners, timers, sockets.
// The loops are still running when that is looked at, so that nothing hides in them.

const { parseArgs } = require('node:util')
const { getEventListeners } = require('node:events')
const { setTimeout: delay } = require('node:timers/promises')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { freePort } = require('../../bench/ports')
const { readSnapshot, takeSnapshot } = require('../soak/heap')
const { kill, startServer } = require('./child')

/** The loops that run at the same time. */
const LOOPS = 10

/** What becomes of the attempts of a loop, in turn. Half of them open. */
const FATES = ['closed', 'refused', 'gone', 'rejected']

/** The share of the connections that warm up. */
const WARM_UP = 0.2

/** In bytes: what the heap may grow by after the warm-up. V8 takes some 100 kB for itself, however many connections there are. */
const NOISE = 300 * 1024

const PAGE_EVENTS = ['online', 'pageshow', 'visibilitychange']

/** In ms: how long the last connections may take to end. */
const PATIENCE = 10_000

/** A place at which all loops wait for each other, and then until it opens. */
class Barrier {
  #arrived = 0
  #open
  #opened = new Promise((resolve) => { this.#open = resolve })
  #fill
  full = new Promise((resolve) => { this.#fill = resolve })

  async pass () {
    if (++this.#arrived === LOOPS) this.#fill()
    await this.#opened
  }

  open () {
    this.#open()
  }
}

/** The targets of a page's events, so that the waits of the loops listen to them. */
function createPage () {
  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { baseURI: 'http://127.0.0.1/', visibilityState: 'visible' })
  Object.assign(globalThis, { document, addEventListener: window.addEventListener.bind(window), removeEventListener: window.removeEventListener.bind(window) })
  return [window, document]
}

/** A loop, which stops at the barriers: a map from a number of connections to the barrier after them. */
class Loop {
  attempts = 0
  signal = new AbortController().signal
  #url

  constructor (url) {
    this.#url = url
  }

  async run (reconnect, barriers) {
    let connections = 0
    const last = Math.max(...barriers.keys())
    for await (const ws of reconnect(() => this.#next(), { baseDelay: 1, maxDelay: 1, signal: this.signal, receiveTimeout: 10_000 })) {
      for await (const message of ws) if (message !== 'goodbye') throw new Error(message)
      await barriers.get(++connections)?.pass()
      if (connections === last) break
    }
  }

  #next () {
    const fate = FATES[this.attempts++ % FATES.length]
    if (fate === 'rejected') throw new Error('no URL')
    return `${this.#url}/end/${fate}`
  }
}

/** Resolves with the sockets and timers of this process when none is left, or after some time. */
async function resources () {
  const left = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name.startsWith('TCP'))
  const deadline = Date.now() + PATIENCE
  while (left().length > 0 && Date.now() < deadline) await delay(10)
  return left()
}

/** What there is while all loops stand at a barrier. */
async function remains (port, targets, loops) {
  return {
    resources: await resources(),
    pageListeners: targets.flatMap((target) => PAGE_EVENTS.flatMap((event) => getEventListeners(target, event))).length,
    listeners: loops.reduce((sum, { signal }) => sum + getEventListeners(signal, 'abort').length, 0),
    serverConnections: await (await fetch(`http://127.0.0.1:${port}/connections`)).json(),
    bytes: readSnapshot(await takeSnapshot())
  }
}

async function main () {
  setFlagsFromString('--expose-gc')
  globalThis.gc = runInNewContext('gc')
  globalThis.WebSocket ??= require('ws').WebSocket
  const connections = Number(parseArgs({ options: { connections: { type: 'string', default: '10000' } } }).values.connections)
  const { reconnect } = await import('../../dist/lib/client.mjs')
  const port = await freePort()
  const server = await startServer(port)
  const targets = createPage()

  const barriers = [WARM_UP * connections / LOOPS, connections / LOOPS].map((count) => [Math.ceil(count), new Barrier()])
  const loops = Array.from({ length: LOOPS }, () => new Loop(`ws://127.0.0.1:${port}`))
  await remains(port, targets, loops) // the first look loads modules, which take memory
  const ended = Promise.all(loops.map((loop) => loop.run(reconnect, new Map(barriers))))
  const seen = []
  for (const [, barrier] of barriers) {
    await Promise.race([barrier.full, ended])
    seen.push(await remains(port, targets, loops))
    barrier.open()
  }
  await ended
  const listeners = loops.reduce((sum, { signal }) => sum + getEventListeners(signal, 'abort').length, 0)
  await kill(server)

  const [before, after] = seen
  const attempts = loops.reduce((sum, loop) => sum + loop.attempts, 0)
  console.log(JSON.stringify({ connections, attempts, before, after, grown: after.bytes - before.bytes, listenersAfterLeaving: listeners }))
  const isClean = after.resources.length === 0 && after.pageListeners === 0 && after.listeners === LOOPS && after.serverConnections === 0 && listeners === 0
  if (!isClean || after.bytes - before.bytes > NOISE) throw new Error('something is left')
}

main().then(() => process.exit(), (error) => {
  console.error(error.stack)
  process.exit(1)
})
