import type { Retention } from '../../../types/broker'

/** The share of `maxBytes` that long messages may have before the oldest are removed: a removal is worth its request. */
const MAX_SHARE = 1.25

/** The maximum number of topics that are counted. */
const MAX_TOPICS = 1_000

interface Counted {
  readonly sequence: number
  readonly length: number
}

/**
 * Counts the bytes of topics, as NATS has no limit for them. A topic keeps at most `size` messages: those of at most
 * `maxBytes / size` bytes never have more than `maxBytes` together. So only longer messages are counted, from the first one on that
 * this process sees.
 */
export class LongMessages {
  /** The long messages of each topic, the oldest first, by the subject of the topic. */
  readonly #topics = new Map<string, Counted[]>()

  /**
   * Counts a message of a topic. The messages of a topic come in their order. Returns the sequence number of the first message that
   * may stay if the topic has too many bytes, otherwise null.
   */
  add (subject: string, message: Counted, { size, maxBytes }: Retention): number | null {
    if (message.length * size <= maxBytes) return null
    const counted = this.#countedOf(subject)
    if (counted.length > 0 && message.sequence <= counted.at(-1)!.sequence) counted.length = 0 // the stream was made anew
    counted.push(message)
    let bytes = counted.reduce((sum, { length }) => sum + length, 0)
    if (bytes <= MAX_SHARE * maxBytes || counted.length === 1) return null
    let removed = 0
    while (bytes > maxBytes && removed < counted.length - 1) bytes -= counted[removed++].length
    counted.splice(0, removed)
    return counted[0].sequence
  }

  /** Forgets a topic whose messages come no longer. */
  delete (subject: string): void {
    this.#topics.delete(subject)
  }

  #countedOf (subject: string): Counted[] {
    let counted = this.#topics.get(subject)
    if (counted === undefined) {
      if (this.#topics.size === MAX_TOPICS) this.#topics.clear()
      counted = []
      this.#topics.set(subject, counted)
    }
    return counted
  }
}
