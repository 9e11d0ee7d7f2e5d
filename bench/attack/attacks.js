'use strict'

// What is done to the servers, and how much memory this plugin may take then.

const KiB = 1024
const MiB = 1024 ** 2

/** The limits of this plugin, as they are by default. */
const MARK = 64 * KiB
const MAX_PAYLOAD = MiB
const MAX_BUFFERED_AMOUNT = MiB
const MAX_FRAGMENTS = 1024

/** What is read of a connection at once. */
const CHUNK = 64 * KiB

/** What a connection takes that nothing happens on, with all that Node, Fastify and `ws` have of it, in bytes. */
const CONNECTION = 32 * KiB

/** What a busy process takes beyond what it needs: garbage that has not been collected yet. */
const GARBAGE = 64 * MiB

/**
 * `clients` is how many there are, `attacker` what they do, `path` the route of the server. `bound` is by how much the
 * memory of a process with this plugin may grow, in bytes.
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
    // All of them hold the same bytes, so that these count once; each has a list of them.
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
    // A message counts as 128 bytes, and takes up to four times that.
    flood('messages of 64 B', 64, 4 * MARK + CHUNK),
    // One that has come, and what it has been put together from.
    flood('messages of 1 MiB', MAX_PAYLOAD, MARK + 2 * MAX_PAYLOAD + CHUNK),
    // As with those of 64 B. Only the last one keeps a chunk in memory; one more has been read.
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
