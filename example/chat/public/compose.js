// @ts-check
// The box in which the person at this page writes.

import { byId } from './dom.js'

const TYPING_PAUSE = 3_000 // in ms

/**
 * Lets the person write.
 *
 * @param {(text: string) => void} onText is called with a text to send
 * @param {(isTyping: boolean) => void} onTyping is called when the person begins to type, and after a pause
 */
export function compose (onText, onTyping) {
  const form = byId('compose', HTMLFormElement)
  const box = byId('text', HTMLTextAreaElement)
  const typing = new Typing(onTyping)

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const text = box.value.trim()
    box.value = ''
    box.focus()
    typing.forget() // the text itself tells the others
    if (text !== '') onText(text)
  })
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    form.requestSubmit()
  })
  box.addEventListener('input', () => typing.notice(box.value === '' ? 0 : TYPING_PAUSE))
  box.focus()
}

/** Whether the person is typing. */
class Typing {
  #onTyping
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause

  /** @param {(isTyping: boolean) => void} onTyping */
  constructor (onTyping) {
    this.#onTyping = onTyping
  }

  /**
   * The person has typed. After `pause` ms without input, the person has stopped.
   *
   * @param {number} pause
   */
  notice (pause) {
    if (this.#pause === undefined) this.#onTyping(true)
    this.forget()
    this.#pause = setTimeout(() => {
      this.forget()
      this.#onTyping(false)
    }, pause)
  }

  forget () {
    clearTimeout(this.#pause)
    this.#pause = undefined
  }
}
