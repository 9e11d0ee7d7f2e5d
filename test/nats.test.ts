import t from 'tap'
import { brokersContract } from './contract/brokers'
import { natsServer, NatsServer } from './helpers/nats'
import { natsBroker } from '../lib/brokers/nats'

const skip = natsServer === undefined && 'nats-server is not installed'

t.test('NATS', { skip, timeout: 60_000 }, async (t) => {
  const server = await NatsServer.start(t)
  brokersContract(t, {
    createBroker: async (t, options) => natsBroker(await server.connect(t), options),
    stop: () => server.kill(),
    start: () => server.start()
  })
})
