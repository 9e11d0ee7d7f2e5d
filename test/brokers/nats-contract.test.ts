import t, { type Test } from 'tap'
import { natsBroker } from '../../lib/brokers/nats'
import { appsContract } from '../contract/apps'
import { brokersContract, type Engine } from '../contract/brokers'
import { historiesContract } from '../contract/histories'
import { rememberingContract } from '../contract/remembering'
import { NatsServer, skip } from '../helpers/nats'

async function createEngine (t: Test, options?: { jetStream: boolean }): Promise<Engine> {
  const server = await NatsServer.start(t, '', options)
  return {
    createBroker: async (t, options) => natsBroker(await server.connect(t), options),
    stop: () => server.kill(),
    start: () => server.start(),
    publishForeign: async (t, topic, message) => {
      const connection = await server.connect(t)
      connection.publish(`fastify-async-websocket.${topic}`, message)
      await connection.flush()
    }
  }
}

t.test('the broker on NATS', { skip }, async (t) => brokersContract(t, await createEngine(t)))
t.test('apps with the broker on NATS', { skip }, async (t) => appsContract(t, await createEngine(t)))
t.test('the history of the broker on NATS', { skip }, async (t) => historiesContract(t, await createEngine(t, { jetStream: true })))
t.test('apps with history on NATS', { skip }, async (t) => rememberingContract(t, await createEngine(t, { jetStream: true })))
