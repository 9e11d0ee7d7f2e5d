import { createCluster } from 'redis'
import t from 'tap'
import { redisBroker } from '../../lib/brokers/redis'
import { brokersContract } from '../contract/brokers'
import { RedisCluster, skip } from '../helpers/redis'

t.setTimeout(180_000)

t.test('a broker on a cluster of Redis, with node-redis', { skip }, async (t) => {
  const cluster = await RedisCluster.start(t)
  brokersContract(t, {
    createBroker: (_t, options) => redisBroker(createCluster({ rootNodes: cluster.addresses.map((socket) => ({ socket })) }), options),
    stop: () => cluster.killAll(),
    start: () => cluster.startAll()
  })
})
