import { createClient, createCluster } from 'redis'
import t from 'tap'
import { redisBroker } from '../../../lib/brokers/redis'
import { redisClusterContract, redisContract, type Clients } from '../../contract/redis'
import { Recorder } from '../../helpers/recorder'
import { skip } from '../../helpers/redis'

const clients: Clients = {
  create: ({ port, ca, protocol, ...options }) => createClient({
    socket: { port, host: '127.0.0.1', ...ca && { tls: true, ca, servername: 'localhost' } }, RESP: protocol, ...options
  }),
  createCluster: ({ nodes, password, keyPrefix }) => createCluster({ rootNodes: nodes.map((socket) => ({ socket })), keyPrefix, ...password && { defaults: { password } } })
}

t.jobs = 2

t.test('a broker on a server, with node-redis', { skip }, async (t) => {
  t.jobs = 4
  redisContract(t, clients)
})

t.test('a broker on a cluster, with node-redis', { skip }, async (t) => {
  redisClusterContract(t, clients)
})

t.test('the library drops a client that throws when it is dropped after its end, as clients of version 5 do', async (t) => {
  const client: any = clients.create({ port: 1 })
  const { duplicate } = client
  client.duplicate = (options: object) => {
    const copy = duplicate.call(client, options)
    const { destroy } = copy
    copy.destroy = () => {
      destroy.call(copy)
      throw new Error('The client is closed')
    }
    return copy
  }
  const broker = redisBroker(client)
  const told = new Recorder()
  await broker.start(told)
  t.match(told.downs, [{ message: /ECONNREFUSED/ }])
  await broker.close()
})

t.test('a cluster that keeps its options elsewhere is refused', async (t) => {
  const cluster = { duplicate () {}, destroy () {}, nodeClient () {} }
  await t.rejects(redisBroker(cluster as never).start(new Recorder()), { code: 'FST_WS_OPTION' })
})
