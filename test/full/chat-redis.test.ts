import t from 'tap'
import { chatContract } from '../contract/chat'
import { RedisServer, skip } from '../helpers/redis'

t.test('the chat passes its contract on Redis', { skip }, async (t) => {
  chatContract(t, async (t) => {
    const server = await RedisServer.start(t)
    return { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() }
  })
})
