// @ts-check
// The connection of the page to a room.

import { reconnect, WebSocketDisconnect } from '/client.js'
import { showStatus } from './status.js'

/**
 * @import { ToPage, ToServer } from '../messages.js'
 * @typedef {ReturnType<typeof import('../chat-route.js')>} ChatRoute
 */

/** `reconnect`, with the types of the messages of the chat. */
const connectAgain = /** @type {typeof reconnect<ChatRoute>} */ (reconnect)

const LONGEST_DELAY = 10_000 // in ms
const POLICY_VIOLATION = 1008

/** A connection that comes back by itself. The page shows its state. */
export class Connection {
  #room
  #name
  /** @type {Pick<import('/client.js').WebSocketClient<ToPage, ToServer>, 'send' | 'state'> | undefined} */
  #client

  /**
   * @param {string} room
   * @param {string} name
   */
  constructor (room, name) {
    this.#room = room
    this.#name = name
  }

  /**
   * Connects, and passes messages on. Resolves when the connection has ended for good.
   *
   * @param {(message: ToPage) => void} onMessage
   * @param {() => void} onLost is called when a connection has ended or did not open
   */
  async run (onMessage, onLost) {
    showStatus('connecting', 'Connecting…')
    let why = 'The server has ended the connection.'
    try {
      await this.#receive(onMessage, onLost)
    } catch (error) {
      if (!(error instanceof WebSocketDisconnect)) throw error
      if (error.closeCode === POLICY_VIOLATION) why = 'The server did not take a message.'
    }
    onLost()
    showStatus('lost', `${why} Reload the page to come back.`)
  }

  /**
   * @param {(message: ToPage) => void} onMessage
   * @param {() => void} onLost
   */
  async #receive (onMessage, onLost) {
    const clients = connectAgain(({ positions }) => this.#url(positions), {
      valueType: 'json',
      resume: true, // the server sends what the page has missed
      maxDelay: LONGEST_DELAY,
      onStatus (status) {
        if (status !== 'waiting') return
        onLost()
        showStatus('lost', 'Reconnecting…')
      }
    })
    for await (const client of clients) {
      this.#client = client
      for await (const message of client) {
        if ('type' in message && message.type === 'welcome') showStatus('connected', 'Connected')
        onMessage(message)
      }
    }
  }

  /** @param {Record<string, string>} positions */
  #url ({ [`room:${this.#room}`]: after }) {
    const query = new URLSearchParams({ name: this.#name })
    if (after !== undefined) query.set('after', after)
    return `/chat/${this.#room}?${query}`
  }

  /**
   * Sends if the connection is open. The caller keeps a message that must arrive until the server has sent it back.
   *
   * @param {ToServer} message
   */
  send (message) {
    if (this.#client?.state === 'open') this.#client.send(message)
  }
}
