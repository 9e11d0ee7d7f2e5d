import t from 'tap'
import { sharded, single, type Server } from '../../../lib/brokers/redis/library'
import { slotOf } from '../../../lib/brokers/redis/slot'

const server = (): Server => ({ connect: () => { throw new Error('not called') } })

t.test('a single server has all channels', async (t) => {
  const only = server()
  const { servers, serverOf } = single(only)
  t.strictSame(servers, [only])
  t.equal(serverOf('room 1'), 0)
  t.equal(serverOf('room 2'), 0)
})

t.test('in a cluster, a channel belongs to the master of its slot', async (t) => {
  const masters = ['low', 'high']
  const made = new Map<string, Server>()
  const { servers, serverOf } = sharded((slot) => masters[slot < 8192 ? 0 : 1], (master) => {
    const each = server()
    made.set(master, each)
    return each
  })
  t.equal(servers.length, 2)
  for (let i = 0; i < 100; i++) {
    t.equal(servers[serverOf(`room ${i}`)], made.get(masters[slotOf(`room ${i}`) < 8192 ? 0 : 1]))
  }
})

t.test('a cluster with a missing server is an error', async (t) => {
  t.throws(() => sharded((slot) => slot === 5 ? undefined : 'one', server), { message: 'no server of the cluster has slot 5' })
})
