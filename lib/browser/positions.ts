import type { Validate } from '../codec/codec'

/** The last position of each topic that a page has seen in its messages: JSON with the texts `topic` and `position`. */
export class Positions {
  #last: Record<string, string> = Object.create(null) // a topic may have any name, such as `constructor`

  /** A copy: topic → position. */
  get all (): Record<string, string> {
    return Object.assign(Object.create(null), this.#last)
  }

  /**
   * Returns the function that sees the messages of the next client, when the page takes them. Messages that the page still takes from
   * the client before are seen no longer: they come again.
   */
  watch (): Validate {
    const last = this.#last = this.all
    return (value, message) => {
      const { topic, position } = (typeof message === 'string' && value === message ? parse(message) : value as any) ?? {}
      if (typeof topic === 'string' && typeof position === 'string') last[topic] = position
      return value
    }
  }
}

/** The value of `text`; undefined if `text` is no JSON. */
function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
