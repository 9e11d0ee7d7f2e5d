import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { traceMessages } from '../../lib/observe/on-message'
import { withoutDepartures, withoutWrapper } from '../../lib/session/handlers'
import { createApp } from '../helpers/app'
import { collectLogs, DEBUG, ERROR } from '../helpers/logs'
import { until } from '../helpers/until'
import type { WebSocketSession } from '../../types/session'

/* What leaves the handler of a route that a hook of somebody else has wrapped. */

interface Wrapped {
  app: FastifyInstance
  lines: any[]
  /** What the wrapped handlers have returned or thrown: the name of the handler, and the error. */
  left: unknown[]
}

/** An app in which a hook wraps the handlers of routes, before the hook of the plugin gets them. */
async function createWrapping (t: Test, options = {}): Promise<Wrapped> {
  const { lines, serverOptions } = collectLogs()
  const left: unknown[] = []
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  app.addHook('onRoute', (route) => {
    for (const name of ['handler', 'wsHandler'] as const) {
      const handle = route[name] as Function | undefined
      if (handle === undefined) continue
      route[name] = async function (this: unknown, ...args: unknown[]) {
        try {
          await handle.apply(this, args)
          left.push([handle.name, null])
        } catch (error) {
          left.push([handle.name, error])
          throw error
        }
      }
    }
  })
  await app.register(require('../../lib/index'), options)
  return { app, lines, left }
}

async function waits (ws: WebSocketSession): Promise<void> {
  await ws.accept()
  await ws.receive()
}

t.test('that the client has left leaves no wrapped handler, and is logged at debug once', async (t) => {
  const { app, left, lines } = await createWrapping(t)
  app.websocket('/', waits)
  app.get('/both', { handler: async () => 'http', wsHandler: waits } as any)
  for (const path of ['/', '/both']) {
    const client = await app.injectWebSocket(path)
    client.terminate()
  }
  await until(() => left.length === 2)
  t.same(left, [['waits', null], ['waits', null]])
  t.same(lines.filter(({ level }) => level === DEBUG).map(({ msg }) => msg), Array(2).fill('the WebSocket client has disconnected'))
})

t.test('a handshake that the client has left leaves no wrapped handler', async (t) => {
  const { app, left, lines } = await createWrapping(t)
  app.websocket('/', async (ws) => {
    ws.terminate()
    await ws.closed
    await ws.accept()
  })
  await t.rejects(app.injectWebSocket('/'))
  await until(() => left.length === 1)
  t.same(left, [['', null]])
  t.match(lines.filter(({ level }) => level === DEBUG), [{ msg: 'the WebSocket handshake was not completed' }])
})

t.test('any other error leaves a wrapped handler, as does a disconnect with catchDisconnect: false', async (t) => {
  const { app, left, lines } = await createWrapping(t)
  app.websocket('/throws', async (ws) => {
    await ws.accept()
    throw new Error('thrown')
  })
  app.websocket('/strict', { websocket: { catchDisconnect: false } }, waits)
  await (await app.injectWebSocket('/throws')).closed
  const client = await app.injectWebSocket('/strict')
  client.terminate()
  await until(() => left.length === 2)
  t.match(left, [['', { message: 'thrown' }], ['waits', { name: 'WebSocketDisconnect' }]])
  t.match(lines.filter(({ level }) => level >= ERROR), [{ err: { message: 'thrown' } }])
})

t.test('what runs around each onMessage is asked for once for each session', async (t) => {
  const app = await createApp(t)
  const calls: unknown[] = []
  app.websocket('/', {
    async onMessage (ws, message) {
      calls.push(message)
      if (message === 'throw') throw new Error('thrown')
      await ws.send(message)
    }
  })
  traceMessages((session, isDeparture) => {
    calls.push(session.observer.route)
    return async (handle) => {
      calls.push('before')
      try {
        await handle()
      } catch (error) {
        calls.push(isDeparture(session, error))
        throw error
      }
      calls.push('after')
    }
  })
  t.teardown(() => traceMessages(null))
  const client = await app.injectWebSocket('/')
  await client.pair('one')
  await client.send('throw')
  t.equal((await client.closed).code, 1011)
  t.same(calls, [{ url: '/' }, 'before', 'one', 'after', 'before', 'throw', false])
})

t.test('what is no handler of a session stays as it is', async (t) => {
  t.equal(withoutDepartures('no function'), 'no function')
  const error = new Error('of a raw handler')
  const raw = async (): Promise<void> => { throw error }
  const wrapper = withoutDepartures(raw) as Function
  await t.rejects(wrapper({}), error)
  t.equal(wrapper.name, 'raw')
  t.equal(withoutWrapper(wrapper), raw)
  t.equal(withoutWrapper(raw), raw)
  t.equal((withoutDepartures(() => 1) as Function)({}), 1)
})

t.test('a handler of a session that is not async can be wrapped, too', async (t) => {
  const { app, left } = await createWrapping(t)
  app.websocket('/', function denies (ws) { ws.deny(403) })
  await t.rejects(app.injectWebSocket('/'), { message: /403/ })
  await until(() => left.length === 1)
  t.same(left, [['denies', null]])
})
