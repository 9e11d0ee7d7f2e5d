import { WebSocketOptionError } from '../../base/errors'
import { show } from '../../base/show'

const MAX_PREFIX = 256

/** How many subjects are kept at the most: to make one takes a third of the time in which a message is published. */
const MAX_SUBJECTS = 1_000

/** The subjects of topics: those that were published to of late are kept. */
export class Subjects {
  readonly #prefix: string
  readonly #subjects = new Map<string, string>()

  constructor (prefix: string) {
    this.#prefix = prefix
  }

  of (topic: string): string {
    let subject = this.#subjects.get(topic)
    if (subject === undefined) {
      subject = this.#prefix + encodeTopic(topic)
      if (this.#subjects.size === MAX_SUBJECTS) this.#subjects.clear()
      this.#subjects.set(topic, subject)
    }
    return subject
  }
}

/**
 * A topic as one token of a subject: no two topics have the same, and none is a wildcard. Spaces, control characters, `.`, `*`, `>`
 * and the `%` that marks them become two hexadecimal digits, and halves of surrogate pairs, which have no bytes, four.
 */
function encodeTopic (topic: string): string {
  return topic.replace(/[^!-\u{10ffff}]|[%*.>\p{Surrogate}]/gu, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Throws `WebSocketOptionError` unless a subject can begin with `prefix`. */
export function checkPrefix (prefix: unknown): void {
  if (typeof prefix !== 'string' || prefix.length > MAX_PREFIX || !/^[^\s.*>]+(\.[^\s.*>]+)*\.?$/.test(prefix)) {
    throw new WebSocketOptionError(`the prefix of natsBroker is ${show(prefix)}: use the beginning of a subject, such as 'chat.', of at most ${MAX_PREFIX} characters`)
  }
}
