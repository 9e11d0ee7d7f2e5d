'use strict'

// The clients, in a process of their own: node --expose-gc clients.js <seed>

const { once } = require('node:events')
const net = require('node:net')
const { setTimeout: delay } = require('node:timers/promises')
const { DOWN, TOPIC, UP, difference, messageOf } = require('./messages')
const { openPeer } = require('./peers')
const { Accounts } = require('./accounts')
const { LIMIT, planOf } = require('./plan')
const { problem, remains, work } = require('./worker')

const seed = Number(process.argv[2])

/** The number of clients at one time. */
const LANES = 200

/** In ms: how long one client may take. */
const PATIENCE = 20_000

const accounts = new Accounts()
const counts = { connections: 0, clean: 0, killed: 0, refused: 0, left: 0, received: 0 }

/** The status of each refusal, by the form of the connection. */
const STATUS = { denies: 403, 'throws-early': 500, undecided: 503, hook: 401 }

/** The method of the client for a form, if the method has another name than the form. */
const SIDES = { 'slow-skip': 'slow', 'slow-close': 'slow', iterate: 'converse', receive: 'converse', handlers: 'converse', 'handlers-throw': 'throws', 'hook-close': 'refused' }

/** The fates in which the client ends the connection. */
const STRIKES = {
  terminate: (socket) => socket.destroy(),
  reset: (socket) => socket.resetAndDestroy(),
  'half-close': (socket) => socket.end()
}

/** The client's side of one connection. */
class Visit {
  #plan
  #port
  #peer
  #received = 0
  #isStruck = false
  /** All messages that the client has sent and received. */
  #sentCount = 0
  #receivedCount = 0

  constructor (plan, port) {
    this.#plan = plan
    this.#port = port
  }

  async go () {
    const { form } = this.#plan
    counts.connections++
    if (form === 'leaves' || form === 'half-request') return await this.#leave()
    const { peer, status } = await openPeer(this.#plan.client, `ws://127.0.0.1:${this.#port}/${form}/${this.#plan.id}`)
    if (STATUS[form] !== undefined || peer === undefined) {
      counts.refused++
      accounts.add(form, `refused ${status}`)
      return this.#check('status', status, STATUS[form])
    }
    this.#peer = peer
    if (form !== 'hook-close') accounts.add(form, 'accepted')
    await this[SIDES[form] ?? form]()
    const code = await peer.closed
    if (form === 'hook-close') accounts.add(form, `refused ${code - 4000}`)
    else accounts.end(this.#plan, code, this.#receivedCount, this.#sentCount)
    if (this.#isStruck || this.#plan.fate === 'server-terminate') counts.killed++
    else counts.clean++
  }

  /** Both sides send at once. */
  async converse () {
    const { up, down, closer, isPatient, fate } = this.#plan
    const received = this.#receiveAll()
    const sent = this.#sendAll().catch((error) => error)
    if (closer === 'client') {
      await sent
      if (isPatient) await Promise.race([received, this.#has(down)])
      if (!this.#isStruck) this.#peer.close()
    }
    await Promise.all([sent, received])
    if (this.#isStruck || fate === 'server-terminate') return
    this.#check('close code', await this.#peer.closed, 1000)
    if (closer === 'server' || isPatient) this.#check('messages received', this.#received, down)
    const failure = await sent
    if (failure !== undefined) this.problem(`could not send all ${up}: ${failure.message}`)
  }

  /** The client answers each message with one message. */
  async pair () {
    const { id, up, fate } = this.#plan
    await this.#send(`hello ${id}`)
    for (let n = 0; n < up; n++) {
      if (!await this.#receive()) break
      await this.#sendOne(n)
      if (this.#isStruck) break
    }
    while (await this.#receive()) ;
    if (this.#isStruck || fate === 'server-terminate') return
    this.#check('messages received', this.#received, up)
    this.#check('close code', await this.#peer.closed, 1000)
  }

  /** The client sends more than the server takes. */
  async flood () {
    const { up } = this.#plan
    const received = this.#receiveAll()
    for (let n = 0; n < LIMIT + up; n++) this.#peer.send(messageOf(seed, this.#plan.id, UP, n)).catch(() => {})
    await received
    this.#sentCount = LIMIT // the server takes no more
    this.#check('close code', await this.#peer.closed, 1008)
  }

  /** The client reads nothing for a while. */
  async slow () {
    const { form, pause } = this.#plan
    await this.#send('go')
    this.#peer.pause()
    await delay(300 + pause)
    this.#peer.resume()
    let last
    for (let message = await this.#next(); message !== undefined; message = await this.#next()) last = message
    const code = await this.#peer.closed
    if (form === 'slow-close' && code === 1013) return
    this.#check('close code', code, 1000)
    this.#check('published messages received', `sent ${this.#receivedCount - 1}`, last)
  }

  async throws () {
    const { closeCode, down } = this.#plan
    await Promise.all([this.#sendAll().catch(() => {}), this.#receiveAll()]) // the server closes before it has received all messages
    this.#check('close code', await this.#peer.closed, closeCode)
    this.#check('messages received', this.#received, down)
  }

  /** The client sends commands, and receives all messages that are published while its session is subscribed. */
  async topic () {
    const { up, topic, fate, fateAt } = this.#plan
    const commanded = this.#command(up, fate, fateAt)
    commanded.catch(() => {})
    let next = numberAfter('from', await this.#next())
    for (let message = await this.#next(); message !== undefined; message = await this.#next()) {
      const until = numberAfter('until', message)
      if (until !== undefined) {
        this.#check('published messages received', next, until)
        this.#check('close code', await this.#peer.closed, 1000)
        return
      }
      const wrong = difference(message, messageOf(seed, topic, TOPIC, next++))
      if (wrong !== undefined) this.problem(wrong)
    }
    if (!this.#isStruck) this.problem(`ended with ${await this.#peer.closed}`)
  }

  /** The server echoes each message. */
  async raw () {
    const { id, up } = this.#plan
    for (let n = 0; n < up && !this.#isStruck; n++) {
      const message = messageOf(seed, id, UP, n)
      await this.#strike(n)
      if (this.#isStruck) break
      await this.#send(message)
      const answer = await this.#next()
      const wrong = difference(answer, message)
      if (wrong !== undefined) this.problem(wrong)
    }
    if (this.#isStruck) return
    this.#peer.close()
    this.#check('close code', await this.#peer.closed, 1000)
  }

  async refused () {
    this.#check('close code', await this.#peer.closed, 4401)
  }

  async #leave () {
    const { form, id, acceptDelay, fate } = this.#plan
    counts.left++
    const socket = net.connect(this.#port, '127.0.0.1')
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    const request = `GET /leaves/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    await once(socket, 'connect')
    socket.write(form === 'leaves' ? request : request.slice(0, id % request.length))
    socket.resume()
    await delay(acceptDelay)
    ;(STRIKES[fate] ?? STRIKES.terminate)(socket)
    await closed
  }

  async #receiveAll () {
    while (await this.#receive()) ;
  }

  /** Receives and checks a message. Returns false at the end of the connection. */
  async #receive () {
    const message = await this.#next()
    if (message === undefined) return false
    const wrong = difference(message, messageOf(seed, this.#plan.id, DOWN, this.#received++))
    if (wrong !== undefined) this.problem(wrong)
    this.#onReceived?.()
    return true
  }

  async #next () {
    const message = await this.#peer.receive()
    if (message === undefined) return undefined
    counts.received++
    this.#receivedCount++
    return message
  }

  #onReceived

  #has (count) {
    return new Promise((resolve) => {
      this.#onReceived = () => { if (this.#received >= count) resolve() }
      this.#onReceived()
    })
  }

  async #sendAll () {
    for (let n = 0; n < this.#plan.up && !this.#isStruck; n++) await this.#sendOne(n)
    if (!this.#isStruck) await this.#strike(this.#plan.up)
  }

  async #sendOne (n) {
    await this.#strike(n)
    if (!this.#isStruck) await this.#send(messageOf(seed, this.#plan.id, UP, n))
  }

  async #send (message) {
    this.#sentCount++
    await this.#peer.send(message)
  }

  async #command (up, fate, fateAt) {
    for (let n = 0; n < up; n++) {
      await this.#strike(n)
      if (this.#isStruck) return
      await this.#send((this.#plan.id + n) % 2 === 0 ? 'to all' : 'to the others')
      await delay(1)
    }
    await this.#send('stop')
  }

  /** Carries out the fate of the connection, if it comes before message `n`. */
  async #strike (n) {
    const { fate, fateAt, pause } = this.#plan
    if (n !== fateAt) return
    if (fate === 'pause') {
      this.#peer.pause()
      await delay(pause)
      this.#peer.resume()
    } else if (STRIKES[fate] !== undefined) {
      this.#isStruck = true
      STRIKES[fate](this.#peer.socket)
    }
  }

  #check (what, actual, expected) {
    if (actual !== expected) this.problem(`${what}: ${actual} instead of ${expected}`)
  }

  problem (text) {
    problem(`client, connection ${this.#plan.id}: ${text} (${JSON.stringify(this.#plan)})`)
  }
}

function numberAfter (word, message) {
  return typeof message === 'string' && message.startsWith(`${word} `) ? Number(message.slice(word.length + 1)) : undefined
}

let lastId = 0

/** Opens connections for `seconds` seconds. Resolves when all of them have ended. */
async function run ({ port, seconds }) {
  const deadline = Date.now() + seconds * 1000
  async function lane () {
    while (Date.now() < deadline) await visit(planOf(seed, ++lastId), port)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return { counts }
}

async function visit (plan, port) {
  const patience = new AbortController()
  const visit = new Visit(plan, port)
  const over = delay(PATIENCE, 'late', { signal: patience.signal }).catch(() => {})
  try {
    if (await Promise.race([visit.go(), over]) === 'late') visit.problem(`has not ended within ${PATIENCE} ms`)
  } catch (error) {
    visit.problem(error.stack)
  }
  patience.abort()
}

async function settle (options) {
  return { counts, accounts: accounts.rows, remains: await remains([], options) }
}

work({ run, settle })
