'use strict'

// Two connections as one: messages and the end of each connection go to the other. docs/protocols.md explains the close codes.

const { closeCodes, WebSocketDisconnect } = require('fastify-async-websocket')

/** `client` is a session, `upstream` a client from `connect`. Resolves when both connections have ended. */
async function bridge (client, upstream) {
  await Promise.all([
    pump(client, upstream, closeCodes.GOING_AWAY),
    pump(upstream, client, closeCodes.BAD_GATEWAY)
  ])
}

async function pump (from, to, codeWhenLost) {
  try {
    for await (const message of from.messages('any')) await to.send(message, { type: 'any' })
  } catch (error) {
    if (!(error instanceof WebSocketDisconnect)) throw error
  }
  const { code, reason } = await from.closed
  switch (code) {
    case closeCodes.NO_STATUS_RECEIVED: return await to.close(null)
    case closeCodes.ABNORMAL_CLOSURE:
    case closeCodes.TLS_HANDSHAKE: return await to.close(codeWhenLost)
    default: return await to.close(code, reason)
  }
}

module.exports = { bridge }
