// @ts-check
// The people in the room, and who of them is typing.

import { byId, element, paint } from './dom.js'

const list = new Intl.ListFormat('en')

/**
 * @param {string[]} people
 * @param {string} me
 */
export function showPeople (people, me) {
  byId('people').replaceChildren(...people.map((person) => {
    const item = element('li', '', element('span', 'person', person), person === me ? ' (you)' : '')
    paint(item, person)
    return item
  }))
}

/** The people who are typing. */
export class Typists {
  /** @type {Set<string>} */
  #names = new Set()

  /**
   * @param {string} name
   * @param {boolean} isTyping
   */
  set (name, isTyping) {
    if (isTyping) this.#names.add(name)
    else this.#names.delete(name)
    this.#show()
  }

  clear () {
    this.#names.clear()
    this.#show()
  }

  #show () {
    const { size } = this.#names
    byId('typing').textContent = size === 0 ? '' : `${list.format(this.#names)} ${size === 1 ? 'is' : 'are'} typing…`
  }
}
