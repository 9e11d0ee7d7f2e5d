'use strict'

/** Returns a hash of `numbers` below 2 ** 32 (murmur3, 32 bits). */
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

/** A series of random decisions. The same `numbers` give the same series. */
class Dice {
  #numbers
  #count = 0

  constructor (...numbers) {
    this.#numbers = numbers
  }

  /** An integer from 0 to `n` - 1. */
  below (n) {
    return hash(...this.#numbers, this.#count++) % n
  }

  oneIn (n) {
    return this.below(n) === 0
  }

  /** Picks one of the pairs `[value, weight]`, by weight, and returns its value. */
  pick (pairs) {
    const total = pairs.reduce((sum, [, weight]) => sum + weight, 0)
    let at = this.below(total)
    return pairs.find(([, weight]) => (at -= weight) < 0)[0]
  }
}

module.exports = { Dice, hash }
