'use strict'

const { spawn, spawnSync } = require('node:child_process')
const os = require('node:os')
const path = require('node:path')

const TIME_LIMIT = 120_000
const children = new Set()

/** Where `taskset` exists and there are two cores: a server has the first, the load the second. */
const canPin = os.cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0

/** A process that `worker.js` serves, on a `core` of its own where one is given. */
class Child {
  #process
  #name
  #calls = new Map()
  #lastId = 0
  #failure = null

  constructor (script, args, { core, name, env }) {
    const command = [process.execPath, '--expose-gc', path.join(__dirname, script), ...args]
    if (canPin && core !== undefined) command.unshift('taskset', '-c', String(core))
    this.#name = name
    this.#process = spawn(command[0], command.slice(1), { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#process.on('message', (message) => this.#receive(message))
    this.#process.on('error', (error) => this.#fail(error.message))
    this.#process.on('exit', (code, signal) => {
      children.delete(this)
      this.#fail(`ended with ${signal ?? code}`)
    })
    children.add(this)
  }

  /** `events` has a function for each event that the child may tell of before it answers. */
  call (method, params, events = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`${method} took more than ${TIME_LIMIT / 1000} s`), TIME_LIMIT)
      this.#calls.set(id, { resolve, reject, events, timer })
      this.#process.send({ id, method, params }, (error) => error && this.#fail(error.message))
    })
  }

  /** What it has not answered is not waited for any more. */
  end () {
    children.delete(this)
    this.#settle(() => {})
    this.#process.kill('SIGKILL')
  }

  #receive ({ id, result, event, error }) {
    if (error !== undefined) return this.#fail(error)
    if (event !== undefined) {
      for (const { events } of this.#calls.values()) events[event]?.()
      return
    }
    const { resolve, timer } = this.#calls.get(id)
    clearTimeout(timer)
    this.#calls.delete(id)
    resolve(result)
  }

  #fail (reason) {
    this.#failure ??= new Error(`${this.#name}: ${reason}`)
    this.#settle(({ reject }) => reject(this.#failure))
  }

  #settle (settle) {
    for (const call of this.#calls.values()) {
      clearTimeout(call.timer)
      settle(call)
    }
    this.#calls.clear()
  }
}

function endAll () {
  for (const child of children) child.end()
}

module.exports = { Child, canPin, endAll }
