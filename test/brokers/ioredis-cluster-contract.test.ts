import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { redisBroker } from '../../lib/brokers/redis'
import { appsContract } from '../contract/apps'
import { brokersContract, type Engine } from '../contract/brokers'
import { historiesContract } from '../contract/histories'
import { rememberingContract } from '../contract/remembering'
import { RedisCluster, skip } from '../helpers/redis'

t.setTimeout(120_000)

async function engine (t: Test, isReady = false): Promise<Engine> {
  const cluster = await RedisCluster.start(t)
  return {
    createBroker: (_t, options) => redisBroker(new Cluster(cluster.addresses, { lazyConnect: true }), options),
    stop: () => cluster.killAll(),
    start: async () => {
      await cluster.startAll()
      if (isReady) await cluster.ready() // before that, a cluster refuses commands with keys
    },
    publishForeign: async (_t, topic, message) => {
      const channel = `fastify-async-websocket:${topic}`
      await (await cluster.masterOf(channel)).publish(channel, message, 'spublish')
    }
  }
}

t.jobs = 2

t.test('a broker on a cluster of Redis, with ioredis', { skip }, async (t) => brokersContract(t, await engine(t)))
t.test('apps with a broker on a cluster of Redis, with ioredis', { skip }, async (t) => appsContract(t, await engine(t)))
t.test('histories on a cluster of Redis, with ioredis', { skip }, async (t) => {
  const cluster = await engine(t, true)
  await t.test('the broker', async (t) => historiesContract(t, cluster))
  await t.test('apps', async (t) => rememberingContract(t, cluster))
})
