'use strict'

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const os = require('node:os')
const { setTimeout: delay } = require('node:timers/promises')
const { freePort, isListening } = require('../ports')

/** A server of an engine, on a free port. The server writes nothing to the disk, and ends at the latest with this process. */
class Server {
  #process

  /** Resolves when the server accepts connections. Rejects if its program is not on the PATH. */
  static async start ({ program, args, scheme }) {
    const port = await freePort()
    const server = new Server(`${scheme}://127.0.0.1:${port}`, spawn(program, args(String(port)), { cwd: os.tmpdir(), stdio: 'ignore' }))
    await once(server.#process, 'spawn')
    while (!await isListening(port)) await delay(10)
    return server
  }

  constructor (url, child) {
    this.url = url
    this.#process = child
    process.once('exit', () => this.end())
  }

  end () {
    this.#process.kill('SIGKILL')
  }
}

module.exports = { Server }
