import t from 'tap'
import { brokersContract } from './contract/brokers'
import { MemoryBroker, MemoryServer } from './helpers/memory'

t.test('memory', async (t) => {
  const server = new MemoryServer()
  brokersContract(t, {
    createBroker: (_t, options) => new MemoryBroker(server, options),
    stop: () => server.stop(),
    start: () => server.start()
  })
})
