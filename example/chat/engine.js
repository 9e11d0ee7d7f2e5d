'use strict'

const { natsBroker } = require('fastify-async-websocket/nats')
const { redisBroker } = require('fastify-async-websocket/redis')

/**
 * Connects to the server that REDIS_URL or NATS_URL names. Resolves with a function that takes a prefix and returns a
 * broker; brokers with different prefixes share no messages. Resolves with null if neither variable is set.
 */
module.exports = async function connectEngine (app, { REDIS_URL, NATS_URL }) {
  if (REDIS_URL) {
    const { Redis } = require('ioredis')
    const client = new Redis(REDIS_URL, { lazyConnect: true }) // the brokers copy its settings; it needs no connection itself
    return (prefix) => redisBroker(client, { prefix })
  }
  if (NATS_URL) {
    const { connect } = require('@nats-io/transport-node')
    const connection = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 500 })
    app.addHook('onClose', () => connection.close()) // runs after the onClose hooks that were added later
    return (prefix) => natsBroker(connection, { prefix })
  }
  return null
}
