'use strict'

const { WITHOUT_BUFFERUTIL } = require('../workloads')

/** Lines that say what `ws` unmasked with, as the servers on `ws` have reported. */
function unmasking (results) {
  const deprived = ({ name }) => name.endsWith(WITHOUT_BUFFERUTIL)
  const [usual, without] = [results.filter((result) => !deprived(result)), results.filter(deprived)].map(used)
  return [
    ...usual === '' ? [] : [`ws unmasks with ${usual} in every server that uses ws: ws by hand, @fastify/websocket and this plugin`],
    ...without === '' ? [] : [`in the workloads “${WITHOUT_BUFFERUTIL}”, ws unmasks with ${without}`]
  ]
}

function used (results) {
  const told = results.flatMap(({ rounds }) => rounds.flatMap((round) => Object.values(round).map(({ unmasking }) => unmasking)))
  return [...new Set(told)].filter(Boolean).join(' and ')
}

module.exports = { unmasking }
