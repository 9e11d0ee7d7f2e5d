import { mock } from 'node:test'
import { install } from '@sinonjs/fake-timers'
import t, { type Test } from 'tap'
import { afterTurn } from '../../lib/base/clock'
import { createApp } from '../helpers/app'
import type { FastifyInstance } from 'fastify'

/** Replaces the global timers by fake ones until the end of `t`. Returns a function that lets milliseconds pass for them. */
type Fake = (t: Test) => (ms: number) => unknown

// The timers that vitest replaces by default, and Jest with `doNotFake: ['nextTick', 'queueMicrotask']`.
const GLOBALS = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'Date', 'performance'] as const
const { setImmediate } = globalThis

const FAKES: Record<string, Fake> = {
  'node:test' (t) {
    mock.timers.enable()
    t.teardown(() => mock.timers.reset())
    return (ms) => mock.timers.tick(ms)
  },
  '@sinonjs/fake-timers' (t) {
    const clock = install({ toFake: [...GLOBALS] })
    t.teardown(() => clock.uninstall())
    return (ms) => clock.tick(ms)
  }
}

/** Lets sent messages arrive on both sides. */
async function settle (): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => { setImmediate(resolve) })
}

async function createEcho (t: Test): Promise<FastifyInstance> {
  const app = await createApp(t)
  app.websocket('/', { websocket: { idleTimeout: 10_000 } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  return app
}

for (const [name, fake] of Object.entries(FAKES)) {
  t.test(`with the fake timers of ${name}, injectWebSocket works`, async (t) => {
    fake(t)
    const app = await createEcho(t)
    const client = await app.injectWebSocket('/')
    t.equal(await client.pair('message'), 'message')
    t.equal(await client.pair('a'.repeat(100_000)), 'a'.repeat(100_000))
    t.type(await client.ping(), 'number')
    await client.close()
    t.equal((await client.closed).wasClean, true)
  })

  t.test(`with the fake timers of ${name}, an hour that passes at once ends no connection`, async (t) => {
    const pass = fake(t)
    const app = await createEcho(t)
    const client = await app.injectWebSocket('/')
    pass(3_600_000)
    await settle()
    t.equal(await client.pair('message'), 'message')
  })

  t.test(`with the fake timers of ${name}, the delays of a handler pass when the test lets them`, async (t) => {
    const pass = fake(t)
    const app = await createApp(t)
    app.websocket('/', async (ws) => {
      await ws.accept()
      await new Promise((resolve) => { setTimeout(resolve, 60_000) })
      await ws.send('a minute later')
      await t.rejects(ws.receive({ timeout: 60_000 }), { name: 'WebSocketTimeoutError' })
    })
    const client = await app.injectWebSocket('/')
    pass(60_000)
    t.equal(await client.receive(), 'a minute later')
    await settle()
    pass(60_000)
    t.match(await client.closed, { code: 1000, wasClean: true })
  })
}

t.test('afterTurn resolves in the next turn of the event loop', async (t) => {
  const order: string[] = []
  const turn = afterTurn().then(() => order.push('the next turn'))
  await new Promise<void>((resolve) => process.nextTick(resolve))
  order.push('this turn')
  await turn
  t.same(order, ['this turn', 'the next turn'])
})
