import { createClient } from 'redis'
import t from 'tap'
import { redisBroker } from '../../lib/brokers/redis'
import { brokersContract } from '../contract/brokers'
import { RedisServer, skip } from '../helpers/redis'

t.test('a broker on Redis, with node-redis', { skip }, async (t) => {
  const server = await RedisServer.start(t)
  brokersContract(t, {
    createBroker: (_t, options) => redisBroker(createClient({ socket: { port: server.port, host: '127.0.0.1' } }), options),
    stop: () => server.kill(),
    start: () => server.start()
  })
})
