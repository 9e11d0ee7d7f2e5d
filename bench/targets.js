'use strict'

const { PEERS } = require('./peers')

// The targets of the plugin. `of` is the peer to compare with. `atLeast` and `atMost` bound the ratio of the plugin's figure
// (the handler that iterates) to the peer's figure.

const DEFLATE = 'permessage-deflate echo 1 KiB, 16 in flight, 64 connections'
const IDLE = 'memory of 10,000 idle connections'
const RESIDENT = 'resident, per connection'

const TARGETS = [
  { workload: 'echo 64 B, 1 in flight, 64 connections', of: 'ws', atLeast: 1.05 },
  { workload: 'echo 64 B, 1 in flight, 64 connections', of: 'uws', atLeast: 0.8 },
  { workload: 'echo 64 B, 16 in flight, 64 connections', of: 'ws', atLeast: 4 },
  { workload: 'echo 64 B, 16 in flight, 64 connections', of: 'uws', atLeast: 1 },
  { workload: 'echo 1 KiB, 16 in flight, 64 connections', of: 'ws', atLeast: 3 },
  { workload: 'echo 1 KiB, 16 in flight, 64 connections', of: 'uws', atLeast: 1 },
  { workload: 'echo 16 KiB, 16 in flight, 64 connections', of: 'ws', atLeast: 1.1 },
  { workload: 'echo 16 KiB, 16 in flight, 64 connections', of: 'uws', atLeast: 1.1 },
  { workload: 'echo 16 KiB of bytes, 16 in flight, 64 connections', of: 'ws', atLeast: 1.2 },
  { workload: 'echo 16 KiB of bytes, 16 in flight, 64 connections', of: 'uws', atLeast: 1.2 },
  { workload: 'JSON echo with schemas, 16 in flight, 64 connections', of: 'ws', atLeast: 2.5 },
  { workload: 'broadcast 64 B to 1,000, in bursts of 16', of: 'ws', atLeast: 12 },
  { workload: 'broadcast 64 B to 1,000, in bursts of 16', of: 'uws', atLeast: 0.85 },
  { workload: 'broadcast 64 B to 1,000, singly', of: 'ws', atLeast: 1 },
  { workload: DEFLATE, of: 'ws', atLeast: 4 },
  { workload: DEFLATE, of: 'uws', atLeast: 0.5 },
  { workload: 'permessage-deflate broadcast 1 KiB to 1,000, in bursts of 16', of: 'ws', atLeast: 20 },
  { workload: 'permessage-deflate broadcast 1 KiB to 1,000, in bursts of 16', of: 'uws', atLeast: 0.8 },
  { workload: 'TLS echo 16 KiB, 16 in flight, 64 connections', of: 'fastify', atLeast: 1.1 },
  { workload: 'TLS echo 16 KiB, 16 in flight, 64 connections', of: 'ws', atLeast: 1 },
  { workload: '1 GiB in 1 MiB messages, to the server', of: 'ws', atLeast: 1.3 },
  { workload: '1 GiB in 1 MiB messages, to the server', of: 'uws', atLeast: 0.9 },
  { workload: 'handshakes, each with the closing handshake, 32 at a time', of: 'fastify', atLeast: 1.25 },
  { workload: 'handshakes, each with the closing handshake, 32 at a time', of: 'ws', atLeast: 1.25 },
  { workload: IDLE, metric: RESIDENT, of: 'fastify', atMost: 0.8 },
  { workload: IDLE, metric: RESIDENT, of: 'ws', atMost: 1 }
]

/** Returns a result for each target whose workload was measured. */
function judge (table) {
  return TARGETS.flatMap(({ workload, metric, of, atLeast, atMost }) => {
    const ratio = table.find((row) => row.workload === workload && row.label === metric)?.ratio('ours', of)
    if (ratio === undefined) return []
    return {
      workload,
      target: `${atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`} × ${PEERS[of].name}`,
      measured: ratio.median,
      met: atMost === undefined ? ratio.median >= atLeast : ratio.median <= atMost
    }
  })
}

/** Compares the plugin with many connections to the plugin with few. Its rate may fall by no more than that of ws. */
function scaling (table) {
  const figure = (peer, connections) => table.find(({ workload }) => workload === `echo 64 B, 16 in flight, ${connections} connections`)?.figure(peer)
  const fall = (peer) => figure(peer, '10,000') / figure(peer, '64')
  const [ours, ws] = [fall('ours'), fall('ws')]
  if (Number.isNaN(ours) || Number.isNaN(ws)) return []
  return [{
    workload: 'echo 64 B, 16 in flight, 10,000 connections, against itself at 64',
    target: `≥ ${ws.toFixed(2)}, as ${PEERS.ws.name}`,
    measured: ours,
    met: ours >= ws
  }]
}

module.exports = { judge, scaling }
