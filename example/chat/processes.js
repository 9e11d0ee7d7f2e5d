'use strict'

const { randomUUID } = require('node:crypto')
const { EventEmitter } = require('node:events')
const { setTimeout: delay } = require('node:timers/promises')

/** What is told, is told on one topic, so that it arrives in the order in which a process has told it. */
const TOPIC = 'processes'

/** Milliseconds: from one sign of life to the next, and without one until a process counts as gone. */
const BEAT = 1_000
const GONE = 3_000

/** Milliseconds: in which others are heard of that are there, and in which they answer. */
const SETTLING = 500
const PATIENCE = 1_000

/**
 * The other processes of the chat, as a broker reaches them that is used for nothing else. Events:
 *
 * - 'news', process, what: another process has told something
 * - 'ask': it is time to tell all that the others may not know
 * - 'gone', process: nothing was heard of it for some seconds
 */
module.exports = class Processes extends EventEmitter {
  #id = randomUUID()
  #broker
  #isUp = false
  /** Resolves when the broker has taken the last message. */
  #sent
  /** Resolves when it is known who else is there. */
  #settled
  /** When each of the others was last heard of. */
  #heard = new Map()
  /** Who has not answered a question yet. */
  #questions = new Map()

  constructor (app, broker) {
    super()
    this.#broker = broker
    const timer = setInterval(() => this.#beat(), BEAT).unref()
    app.addHook('onReady', () => broker.start({
      onUp: () => this.#onUp().catch((error) => app.log.error(error)),
      onDown: () => { this.#isUp = false },
      onMessage: (_topic, bytes) => this.#onMessage(JSON.parse(Buffer.from(bytes)))
    }))
    app.addHook('onClose', async () => {
      clearInterval(timer)
      await this.#sent // that everybody here has left, among others
      await broker.close()
    })
  }

  /** Tells the others, unless the broker is down: when it is up again, there is an 'ask'. */
  tell (news) {
    this.#send({ news })
  }

  /** Resolves when all that the others have told until now is known here; after a second, if one of them does not answer. */
  async caughtUp () {
    await this.#settled
    if (!this.#isUp || this.#heard.size === 0) return
    const question = randomUUID()
    const missing = new Set(this.#heard.keys())
    await new Promise((resolve) => {
      this.#questions.set(question, { missing, resolve })
      this.#send({ question })
      setTimeout(resolve, PATIENCE).unref()
    })
    this.#questions.delete(question)
  }

  #send (message) {
    if (!this.#isUp) return
    this.#sent = this.#broker.publish(TOPIC, Buffer.from(JSON.stringify({ from: this.#id, ...message }))).catch(() => {})
  }

  async #onUp () {
    await this.#broker.subscribe(TOPIC)
    this.#isUp = true
    this.#settled = delay(SETTLING, undefined, { ref: false })
    this.#ask()
    this.emit('ask')
  }

  #ask () {
    this.#send({ ask: true })
  }

  #onMessage ({ from, ask, question, answer, news }) {
    if (from === this.#id) return
    const isNew = !this.#heard.has(from)
    this.#heard.set(from, Date.now())
    if (ask) this.emit('ask')
    else if (question) this.#send({ answer: question })
    else if (answer) this.#onAnswer(from, answer)
    else if (news) this.emit('news', from, news)
    else if (isNew) this.#ask() // it was taken for gone
  }

  #onAnswer (from, question) {
    const { missing, resolve } = this.#questions.get(question) ?? {}
    if (missing?.delete(from) && missing.size === 0) resolve()
  }

  #beat () {
    this.#send({})
    for (const [process, time] of this.#heard) {
      if (Date.now() - time < GONE) continue
      this.#heard.delete(process)
      this.emit('gone', process)
    }
  }
}
