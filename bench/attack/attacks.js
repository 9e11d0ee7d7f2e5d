'use strict'

// The attacks on the servers, and the bound of this plugin's memory in each attack.

const KiB = 1024
const MiB = 1024 ** 2

/** The default limits of this plugin. */
const MARK = 64 * KiB
const MAX_PAYLOAD = MiB
const MAX_BUFFERED_AMOUNT = MiB
const MAX_FRAGMENTS = 1024

/** In bytes: the size of one read. */
const CHUNK = 64 * KiB

/** In bytes: the memory of an idle connection, including what Node, Fastify and `ws` keep for it. */
const CONNECTION = 32 * KiB

/** In bytes: garbage that a busy process has not collected yet. */
const GARBAGE = 64 * MiB

/**
 * Returns the attacks. `clients` is the number of clients, `attacker` the name of the attack in attacker.js, `path` the route
 * of the server. `bound` is how much the memory of a process with this plugin may grow, in bytes.
 */
function attacks ({ few, subscribers, handshakes, published, seconds }) {
  const atMost = (clients, held) => clients * (CONNECTION + held) + GARBAGE
  const flood = (what, size, held) => ({
    name: `${number(few)} clients send ${what}, which are not received`,
    attacker: 'flood',
    settings: { path: '/deaf', clients: few, size },
    seconds,
    bound: atMost(few, held)
  })
  const pongs = (clients, what, fragments, held) => ({
    name: `${number(clients)} clients send ${what} among pongs, which are not received`,
    attacker: 'pongs',
    settings: { path: '/deaf', clients, fragments },
    seconds,
    bound: atMost(clients, held)
  })
  const publication = (slowSubscriber, peers) => ({
    name: `${number(subscribers)} subscribers do not read, ${bytes(published)} is published (\`slowSubscriber: '${slowSubscriber}'\`)`,
    peers,
    attacker: 'deaf',
    settings: { path: `/subscribe/${slowSubscriber}`, clients: subscribers },
    publish: { messages: published / CHUNK, size: CHUNK },
    seconds: 2 * seconds,
    // All subscribers hold the same bytes, which count once. Each subscriber has its own list of them.
    bound: atMost(subscribers, MARK) + MAX_BUFFERED_AMOUNT
  })
  const halfOpen = (what, isComplete) => ({
    name: `${number(handshakes)} handshakes, ${what}`,
    attacker: 'handshakes',
    settings: { path: '/undecided', clients: handshakes, isComplete },
    seconds,
    bound: atMost(handshakes, 0)
  })
  return [
    // A message counts as 128 bytes, and takes up to four times as much.
    flood('messages of 64 B', 64, 4 * MARK + CHUNK),
    // A received message, and the parts from which it was put together.
    flood('messages of 1 MiB', MAX_PAYLOAD, MARK + 2 * MAX_PAYLOAD + CHUNK),
    // As with messages of 64 B. Only the last message keeps its chunk in memory, and one more chunk has been read.
    pongs(few, 'messages of 1 B', false, 4 * MARK + 2 * CHUNK),
    pongs(few / 20, 'fragments of 1 B', true, MAX_FRAGMENTS * CHUNK),
    publication('close'),
    publication('skip', ['ours']),
    halfOpen('which the server does not decide', true),
    halfOpen('of which half the request has come', false)
  ]
}

const FULL = { few: 200, subscribers: 1000, handshakes: 10_000, published: 1024 * MiB, seconds: 12 }
const QUICK = { few: 60, subscribers: 100, handshakes: 500, published: 128 * MiB, seconds: 1.5 }

function number (value) {
  return value.toLocaleString('en')
}

function bytes (value) {
  return value >= 1024 ** 3 ? `${Number((value / 1024 ** 3).toFixed(1))} GiB` : `${Math.round(value / MiB)} MiB`
}

module.exports = { attacks, bytes, FULL, QUICK }
