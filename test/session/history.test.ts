import t from 'tap'
import { rememberingContract } from '../contract/remembering'
import { createApp } from '../helpers/app'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../lib/index'

t.test('topics with history in one process', async (t) => rememberingContract(t))

t.test('a subscription that fails is left, unless another one has taken its place', async (t) => {
  const broker = new MemoryBroker(new MemoryServer())
  const history = broker.history!
  const app = await createApp(t, { broker, history: { size: 10, ttl: 60_000 } })
  let session!: WebSocketSession<any>
  app.websocket('/', async (ws) => {
    session = ws
    await ws.accept()
    await ws.closed
  })
  const client = await app.injectWebSocket('/')
  await until(() => app.websockets.brokerState === 'up')
  const { position } = await app.websockets.publish('room', 'first')
  const read = history.read.bind(history)
  const fails: ((error: Error) => void)[] = []
  history.read = () => new Promise((_resolve, reject) => fails.push(reject))
  const first = session.subscribe('room', { after: position! })
  await until(() => fails.length === 1)
  history.read = read
  await session.subscribe('room', { last: 1 })
  fails[0](new Error('late'))
  await t.rejects(first, { name: 'WebSocketBrokerError' })
  t.strictSame([...session.topics], ['room'])
  history.read = async () => { throw new Error('at once') }
  await t.rejects(session.subscribe('room', { after: position! }), { name: 'WebSocketBrokerError' })
  t.strictSame([...session.topics], [])
  await client.close()
})
