import t from 'tap'
import { chatContract } from '../contract/chat'
import { NatsServer, skip } from '../helpers/nats'

t.test('the chat passes its contract on NATS', { skip }, async (t) => {
  chatContract(t, async (t) => {
    const server = await NatsServer.start(t, '', { jetStream: true })
    return { env: { NATS_URL: `nats://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() }
  })
})
