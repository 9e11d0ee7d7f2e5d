'use strict'

const { Dice } = require('./random')

/** The forms of a connection, what both sides do in each, and the weight of each form. */
const FORMS = [
  ['iterate', 24], // for await
  ['receive', 16], // receive() until it rejects
  ['handlers', 16], // onConnect, onMessage, onDisconnect
  ['pair', 10], // expect(), then pair()
  ['topic', 16], // subscribe(), publish()
  ['throws', 5], // the handler throws
  ['handlers-throw', 5], // onMessage throws
  ['raw', 4], // raw: true
  ['flood', 3], // the client sends more than `rateLimit` allows
  ['slow-skip', 1], // the client reads nothing while messages are published to it, with `slowSubscriber: 'skip'`
  ['slow-close', 1], // the same with `slowSubscriber: 'close'`
  ['denies', 2], // deny()
  ['throws-early', 1], // the handler throws before accept()
  ['undecided', 1], // neither accept() nor deny() within handshakeTimeout
  ['hook', 1], // a hook refuses
  ['hook-close', 1], // a hook refuses, with `refusal: 'close'`
  ['leaves', 3], // the client leaves before the response
  ['half-request', 2] // the client leaves before its request is complete
]

/** What happens to a connection before its end, and the weight of each. */
const FATES = [
  ['none', 60],
  ['pause', 15], // the client does not read for a while
  ['terminate', 7], // the client destroys its socket
  ['reset', 6], // the client destroys its socket with a RST
  ['half-close', 5], // the client ends its side of the TCP connection, without a close frame
  ['server-terminate', 7]
]

/** In these forms, no fate comes before the end that the form is about. */
const FATELESS = ['throws', 'handlers-throw', 'flood', 'slow-skip', 'slow-close']

/** The most messages of the client with the form `flood`. */
const LIMIT = 20

const KILLS = ['terminate', 'reset', 'half-close', 'server-terminate']

function length (dice) {
  return dice.oneIn(20) ? 60 + dice.below(200) : dice.below(16)
}

/** The plan of connection `id`. It follows from the seed, so that both processes have the same plan. */
function planOf (seed, id) {
  const dice = new Dice(seed, id)
  const form = dice.pick(FORMS)
  const throws = form === 'throws' || form === 'handlers-throw'
  const fate = FATELESS.includes(form) ? 'none' : dice.pick(FATES)
  const up = length(dice) + 1
  return {
    id,
    form,
    /** The number of messages of the client, and of the server. */
    up,
    down: form === 'pair' ? up : length(dice),
    fate,
    isKilled: KILLS.includes(fate) || form === 'leaves',
    /** The number of messages of the client before the fate. */
    fateAt: dice.below(up + 1),
    throws,
    /** The number of messages of the client before the handler throws. */
    throwsAt: 1 + dice.below(up),
    closer: form === 'pair' ? 'server' : dice.oneIn(2) ? 'client' : 'server',
    /** Whether a client that closes first waits for all messages of the server. */
    isPatient: dice.oneIn(2),
    closeCode: dice.oneIn(2) ? 4000 + dice.below(999) : 1011,
    topic: dice.below(6),
    /** The client library: `ws`, or `connect` of this package. */
    client: dice.oneIn(3) ? 'connect' : 'ws',
    /** In ms, as `pause`. */
    acceptDelay: dice.oneIn(3) ? dice.below(20) : 0,
    pause: 20 + dice.below(200),
    /** The handler is slow at every n-th message; 0: never. */
    slowEvery: dice.oneIn(3) ? 1 + dice.below(8) : 0
  }
}

module.exports = { LIMIT, planOf }
