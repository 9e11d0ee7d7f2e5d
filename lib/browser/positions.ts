import type { Validate } from '../codec/codec'

/** Topic → the last position that a page has seen. A topic may have any name, such as `constructor`: there is no prototype. */
export type Positions = Record<string, string>

export function copyOf (positions: Positions): Positions {
  return { __proto__: null, ...positions } as unknown as Positions
}

/** Returns the function that keeps the positions of the messages that a page takes: JSON with the texts `topic` and `position`. */
export function keeper (positions: Positions): Validate {
  return (value, message) => {
    try {
      const { topic, position } = typeof message === 'string' && value === message ? JSON.parse(message) : value as any
      if (typeof topic === 'string' && typeof position === 'string') positions[topic] = position
    } catch {} // the message is another text, or null
    return value
  }
}
