// @ts-check
// A room, as one person sees it.

import { compose } from './compose.js'
import { Connection } from './connection.js'
import { byId } from './dom.js'
import { Log } from './log.js'
import { showPeople, Typists } from './people.js'

/** @import { Said, ToPage, ToServer } from '../messages.js' */

/**
 * @param {string} room
 * @param {string} name
 */
export function enter (room, name) {
  document.title = `${room} · Chat`
  byId('title').textContent = `# ${room}`
  byId('leave').hidden = false
  byId('chat').hidden = false
  new Room(room, name).open()
}

class Room {
  #name
  #connection
  #log
  #typists = new Typists()
  /**
   * Messages of this page that the server has not sent back yet, by their ids.
   *
   * @type {Map<string, ToServer>}
   */
  #unsent = new Map()

  /**
   * @param {string} room
   * @param {string} name
   */
  constructor (room, name) {
    this.#name = name
    this.#log = new Log(name)
    this.#connection = new Connection(room, name)
  }

  open () {
    compose((text) => this.#say(text), (typing) => this.#connection.send({ type: 'typing', typing }))
    // Without a connection, the page does not hear that someone has stopped typing.
    this.#connection.run((message) => this.#receive(message), () => this.#typists.clear())
  }

  /** @param {string} text */
  #say (text) {
    const id = randomId()
    const message = /** @type {const} */ ({ type: 'message', id, text })
    this.#unsent.set(id, message)
    this.#log.show({ id, text, name: this.#name })
    this.#connection.send(message)
  }

  /** @param {ToPage} message */
  #receive (message) {
    if ('topic' in message) return this.#hear(message.data)
    switch (message.type) {
      case 'afresh':
        return this.#log.clear()
      case 'welcome':
        showPeople(message.people, this.#name)
        return this.#settle()
      case 'typing':
        return this.#typists.set(message.name, message.typing)
      case 'joined':
      case 'left':
        this.#typists.set(message.name, false)
        showPeople(message.people, this.#name)
        return this.#log.notice(`${message.name} ${message.type}`)
    }
  }

  /** @param {Said | undefined} message */
  #hear (message) {
    if (message === undefined) return // only a position
    this.#typists.set(message.name, false)
    this.#unsent.delete(message.id)
    this.#log.show(message)
  }

  /** The page has what the server has. It sends what the server has not got. */
  #settle () {
    this.#log.settle()
    for (const message of this.#unsent.values()) this.#connection.send(message)
  }
}

// `crypto.randomUUID` exists only on https and localhost. A phone in the same network uses neither.
function randomId () {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')
}
