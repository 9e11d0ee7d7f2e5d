'use strict'

// Each connection has a number of messages in flight. It sends the next message for each complete answer.

const { Connection, openAll } = require('./connection')
const { plain } = require('./messages')

/** Of each SAMPLE reads, one is compared whole, first the first read of a measurement. Of the others, the length and one header are checked. */
const SAMPLE = 64

class Echo {
  count = 0
  #running = false
  #pending = 0
  #drained
  #connections = []

  constructor ({ requests, answers }) {
    this.inFlight = requests.length
    this.answerSize = answers[0].length
    if (answers.some(({ length }) => length !== this.answerSize)) throw new Error('the answers have different lengths')
    this.period = this.inFlight * this.answerSize
    this.expected = Buffer.concat([...answers, ...answers])
    this.writes = slices(requests)
  }

  async open (count, create) {
    this.#connections = await openAll(count, create)
  }

  async start () {
    const first = this.count + this.inFlight * this.#connections.length
    this.#running = true
    for (const connection of this.#connections) connection.start()
    while (this.count < first) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  /** Resolves when every answer has arrived. With a byte too few or too many, it never resolves or throws. */
  async stop () {
    this.#running = false
    await new Promise((resolve) => {
      this.#drained = resolve
      this.settle()
    })
    for (const connection of this.#connections) connection.checkDrained()
  }

  sent (count) {
    this.#pending += count
  }

  /** `count` messages have been answered. Returns the number of messages to send next. */
  answered (count) {
    this.count += count
    this.#pending -= count
    if (this.#running) return count
    this.settle()
    return 0
  }

  settle () {
    if (this.#pending < 0) throw new Error('more answers than messages')
    if (this.#pending === 0) this.#drained?.()
  }
}

/** Returns the bytes of `count` messages from number `from` on, as `writes[from][count]`. */
function slices (requests) {
  const offsets = [0]
  for (const { length } of [...requests, ...requests]) offsets.push(offsets.at(-1) + length)
  const bytes = Buffer.concat([...requests, ...requests])
  return requests.map((_, from) => Array.from({ length: requests.length + 1 }, (_, count) =>
    bytes.subarray(offsets[from], offsets[from + count])))
}

class EchoConnection extends Connection {
  #flow
  #next = 0
  #position = 0
  #reads = 0

  constructor (flow, ...args) {
    super(...args)
    this.#flow = flow
  }

  start () {
    this.#reads = 0
    this.send(this.#flow.inFlight)
  }

  send (count) {
    const from = this.#next
    this.#next = (from + count) % this.#flow.inFlight
    this.#flow.sent(count)
    this.socket.write(this.#flow.writes[from][count])
  }

  receive (length, bytes) {
    const { period, answerSize } = this.#flow
    const start = this.#position
    const end = start + length
    this.#verify(start, length, bytes)
    this.#position = end % period
    const count = Math.floor(end / answerSize) - Math.floor(start / answerSize)
    if (count === 0) return
    const toSend = this.#flow.answered(count)
    if (toSend > 0) this.send(toSend)
  }

  checkDrained () {
    if (this.#position % this.#flow.answerSize !== 0) throw new Error('bytes are left over: an answer had the wrong length')
  }

  #verify (start, length, bytes) {
    const { period, answerSize, expected } = this.#flow
    if (length > period) throw new Error('more bytes than were asked for')
    if (this.#reads++ % SAMPLE === 0) {
      if (expected.compare(bytes, 0, length, start, start + length) !== 0) throw new Error('an answer differs from its message')
      return
    }
    const header = (answerSize - start % answerSize) % answerSize
    if (header + 1 < length && (bytes[header] !== expected[0] || bytes[header + 1] !== expected[1])) {
      throw new Error('an answer begins in the wrong place')
    }
  }
}

async function prepare (settings) {
  const flow = new Echo(plain(settings))
  await flow.open(settings.connections, () => new EchoConnection(flow, settings, settings.path))
  return flow
}

module.exports = { prepare, Echo, EchoConnection }
