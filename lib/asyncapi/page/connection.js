import { connect } from './client.mjs'

/** The console's connection to one channel. It tells `onStatus` and `onMessage` what happens, for people. */
export class Connection {
  #client = null
  #attempt = null
  #listener

  constructor (listener) {
    this.#listener = listener
  }

  /** Connects to `url`. Resolves when the connection has ended, or was refused. */
  async open (url, subprotocols) {
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#listener.onStatus('connecting', `Connecting to ${url.pathname}…`)
    try {
      this.#client = await connect(url, { subprotocols, receiveType: 'any', sendType: 'text', signal: attempt.signal })
      this.#listener.onStatus('open', `Connected${this.#client.protocol && ` with the subprotocol ${this.#client.protocol}`}.`)
      await this.#read(this.#client)
      const { code, reason } = await this.#client.closed
      this.#listener.onStatus('closed', `Closed: ${code}${reason && ` ${reason}`}`, code)
    } catch (error) {
      this.#listener.onStatus('closed', attempt.signal.aborted ? 'Not connected.' : `Not connected: ${error.message}. A page is told no status: see the refusals above, or the network panel of the browser.`)
    } finally {
      this.#client = null
    }
  }

  async #read (client) {
    try {
      for await (const message of client) this.#listener.onMessage(message)
    } catch {
      // The connection has ended: `closed` tells how.
    }
  }

  async send (text) {
    await this.#client?.send(text)
  }

  close () {
    this.#attempt?.abort()
    this.#client?.close()
  }
}
