'use strict'

const { Dice, hash } = require('./random')

/** The streams of a connection: the messages of the client, and those of the server. */
const UP = 0
const DOWN = 1
/** The stream of a topic. The number of the topic takes the place of the connection's number. */
const TOPIC = 2

/** Pairs: the greatest length of a message, in bytes or characters, and how many of 1,000 messages have it. */
const SIZES = [[0, 40], [125, 310], [1_000, 410], [8_000, 220], [70_000, 17], [300_000, 3]]
const TOPIC_SIZES = [[125, 500], [2_000, 500]]
const LONGEST = 300_000

const SENTENCE = 'Ein Socket, auf den man wartet, liest sich wie der Rest: от начала до конца, 順番に。\n'
const text = SENTENCE.repeat(Math.ceil(LONGEST / SENTENCE.length))
const bytes = Buffer.from(Uint32Array.from({ length: LONGEST / 4 }, (_, i) => hash(i)).buffer)

/** Message `n` of a stream: a string or a Buffer that begins with its number. Both processes make the same message. */
function messageOf (seed, id, stream, n) {
  const dice = new Dice(seed, id, stream, n)
  const size = dice.below(dice.pick(stream === TOPIC ? TOPIC_SIZES : SIZES) + 1)
  const head = `${id}/${stream}/${n}\n`
  return dice.oneIn(2) ? head + text.slice(0, size) : Buffer.concat([Buffer.from(head), bytes.subarray(0, size)])
}

/** Describes how `received` differs from `expected`. Returns undefined if they are equal. */
function difference (received, expected) {
  const isSame = typeof expected === 'string' ? received === expected : Buffer.isBuffer(received) && received.equals(expected)
  return isSame ? undefined : `received ${describe(received)} instead of ${describe(expected)}`
}

function describe (message) {
  return `${typeof message === 'string' ? 'text' : 'bytes'} ${JSON.stringify(message.toString().split('\n')[0].slice(0, 60))} (${message.length})`
}

module.exports = { UP, DOWN, TOPIC, messageOf, difference }
