import { WebSocketOptionError } from '../../base/errors'
import { show } from '../../base/show'

const MAX_PREFIX = 256

/** The maximum number of subjects in the cache. To encode a subject takes a third of the time of a publish. */
const MAX_SUBJECTS = 1_000

/** Returns the subjects of topics, and caches recent ones. */
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
 * Returns a topic as one token of a subject. Different topics have different tokens, and no token is a wildcard. Spaces, control
 * characters, `.`, `*`, `>` and `%` become `%` and two hexadecimal digits. Lone halves of surrogate pairs, which have no bytes,
 * become `%` and four digits.
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
