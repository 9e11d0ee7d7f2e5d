'use strict'

const { randomUUID } = require('node:crypto')
const { EventEmitter } = require('node:events')
const { setTimeout: delay } = require('node:timers/promises')

/** All processes publish on one topic, so that the messages of a process arrive in the order in which it sent them. */
const TOPIC = 'processes'

/** In ms. A process sends a sign of life each BEAT. A process that was not heard of for GONE counts as gone. */
const BEAT = 1_000
const GONE = 3_000

/** In ms. Within SETTLING, a new process hears of the others. */
const SETTLING = 500

/**
 * The other processes of the chat. A broker that is used for nothing else connects the processes. Events:
 *
 * - 'news', process, news: another process has told something
 * - 'ask': this process should tell everything that the others may not know
 * - 'gone', process: the other process was not heard of for GONE ms
 */
module.exports = class Processes extends EventEmitter {
  #id = randomUUID()
  #broker
  #isUp = false
  /** Resolves when the broker has taken the last message. */
  #sent
  /** Resolves when this process has heard of the others. */
  settled
  /** The time (ms) at which each other process was last heard of. */
  #heard = new Map()

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
      await this.#sent // the last messages, for example that the people here have left
      await broker.close()
    })
  }

  /** Tells the other processes, unless the broker is down. When the broker is up again, an 'ask' follows. */
  tell (news) {
    this.#send({ news })
  }

  #send (message) {
    if (!this.#isUp) return
    this.#sent = this.#broker.publish(TOPIC, Buffer.from(JSON.stringify({ from: this.#id, ...message }))).catch(() => {})
  }

  async #onUp () {
    await this.#broker.subscribe(TOPIC)
    this.#isUp = true
    this.settled = delay(SETTLING, undefined, { ref: false })
    this.#ask()
    this.emit('ask')
  }

  #ask () {
    this.#send({ ask: true })
  }

  #onMessage ({ from, ask, news }) {
    if (from === this.#id) return
    const isNew = !this.#heard.has(from)
    this.#heard.set(from, Date.now())
    if (ask) this.emit('ask')
    else if (news) this.emit('news', from, news)
    else if (isNew) this.#ask() // this process had counted the other as gone
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
