import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { redisBroker } from '../../lib/brokers/redis'
import { appsContract } from '../contract/apps'
import { brokersContract, type Engine } from '../contract/brokers'
import { historiesContract } from '../contract/histories'
import { rememberingContract } from '../contract/remembering'
import { RedisServer, skip } from '../helpers/redis'

async function engine (t: Test): Promise<Engine> {
  const server = await RedisServer.start(t)
  return {
    createBroker: (_t, options) => redisBroker(new Redis({ port: server.port, host: '127.0.0.1', lazyConnect: true }), options),
    stop: () => server.kill(),
    start: () => server.start(),
    publishForeign: (_t, topic, message) => server.publish(`fastify-async-websocket:${topic}`, message)
  }
}

t.jobs = 2

t.test('a broker on Redis, with ioredis', { skip }, async (t) => brokersContract(t, await engine(t)))
t.test('apps with a broker on Redis, with ioredis', { skip }, async (t) => appsContract(t, await engine(t)))
t.test('the history of a broker on Redis, with ioredis', { skip }, async (t) => historiesContract(t, await engine(t)))
t.test('apps with history on Redis, with ioredis', { skip }, async (t) => rememberingContract(t, await engine(t)))
