'use strict'

/** A number below 2 ** 32 that follows from `numbers`, and from nothing else (murmur3, 32 bits). */
function hash (...numbers) {
  let h = 0
  for (const number of numbers) {
    let k = Math.imul(number, 0xcc9e2d51)
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
    h ^= k
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A series of random decisions, which is the same for the same `numbers`. */
class Dice {
  #numbers
  #count = 0

  constructor (...numbers) {
    this.#numbers = numbers
  }

  /** A whole number from 0 to `n` - 1. */
  below (n) {
    return hash(...this.#numbers, this.#count++) % n
  }

  oneIn (n) {
    return this.below(n) === 0
  }

  /** The first of one of the pairs, as often as the second of it says. */
  pick (pairs) {
    const total = pairs.reduce((sum, [, weight]) => sum + weight, 0)
    let at = this.below(total)
    return pairs.find(([, weight]) => (at -= weight) < 0)[0]
  }
}

module.exports = { Dice, hash }
