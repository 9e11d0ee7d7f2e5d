'use strict'

const { fork } = require('node:child_process')
const path = require('node:path')

/** In ms: how long a call may take beyond its `seconds`. */
const PATIENCE = 90_000

/** A child process with the methods that it has given to `work` in `worker.js`. The child ends with this process. */
class Process {
  #child
  #name
  #calls = new Map()
  #lastId = 0

  constructor (script, seed) {
    this.#name = script
    this.#child = fork(path.join(__dirname, script), [seed], { execArgv: ['--expose-gc'] })
    this.#child.on('message', ({ id, result }) => this.#calls.get(id).resolve(result))
    this.#child.on('exit', (code, signal) => this.#fail(`has ended with ${signal ?? code}`))
  }

  call (method, params = {}) {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`${method} has taken too long`), PATIENCE + 1000 * (params.seconds ?? 0))
      const settle = (settled) => (value) => {
        clearTimeout(timer)
        this.#calls.delete(id)
        settled(value)
      }
      this.#calls.set(id, { resolve: settle(resolve), reject: settle(reject) })
      this.#child.send({ id, method, params })
    })
  }

  end () {
    this.#child.kill('SIGKILL')
  }

  #fail (reason) {
    for (const { reject } of this.#calls.values()) reject(new Error(`${this.#name} ${reason}`))
  }
}

module.exports = { Process }
