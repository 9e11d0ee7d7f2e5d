'use strict'

const REDIS = { program: 'redis-server', args: (port) => ['--port', port, '--bind', '127.0.0.1', '--save', ''], scheme: 'redis' }
const NATS = { program: 'nats-server', args: (port) => ['--port', port, '--addr', '127.0.0.1'], scheme: 'nats' }

/** The engines that connect the processes. The engine without a server has one process. */
const ENGINES = {
  none: {
    name: 'one process, no broker',
    processes: 1,
    createBroker: () => undefined
  },
  ioredis: {
    name: 'Redis, through ioredis',
    processes: 2,
    server: REDIS,
    createBroker (url) {
      const { Redis } = require('ioredis')
      return require('../../dist/lib/brokers/redis').redisBroker(new Redis(url, { lazyConnect: true }))
    }
  },
  'node-redis': {
    name: 'Redis, through node-redis',
    processes: 2,
    server: REDIS,
    createBroker (url) {
      const { createClient } = require('redis')
      return require('../../dist/lib/brokers/redis').redisBroker(createClient({ url }))
    }
  },
  nats: {
    name: 'NATS',
    processes: 2,
    server: NATS,
    async createBroker (url) {
      const { connect } = require('@nats-io/transport-node')
      return require('../../dist/lib/brokers/nats').natsBroker(await connect({ servers: url, maxReconnectAttempts: -1 }))
    }
  }
}

module.exports = { ENGINES }
