'use strict'

const { spawn, spawnSync } = require('node:child_process')
const os = require('node:os')
const path = require('node:path')

const TIME_LIMIT = 120_000
const children = new Set()

/** Whether processes can be pinned to cores: with `taskset` and at least two cores. A server gets the first core, the load the second. */
const canPin = os.cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0

/** A child process with the methods that it has given to `work` in `worker.js`. It is pinned to `core`, if given. */
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

  /** Calls a method of the child. `events` has a function for each event that the child may send before its result. */
  call (method, params, events = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`${method} took more than ${TIME_LIMIT / 1000} s`), TIME_LIMIT)
      this.#calls.set(id, { resolve, reject, events, timer })
      this.#process.send({ id, method, params }, (error) => error && this.#fail(error.message))
    })
  }

  /** Ends the process. Pending calls never settle. */
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
