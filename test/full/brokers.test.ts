import t from 'tap'
import { appsContract } from '../contract/apps'
import { brokersContract, type Engine } from '../contract/brokers'
import { historiesContract } from '../contract/histories'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'

function memory (): Engine {
  const server = new MemoryServer()
  return {
    createBroker: (_t, options) => new MemoryBroker(server, options),
    stop: () => server.stop(),
    start: () => server.start(),
    publishForeign: (_t, topic, message) => server.send(`fastify-async-websocket:${topic}`, message)
  }
}

t.test('the broker in memory passes the contract of brokers', async (t) => brokersContract(t, memory()))
t.test('apps with the broker in memory pass the contract of apps', async (t) => appsContract(t, memory()))
t.test('the history of the broker in memory passes the contract of histories', async (t) => historiesContract(t, memory()))
