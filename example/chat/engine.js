'use strict'

const { natsBroker } = require('fastify-async-websocket/nats')
const { redisBroker } = require('fastify-async-websocket/redis')

/**
 * Resolves with a function that makes brokers on the server that REDIS_URL or NATS_URL names, each for messages of its
 * own; with null where neither is set.
 */
module.exports = async function connectEngine (app, { REDIS_URL, NATS_URL }) {
  if (REDIS_URL) {
    const { Redis } = require('ioredis')
    const client = new Redis(REDIS_URL, { lazyConnect: true }) // it is the pattern of their connections, and has none itself
    return (prefix) => redisBroker(client, { prefix })
  }
  if (NATS_URL) {
    const { connect } = require('@nats-io/transport-node')
    const connection = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 500 })
    app.addHook('onClose', () => connection.close()) // after the hooks of who was registered later
    return (prefix) => natsBroker(connection, { prefix })
  }
  return null
}
