'use strict'

// The server, in a process of its own: node --expose-gc server.js <seed>

const { setTimeout: delay } = require('node:timers/promises')
const { promisify } = require('node:util')
const Fastify = require('fastify')
const websocket = require('../..')
const { DOWN, TOPIC, UP, difference, messageOf } = require('./messages')
const { ServerAccounts } = require('./accounts')
const { LIMIT, planOf } = require('./plan')
const { PATIENCE, problem, remains, work } = require('./worker')

const seed = Number(process.argv[2])

/** The message of the errors that handlers throw as planned. */
const ON_PURPOSE = 'thrown on purpose'

const HANDSHAKE_TIMEOUT = 50
const TOO_LATE = `neither accept() nor deny() within ${HANDSHAKE_TIMEOUT} ms (handshakeTimeout)`

/** More than the number of clients at one time. If the plugin did not count a connection out, it would refuse others sooner or later. */
const MAX_CONNECTIONS = 1_000

/** A message of which a client that reads nothing has soon too many, and how many are published to it at most. */
const LARGE = Buffer.alloc(256 * 1024)
const MOST_PUBLISHED = 200

const app = Fastify({ logger: { level: 'error', stream: { write: logged } } })

const accounts = new ServerAccounts(app, seed)
const counts = { begun: 0, ended: 0, toDisconnect: 0, disconnects: 0, received: 0 }
/** The number of calls of `onDisconnect` for each accepted session. */
const disconnects = new Map()
/** The number of the next message of each topic. */
const topics = new Map()

function logged (line) {
  const { err, msg } = JSON.parse(line)
  if (err?.message !== ON_PURPOSE && err?.message !== TOO_LATE) problem(`logged: ${msg} ${err?.stack}`)
}

/** The server's side of one connection. */
class Visit {
  plan
  received = 0
  #ws

  constructor (ws, { params }) {
    this.plan = planOf(seed, Number(params.id))
    this.#ws = ws
    counts.begun++
  }

  async accept () {
    const { acceptDelay } = this.plan
    if (acceptDelay > 0) await delay(acceptDelay)
    await this.#ws.accept()
  }

  /** Sends all messages. Rejects if the connection ends before. */
  async send () {
    for (let n = 0; n < this.plan.down; n++) {
      await this.#ws.send(messageOf(seed, this.plan.id, DOWN, n))
    }
  }

  /** Checks a message. Returns whether the server has received all messages, and has to close. */
  async receive (message) {
    const { plan } = this
    const wrong = difference(message, messageOf(seed, plan.id, UP, this.received++))
    if (wrong !== undefined) this.problem(wrong)
    counts.received++
    if (plan.fate === 'server-terminate' && this.received === plan.fateAt) this.#ws.terminate()
    if (plan.slowEvery > 0 && this.received % plan.slowEvery === 0) await delay(1)
    return plan.closer === 'server' && this.received >= plan.up
  }

  /** Checks the end, after all messages before it: a closing client has sent all its messages before its close. */
  checkEnd ({ code, wasClean }) {
    const { form, closer, up, isKilled, closeCode, throws } = this.plan
    if (form === 'flood' || form === 'slow-close') return
    if (!throws && closer === 'client' && wasClean && this.received < up) this.problem(`received ${this.received} of ${up}`)
    if (!isKilled && code !== (throws ? closeCode : 1000)) this.problem(`ended with ${code}`)
  }

  ended () {
    counts.ended++
  }

  problem (text) {
    problem(`server, connection ${this.plan.id}: ${text} (${JSON.stringify(this.plan)})`)
  }
}

/** Returns a handler with checks. */
function handler (handle) {
  return async (ws, request) => {
    const visit = new Visit(ws, request)
    try {
      await handle(ws, visit)
      if (ws.accepted && ws.state === 'closed') visit.checkEnd(await ws.closed)
    } finally {
      visit.ended()
    }
  }
}

async function iterate (ws, visit) {
  await visit.accept()
  const sent = visit.send()
  sent.catch(() => {})
  for await (const message of ws) {
    if (await visit.receive(message)) break
  }
  if (visit.plan.closer === 'server') await sent
}

async function receive (ws, visit) {
  await visit.accept()
  const sent = visit.send()
  sent.catch(() => {})
  try {
    while (!await visit.receive(await ws.receive({ timeout: PATIENCE }))) ;
  } catch (error) {
    if (!(error instanceof websocket.WebSocketDisconnect)) throw error
    visit.checkEnd(await ws.closed)
    throw error
  }
  await sent
}

async function pair (ws, visit) {
  await visit.accept()
  const { id, up } = visit.plan
  await ws.expect(`hello ${id}`)
  for (let n = 0; n < up; n++) {
    await visit.receive(await ws.pair(messageOf(seed, id, DOWN, n)))
  }
}

async function topic (ws, visit) {
  await visit.accept()
  const { topic } = visit.plan
  const name = `topic ${topic}`
  ws.subscribe(name)
  ws.send(`from ${topics.get(topic) ?? 0}`)
  for await (const command of ws) {
    counts.received++
    const n = topics.get(topic) ?? 0
    if (command === 'stop') {
      ws.unsubscribe(name)
      ws.send(`until ${n}`)
      return
    }
    topics.set(topic, n + 1)
    const message = messageOf(seed, topic, TOPIC, n)
    if (command === 'to all') {
      app.websockets.publish(name, message)
    } else {
      ws.publish(name, message)
      await ws.send(message) // ws.publish does not send to the publishing session
    }
  }
}

async function flood (ws, visit) {
  await visit.accept()
  for await (const message of ws) await visit.receive(message)
  visit.problem(`a flood has ended after ${visit.received} messages`)
}

/** Publishes to a client that reads nothing, until the client is slow, or for a while. Tells the client how much it has missed. */
async function slow (ws, visit) {
  await visit.accept()
  const name = `slow ${visit.plan.id}`
  await ws.subscribe(name)
  await ws.receive()
  counts.received++
  let published = 0
  for (; published < MOST_PUBLISHED && ws.skipped === 0 && ws.state === 'open'; published++) await app.websockets.publish(name, LARGE)
  await ws.unsubscribe(name)
  if (ws.state === 'open') await ws.send(`sent ${published - ws.skipped}`)
}

async function throws (ws, visit) {
  await visit.accept()
  await visit.send()
  const { throwsAt, closeCode } = visit.plan
  while (visit.received < throwsAt) await visit.receive(await ws.receive())
  throw Object.assign(new Error(ON_PURPOSE), { closeCode })
}

/** Returns session handlers with checks. */
function handlers (onMessage) {
  const visits = new WeakMap()
  return {
    async onConnect (ws, request) {
      const visit = new Visit(ws, request)
      visits.set(ws, visit)
      try {
        await visit.accept()
      } catch (error) {
        visit.ended()
        throw error
      }
      counts.toDisconnect++
      disconnects.set(visit, 0)
      visit.sent = visit.send()
      visit.sent.catch(() => {})
    },
    async onMessage (ws, message) {
      const visit = visits.get(ws)
      if (visit.isBusy) visit.problem('two messages at once')
      visit.isBusy = true
      try {
        await onMessage(ws, visit, message)
      } finally {
        visit.isBusy = false
      }
    },
    async onDisconnect (ws, info) {
      const visit = visits.get(ws)
      disconnects.set(visit, disconnects.get(visit) + 1)
      counts.disconnects++
      if (visit.isBusy) visit.problem('onDisconnect while onMessage runs')
      visit.checkEnd(info)
      await delay(1)
      visit.ended()
    }
  }
}

async function receiveOne (ws, visit, message) {
  if (!await visit.receive(message)) return
  await visit.sent
  ws.close()
}

async function receiveAndThrow (ws, visit, message) {
  await visit.receive(message)
  if (visit.received < visit.plan.throwsAt) return
  await visit.sent
  throw Object.assign(new Error(ON_PURPOSE), { closeCode: visit.plan.closeCode })
}

function raw (socket) {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

function refuse (request, reply, done) {
  done(Object.assign(new Error('not you'), { statusCode: 401 }))
}

async function listen () {
  await app.register(websocket, {
    receiveType: 'any',
    maxConnections: MAX_CONNECTIONS,
    handshakeTimeout: 5_000
  })
  app.websocket('/iterate/:id', handler(iterate))
  app.websocket('/receive/:id', handler(receive))
  app.websocket('/handlers/:id', { websocket: { maxConnections: MAX_CONNECTIONS } }, handlers(receiveOne))
  app.websocket('/pair/:id', handler(pair))
  app.websocket('/topic/:id', handler(topic))
  app.websocket('/throws/:id', handler(throws))
  app.websocket('/handlers-throw/:id', handlers(receiveAndThrow))
  app.websocket('/raw/:id', { websocket: { raw: true } }, raw)
  app.websocket('/flood/:id', { websocket: { rateLimit: { messages: LIMIT, interval: 86_400_000 } } }, handler(flood))
  app.websocket('/slow-skip/:id', { websocket: { slowSubscriber: 'skip' } }, handler(slow))
  app.websocket('/slow-close/:id', handler(slow))
  app.websocket('/denies/:id', handler((ws) => ws.deny(403, { no: 'entry' }, { 'x-soak': 'yes' })))
  app.websocket('/throws-early/:id', handler(() => { throw new Error(ON_PURPOSE) }))
  app.websocket('/undecided/:id', { websocket: { handshakeTimeout: HANDSHAKE_TIMEOUT } }, handler((ws) => ws.closed))
  app.websocket('/hook/:id', { preHandler: refuse }, handler(() => problem('the handler of a refused request has run')))
  app.websocket('/hook-close/:id', { preHandler: refuse, websocket: { refusal: 'close' } }, handler(() => problem('the handler of a refused request has run')))
  app.websocket('/leaves/:id', handler(iterate))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}

/** Checks that everything ends, after all clients have left. */
async function settle (options) {
  const connections = promisify(app.server.getConnections.bind(app.server))
  const deadline = Date.now() + PATIENCE
  const left = async () => ({ handlers: counts.begun - counts.ended, sessions: app.websockets.size, connections: await connections() })
  const isOver = (rest) => Object.values(rest).every((count) => count === 0)
  while (!isOver(await left()) && Date.now() < deadline) await delay(10)
  const rest = await left()
  if (!isOver(rest)) problem(`server: have not ended: ${JSON.stringify(rest)}`)
  for (const [visit, times] of disconnects) {
    if (times !== 1) visit.problem(`onDisconnect has run ${times} times`)
  }
  disconnects.clear()
  for (const topic of topics.keys()) {
    const { size } = app.websockets.subscribers(`topic ${topic}`)
    if (size > 0) problem(`server: ${size} subscribers are left`)
  }
  for (const text of accounts.problems) problem(text)
  return { counts, accounts: accounts.rows, remains: await remains(['TCPServerWrap'], options) }
}

work({ listen, settle })
