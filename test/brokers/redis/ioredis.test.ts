import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import { redisClusterContract, redisContract, type Clients } from '../../contract/redis'
import { skip } from '../../helpers/redis'

const clients: Clients = {
  create: ({ ca, ...options }) => new Redis({ host: '127.0.0.1', lazyConnect: true, ...options, ...ca && { tls: { ca, servername: 'localhost' } } }),
  createCluster: ({ nodes, keyPrefix, password }) => new Cluster(nodes, { keyPrefix, lazyConnect: true, redisOptions: { password } })
}

t.jobs = 2

t.test('a broker on a server, with ioredis', { skip }, async (t) => {
  t.jobs = 4
  redisContract(t, clients)
})

t.test('a broker on a cluster, with ioredis', { skip }, async (t) => {
  redisClusterContract(t, clients)
})
