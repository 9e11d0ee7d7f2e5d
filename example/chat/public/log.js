// @ts-check
// The log of messages and notices.

import { byId, element, paint } from './dom.js'

/**
 * @import { Said } from '../messages.js'
 * @typedef {Omit<Said, 'at'> & { at?: number }} Entry A message; without `at`, the server has not sent it back yet.
 */

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' })

/** From the end of the log, in pixels. A reader who is nearer to the end follows the messages. */
const NEAR = 64

export class Log {
  /** The element that scrolls. */
  #log = byId('log')
  #items = byId('messages')
  #me

  /** @param {string} me the name of the person at this page */
  constructor (me) {
    this.#me = me
  }

  /** Removes everything but the unsent messages. Until `settle`, the newest messages come. */
  clear () {
    this.#log.setAttribute('aria-busy', 'true') // keeps screen readers from reading out the whole history
    for (const item of this.#items.querySelectorAll(':scope > :not(.unsent)')) item.remove()
    markAuthor(this.#items.firstElementChild)
  }

  settle () {
    this.#log.removeAttribute('aria-busy')
  }

  /**
   * Shows a message once. A message that has arrived replaces the same message that was not sent yet.
   *
   * @param {Entry} message
   */
  show (message) {
    const shown = this.#items.querySelector(`[data-id="${message.id}"]`)
    if (shown !== null && !shown.classList.contains('unsent')) return
    shown?.remove()
    this.#put(createMessage(message, message.name === this.#me), message.at === undefined)
  }

  /** @param {string} text */
  notice (text) {
    this.#put(element('li', 'notice', text), false)
  }

  /**
   * Puts an item at the end of the log, but before unsent messages unless it is unsent itself.
   *
   * @param {HTMLElement} item
   * @param {boolean} isUnsent
   */
  #put (item, isUnsent) {
    const follows = isUnsent || this.#isAtEnd
    this.#items.insertBefore(item, isUnsent ? null : this.#items.querySelector('.unsent'))
    markAuthor(item)
    markAuthor(item.nextElementSibling)
    if (follows) this.#log.scrollTop = this.#log.scrollHeight
  }

  get #isAtEnd () {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR
  }
}

/**
 * @param {Entry} message
 * @param {boolean} isMine
 */
function createMessage ({ id, name, text, at }, isMine) {
  const item = element('li', `message ${isMine ? 'mine' : 'theirs'} ${at === undefined ? 'unsent' : ''}`,
    element('span', 'author', name),
    element('p', 'text', text),
    at === undefined ? element('span', 'state', 'Not sent yet') : element('time', '', time.format(at)))
  item.dataset.id = id
  item.dataset.author = name
  paint(item, name)
  return item
}

/**
 * Marks an item that has the same author as the item before it.
 *
 * @param {Element | null} item
 */
function markAuthor (item) {
  if (!(item instanceof HTMLElement)) return
  const { author } = item.dataset
  const before = /** @type {HTMLElement | null} */ (item.previousElementSibling)
  item.classList.toggle('follows', author !== undefined && author === before?.dataset.author)
}
