import { Redis } from 'ioredis'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { natsBroker } from '../../lib/brokers/nats'
import { redisBroker } from '../../lib/brokers/redis'
import { createApp, listen } from '../helpers/app'
import { NatsServer, skip as skipNats } from '../helpers/nats'
import { RedisServer, skip } from '../helpers/redis'
import { until } from '../helpers/until'
import { connect } from '../../lib/client/client'
import type { Broker, WebSocketSession } from '../../lib/index'

/* A long history is replayed to a client that reads slowly: in bounded memory, whole and in order. */

const COUNT = 100_000
const HISTORY = { size: COUNT + 10, ttl: 600_000, maxBytes: 1024 ** 3 }

/** In bytes: what a session may have in memory for a client that does not read: sendHighWaterMark, and a message. */
const MAX_BUFFERED = 64 * 1024 + 1024

/** In bytes: the growth of the memory of the process, client included, after a collection. All messages at once take over 30 MB. */
const MAX_GROWTH = 16 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

function usedMemory (): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function replay (t: Test, broker?: Broker): Promise<void> {
  const app = await createApp(t, { history: HISTORY, ...broker !== undefined && { broker } })
  let session!: WebSocketSession<any>
  app.websocket('/', async (ws) => {
    session = ws
    await ws.accept()
    const { recovered } = await ws.subscribe('room', { after: (ws.query as any).after, positions: true })
    await ws.sendJson({ recovered })
    await ws.closed
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  await until(() => app.websockets.brokerState === 'up')
  const { position } = await app.websockets.publish('room', 'first')
  for (let i = 0; i < COUNT;) await Promise.all(Array.from({ length: 1_000 }, () => app.websockets.publish('room', `message ${String(i++).padEnd(80)}`)))

  const before = usedMemory()
  const client = await connect(`${url}/?after=${encodeURIComponent(position!)}`)
  await until(() => session?.bufferedAmount > 32 * 1024, 30_000) // the client has taken nothing, and is paused
  let most = 0
  let growth = 0
  for (let n = 0; n < COUNT; n++) {
    const { data } = JSON.parse(await client.receive({ timeout: 10_000 }).catch((error) => { throw new Error(`after ${n}: ${error.message}`) }))
    if (Number(data.slice(8)) !== n) t.fail(`${data} in place of ${n}`)
    if (n % 1_000 !== 0) continue
    most = Math.max(most, session.bufferedAmount)
    if (n % 10_000 === 0) growth = Math.max(growth, usedMemory() - before)
    await new Promise((resolve) => setTimeout(resolve, 5)) // slower than the server
  }
  t.strictSame(JSON.parse(await client.receive()), { recovered: true })
  t.ok(most <= MAX_BUFFERED, `${most} bytes wait at most`)
  t.ok(growth <= MAX_GROWTH, `${growth} bytes more at most`)
  await client.close()
}

t.test(`${COUNT} messages from memory`, { timeout: 60_000 }, async (t) => replay(t))

t.test(`${COUNT} messages from Redis`, { skip, timeout: 60_000 }, async (t) => {
  const server = await RedisServer.start(t)
  await replay(t, redisBroker(new Redis({ host: '127.0.0.1', port: server.port, lazyConnect: true })))
})

t.test(`${COUNT} messages from NATS`, { skip: skipNats, timeout: 120_000 }, async (t) => {
  const server = await NatsServer.start(t, '', { jetStream: true })
  await replay(t, natsBroker(await server.connect(t)))
})
