'use strict'

const { Dice } = require('./random')

/** What the two sides of a connection do, and how often. */
const FORMS = [
  ['iterate', 24], // for await
  ['receive', 16], // receive() until it rejects
  ['handlers', 16], // onConnect, onMessage, onDisconnect
  ['pair', 10], // expect(), then pair()
  ['topic', 16], // messages are published
  ['throws', 5], // the handler throws
  ['handlers-throw', 5], // onMessage throws
  ['raw', 4], // the plain socket
  ['denies', 2], // deny()
  ['throws-early', 1], // before accept()
  ['undecided', 1], // neither accept() nor deny(), in time
  ['hook', 1], // refused before the handler
  ['hook-close', 1], // the same with `refusal: 'close'`
  ['leaves', 3], // the client leaves before it is answered
  ['half-request', 2] // and before it has asked
]

const FATES = [
  ['none', 60],
  ['pause', 15], // the client does not read for a while
  ['terminate', 7], // the client drops the connection
  ['reset', 6], // the same with RST
  ['half-close', 5], // the client ends its side of the TCP connection, without a close frame
  ['server-terminate', 7]
]

const KILLS = ['terminate', 'reset', 'half-close', 'server-terminate']

function length (dice) {
  return dice.oneIn(20) ? 60 + dice.below(200) : dice.below(16)
}

/** What happens on connection `id`. Both processes know it, from the seed. */
function planOf (seed, id) {
  const dice = new Dice(seed, id)
  const form = dice.pick(FORMS)
  const throws = form === 'throws' || form === 'handlers-throw'
  const fate = throws ? 'none' : dice.pick(FATES)
  const up = length(dice) + 1
  return {
    id,
    form,
    /** How many messages the client sends, and how many the server. */
    up,
    down: form === 'pair' ? up : length(dice),
    fate,
    isKilled: KILLS.includes(fate) || form === 'leaves',
    /** After how many messages of the client its fate comes. */
    fateAt: dice.below(up + 1),
    throws,
    /** After how many the handler does. */
    throwsAt: 1 + dice.below(up),
    closer: form === 'pair' ? 'server' : dice.oneIn(2) ? 'client' : 'server',
    /** Whether a client that closes has waited for all that the server sends. */
    isPatient: dice.oneIn(2),
    closeCode: dice.oneIn(2) ? 4000 + dice.below(999) : 1011,
    topic: dice.below(6),
    /** The client: `ws`, or the one of this package. */
    client: dice.oneIn(3) ? 'connect' : 'ws',
    /** Milliseconds. */
    acceptDelay: dice.oneIn(3) ? dice.below(20) : 0,
    pause: 20 + dice.below(200),
    /** After every how many messages the handler is slow; 0: never. */
    slowEvery: dice.oneIn(3) ? 1 + dice.below(8) : 0
  }
}

module.exports = { planOf }
