import { Redis } from 'ioredis'
import t from 'tap'
import { redisBroker } from '../../lib/brokers/redis'
import { brokersContract } from '../contract/brokers'
import { RedisServer, skip } from '../helpers/redis'

t.test('a broker on Redis, with ioredis', { skip }, async (t) => {
  const server = await RedisServer.start(t)
  brokersContract(t, {
    createBroker: (_t, options) => redisBroker(new Redis({ port: server.port, host: '127.0.0.1', lazyConnect: true }), options),
    stop: () => server.kill(),
    start: () => server.start()
  })
})
