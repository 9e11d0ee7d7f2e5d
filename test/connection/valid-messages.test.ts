import t, { type Test } from 'tap'
import { WebSocketDecodeError, WebSocketValidationError } from '../../lib/base/errors'
import { ValidMessages } from '../../lib/connection/valid-messages'
import { createApp } from '../helpers/app'
import { unhandledRejections } from '../helpers/unhandled'
import type { WebSocketRouteOptions } from '../../types/options'

const schema = { receive: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } }

/** Sends valid and invalid messages. Returns the answers of the route before it closes, and the close code. */
async function talk (t: Test, add: (app: Awaited<ReturnType<typeof createApp>>) => void, options: object = {}): Promise<unknown[]> {
  const app = await createApp(t, options)
  add(app)
  const client = await app.injectWebSocket('/')
  for (const text of ['{"n":1}', 'no JSON', '{"n":"x"}', '{"n":2}', '"end"']) await client.sendText(text)
  const answers: unknown[] = []
  try {
    for await (const text of client) answers.push(text)
  } catch {} // the code is not normal
  return [...answers, (await client.closed).code]
}

const onInvalid = async (ws: any, error: Error): Promise<void> => {
  await null
  if (/object/.test(error.message)) return await ws.close(4000)
  await ws.sendText(error.name)
}

const EXPECTED = ['1', 'WebSocketDecodeError', 'WebSocketValidationError', '2', 4000]

async function echo (ws: any): Promise<void> {
  await ws.accept()
  for await (const { n } of ws) await ws.sendText(String(n))
}

const onMessage = (ws: any, { n }: any): Promise<void> => ws.sendText(String(n))

for (const [place, add] of Object.entries<(app: any) => void>({
  'in websocket': (app) => app.websocket('/', { schema, websocket: { onInvalid } }, echo),
  'beside websocket': (app) => app.websocket('/', { schema, onInvalid }, echo),
  'beside websocket of a GET route': (app) => app.get('/', { schema, websocket: true, onInvalid }, echo),
  'among session handlers': (app) => app.websocket('/', { schema }, { onMessage, onInvalid }),
  'among session handlers that stand beside websocket': (app) => app.websocket('/', { schema, onMessage, onInvalid }),
  'among session handlers in websocket': (app) => app.websocket('/', { schema, websocket: { onMessage, onInvalid } })
})) {
  t.test(`onInvalid gets messages that do not decode or validate, is awaited, and the messages are left out: ${place}`, async (t) => {
    t.same(await talk(t, add), EXPECTED)
  })
}

t.test('the onInvalid of the plugin serves all routes without their own', async (t) => {
  t.same(await talk(t, (app) => app.websocket('/', { schema } as WebSocketRouteOptions, echo), { onInvalid }), EXPECTED)
  t.same(await talk(t, (app) => app.websocket('/', { schema, websocket: { onInvalid } } as WebSocketRouteOptions, echo), { onInvalid: () => t.fail('of the plugin') }), EXPECTED)
})

t.test('onInvalid gets the app as this, the session, the error and the request; messages(type) leaves messages out as well', async (t) => {
  const app = await createApp(t)
  app.websocket('/', {
    websocket: {
      onInvalid (ws, error, request) {
        t.equal(this, app)
        t.equal(ws.request, request)
        t.match(error, { name: 'WebSocketDecodeError', closeCode: 1003 })
      }
    }
  }, async (ws) => {
    await ws.accept()
    for await (const n of ws.messages('integer')) await ws.send(n)
  })
  const client = await app.injectWebSocket('/')
  await client.send('x')
  await client.send('5')
  t.equal(await client.receive(), '5')
})

t.test('an error of onInvalid counts as thrown by the handler', async (t) => {
  const thrown = [Object.assign(new Error('mine'), { closeCode: 4001 }), new WebSocketValidationError('not so', [])]
  for (const [i, error] of thrown.entries()) {
    const [, ...rest] = await talk(t, (app) => app.websocket('/', { schema, websocket: { onInvalid () { throw error } } } as WebSocketRouteOptions, echo))
    t.same(rest, i === 0 ? [4001] : ['{"code":1008,"error":"not so","validation":[]}', 1008])
  }
})

t.test('receive, pair and expect reject as without onInvalid', async (t) => {
  const app = await createApp(t, { onInvalid: () => t.fail('not asked') })
  app.websocket('/', async (ws) => {
    await ws.accept()
    await t.rejects(ws.receive('integer'), WebSocketDecodeError)
    await t.rejects(ws.pair('?', { type: 'integer' }), WebSocketDecodeError)
    await t.rejects(ws.expect(5), { name: 'WebSocketExpectError' })
  })
  const client = await app.injectWebSocket('/')
  for (const text of ['a', 'b', 'c']) await client.send(text)
  await client.closed
})

t.test('onInvalid is refused if it can have no effect, is no function, or is given twice', async (t) => {
  const handler = (): void => {}
  for (const [add, message] of [
    [(app) => app.websocket('/', { websocket: { raw: true, onInvalid } }, handler), /needs a session/],
    [(app) => app.websocket('/', { onInvalid: 5 }, handler), /onInvalid/],
    [(app) => app.websocket('/', { onInvalid, websocket: { onInvalid } }, handler), /onInvalid is given twice/],
    [(app) => app.websocket('/', { onInvalid }, { onMessage, onInvalid }), /onInvalid is given twice/]
  ] as [(app: any) => void, RegExp][]) {
    const app = await createApp(t)
    t.throws(() => add(app), { name: 'WebSocketOptionError', message })
  }
})

t.test('an unobserved invalid message is no unhandled rejection', async (t) => {
  const error = new Error('expected')
  const messages = { next: async () => { throw error } } as unknown as AsyncIterableIterator<unknown>
  const sift = new ValidMessages(messages, () => t.fail('it is not invalid'))
  t.equal(sift[Symbol.asyncIterator](), sift)
  t.same(await unhandledRejections(() => { sift.next() }), [])
  await t.rejects(sift.next(), error)
})
