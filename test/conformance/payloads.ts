/* Payloads that compress well, and payloads that do not. They are generated, and the same each time. */

const LENGTH = 256 * 1024

/** Returns a source of pseudo-random numbers from 0 to 1 (the generator of Numerical Recipes). */
function chance (seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const WORDS = 'der die das Geist Welt Nacht größer ich und über nicht Schön Faust müßig Tür Höhe Wort im Anfang war die Tat es irrt der Mensch'.split(' ')
const NAMES = ['id', 'name', 'email', 'balance', 'registered', 'tags', 'friends', 'latitude']

function repeat (make: (random: () => number) => string | Buffer): Buffer {
  const random = chance(1)
  const parts: Buffer[] = []
  let length = 0
  while (length < LENGTH) {
    const part = Buffer.from(make(random))
    parts.push(part)
    length += part.length
  }
  return Buffer.concat(parts, length).subarray(0, LENGTH)
}

const pick = (random: () => number, values: readonly string[]): string => values[Math.floor(random() * values.length)]

/** JSON, ASCII only: a part of it is valid text, wherever it is cut. */
export const json = repeat((random) => JSON.stringify({ [pick(random, NAMES)]: random(), [pick(random, NAMES)]: Math.floor(random() * 1e6), isActive: random() < 0.5 }) + '\n')

/** HTML, ASCII only. */
export const html = repeat((random) => `<tr class="row"><td>${Math.floor(random() * 1000)}</td><td><a href="/item/${Math.floor(random() * 1e5)}">${pick(random, NAMES)}</a></td></tr>\n`)

/** Prose in German. */
export const prose = repeat((random) => `${pick(random, WORDS)}${random() < 0.1 ? '.\n' : ' '}`)

/** A picture: rows of grey values that differ a little. */
export const picture = repeat((random) => Buffer.from(Array.from({ length: 512 }, (_, x) => 128 + 60 * Math.sin(x / 40) + 8 * random())))

/** Data that is already compressed. */
export const noise = repeat((random) => Buffer.from(Array.from({ length: 512 }, () => random() * 256)))
