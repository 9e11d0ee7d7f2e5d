import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import t from 'tap'
import { WebSocketDisconnect, WebSocketHandshakeError } from '../../lib/base/errors'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, DEBUG, ERROR, INFO, WARN, type LogLine } from '../helpers/logs'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusal } from '../helpers/refusal'
import { sendHandshake } from '../helpers/request-client'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

interface Served {
  app: FastifyInstance
  port: number
  url: string
  lines: LogLine[]
  /** The log lines with an error. */
  errors (): LogLine[]
}

/** Runs `routes` on an app that logs. */
async function serve (t: Test, routes: (app: FastifyInstance) => void, options: WebSocketPluginOptions = {}): Promise<Served> {
  const { lines, serverOptions } = collectLogs()
  const app = await createApp(t, options, serverOptions)
  routes(app)
  const port = await listen(app)
  return { app, port, url: `ws://127.0.0.1:${port}`, lines, errors: () => lines.filter((line) => 'err' in line) }
}

async function iterate (ws: WebSocketSession): Promise<string[]> {
  const messages = []
  for await (const message of ws) messages.push(message)
  return messages
}

/** Resolves when the handlers of `app` have ended as well. */
async function allEnded (app: FastifyInstance): Promise<void> {
  await app.close()
}

function peerOf (t: Test, { url }: Served, path = '/'): Promise<Peer> {
  return connectPeer(t, url + path)
}

t.test('with autoAccept the connection is open when the handler begins', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', { websocket: { autoAccept: true, subprotocols: ['v1'] } }, async (ws) => {
      t.equal(ws.state, 'open')
      await ws.send(`hello ${ws.protocol}`)
    })
  })
  const peer = await connectPeer(t, `${served.url}/`, { subprotocols: ['v1'] })
  t.equal(await peer.next(), 'hello v1')
  t.equal((await peer.closed).code, 1000)
})

t.test('with autoAccept the handler does not run for a client that has left, and no error is logged', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', { preHandler: async (request) => { await once(request.raw.socket.destroy(), 'close') } }, async () => {
      t.fail('the handler ran')
    })
  }, { autoAccept: true })
  await sendHandshake(t, served.port, '/')
  await until(() => served.errors().length > 0)
  t.match(served.errors(), [{ level: DEBUG, err: { type: 'WebSocketHandshakeError' } }])
  await allEnded(served.app)
})

t.test('a handler that returns closes the connection with 1000; its result is ignored', async (t) => {
  const values = [undefined, null, 5, 'text', { a: 1 }, new Error('returned'), () => {}]
  const served = await serve(t, (app) => {
    app.websocket('/:value', async (ws, request) => {
      await ws.accept()
      return values[(request.params as any).value]
    })
  })
  for (const value of values.keys()) {
    t.same(await (await peerOf(t, served, `/${value}`)).closed, { code: 1000, reason: '' })
  }
  t.same(served.errors(), [])
})

t.test('a handler may be synchronous', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/accept', (ws) => { ws.accept() })
    app.websocket('/throw', () => { throw new Error('at once') })
  })
  t.equal((await (await peerOf(t, served, '/accept')).closed).code, 1000)
  t.match(await refusal(served.port, '/throw'), { status: 500, body: /at once/ })
})

t.test('messages that were sent before the handler returned arrive before the close', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      for (let i = 0; i < 100; i++) ws.send(i)
    })
  })
  const peer = await peerOf(t, served)
  t.same(await peer.rest(), Array.from({ length: 100 }, (_, i) => String(i)))
  t.equal((await peer.closed).code, 1000)
})

t.test('an error before accept becomes the response, through the error handler, and is logged once', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async () => { throw Object.assign(new Error('who are you?'), { statusCode: 401 }) })
    app.register(async (child) => {
      child.setErrorHandler(async (error: any, request, reply) => {
        t.equal(request.ws, true)
        return reply.code(418).header('x-handled', 'yes').send({ handled: error.message })
      })
      child.websocket('/handled', async () => { throw new Error('mine') })
    })
  })
  t.match(await refusal(served.port, '/'), { status: 401, body: '{"statusCode":401,"error":"Unauthorized","message":"who are you?"}' })
  t.match(await refusal(served.port, '/handled'), { status: 418, headers: { 'x-handled': 'yes' }, body: '{"handled":"mine"}' })
  t.equal(served.errors().length, 1)
  t.match(served.errors()[0], { reqId: 'req-1', err: { message: 'who are you?' } })
})

t.test('a handler may throw a value that is no error', async (t) => {
  const things: Record<string, unknown> = { undefined, null: null, string: 'no', number: 5, object: { a: 1 } }
  const served = await serve(t, (app) => {
    for (const [name, thing] of Object.entries(things)) {
      app.websocket(`/before/${name}`, async () => { throw thing })
      app.websocket(`/after/${name}`, async (ws) => {
        await ws.accept()
        throw thing
      })
    }
  })
  for (const name of Object.keys(things)) {
    t.equal((await refusal(served.port, `/before/${name}`)).status, 500, name)
    t.same(await (await peerOf(t, served, `/after/${name}`)).closed, { code: 1011, reason: '' }, name)
  }
  t.equal(served.lines.filter(({ level }) => level === ERROR).length, 2 * Object.keys(things).length)
})

t.test('a handler that returns without a decision is a 500 and one error in the log', async (t) => {
  const served = await serve(t, (app) => { app.websocket('/', async () => {}) })
  t.match(await refusal(served.port, '/'), { status: 500, body: /returned without accept\(\), deny\(\) or close\(\)/ })
  t.equal(served.errors().length, 1)
  t.match(served.errors()[0], { level: ERROR, reqId: 'req-1', err: { code: 'FST_WS_HANDSHAKE' } })
})

t.test('an error after accept closes the connection with 1011 and no detail, and is logged once with the id of the request', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      throw new Error('a secret')
    })
  })
  const peer = await peerOf(t, served)
  t.same(await peer.rest(), [])
  t.same(await peer.closed, { code: 1011, reason: '' })
  await allEnded(served.app)
  t.equal(served.errors().length, 1)
  t.match(served.errors()[0], { level: ERROR, reqId: 'req-1', ws: /.+/, err: { message: 'a secret' } })
})

t.test('the closeCode of a thrown error closes the connection, if the code may be sent', async (t) => {
  const codes = { 1000: 1000, 1008: 1008, 3000: 3000, 4999: 4999, 1005: 1011, 1006: 1011, 1015: 1011, 999: 1011, 2000: 1011, 5000: 1011, '"1008"': 1011 }
  const served = await serve(t, (app) => {
    app.websocket('/:code', async (ws, request) => {
      await ws.accept()
      throw Object.assign(new Error('coded'), { closeCode: JSON.parse((request.params as any).code) })
    })
  })
  for (const [code, sent] of Object.entries(codes)) {
    t.same(await (await peerOf(t, served, `/${encodeURIComponent(code)}`)).closed, { code: sent, reason: '' }, code)
  }
})

t.test('a handler that returns or throws while accept waits for hooks closes the connection when it is open', async (t) => {
  const app = await createApp(t)
  const onSend = () => setImmediate() as never
  app.websocket('/returns', { onSend }, (ws) => { ws.accept() })
  app.websocket('/throws', { onSend }, (ws) => {
    ws.accept()
    throw Object.assign(new Error('expected'), { closeCode: 4002 })
  })
  const url = `ws://127.0.0.1:${await listen(app)}`
  t.equal((await (await connectPeer(t, `${url}/returns`)).closed).code, 1000)
  t.equal((await (await connectPeer(t, `${url}/throws`)).closed).code, 4002)
})

t.test('a fault of the client is logged at info', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.receive('integer')
    })
  })
  const peer = await peerOf(t, served)
  peer.socket.send('no integer')
  t.same(await peer.closed, { code: 1003, reason: '' })
  await allEnded(served.app)
  t.equal(served.errors().length, 1)
  t.match(served.errors()[0], { level: INFO, reqId: 'req-1', err: { code: 'FST_WS_DECODE' } })
})

t.test('a validation error that leaves the handler is sent to the client, and closes the connection with 1008', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', { schema: { receive: { type: 'object', required: ['a'] } } }, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
  })
  const peer = await peerOf(t, served)
  peer.socket.send('{"a":1}')
  t.equal(await peer.next(), '{"a":1}')
  peer.socket.send('{}')
  const told = JSON.parse(await peer.next() as string)
  t.match(told, { code: 1008, error: /required property 'a'/, validation: [{ keyword: 'required' }] })
  t.same(Object.keys(told), ['code', 'error', 'validation'])
  t.same(await peer.closed, { code: 1008, reason: '' })
  await allEnded(served.app)
  t.equal(served.errors().length, 1)
  t.match(served.errors()[0], { level: INFO, err: { code: 'FST_WS_VALIDATION' } })
})

t.test('a validation error is sent to the client even if the errors of the validator do not fit into JSON', async (t) => {
  const error = Object.assign(new Error('too big'), { issues: [{ maximum: 10n }] })
  const served = await serve(t, (app) => {
    app.websocket('/', { schema: { receive: {} }, validatorCompiler: () => () => ({ error }) }, async (ws) => {
      await ws.accept()
      await ws.receive()
    })
  })
  const peer = await peerOf(t, served)
  peer.socket.send('11')
  t.same(JSON.parse(await peer.next() as string), { code: 1008, error: 'too big', validation: [{ message: 'too big' }] })
  t.same(await peer.closed, { code: 1008, reason: '' })
})

t.test('a validation error that is caught leaves the session usable', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', { schema: { receive: { type: 'integer' } } }, async (ws) => {
      await ws.accept()
      await t.rejects(ws.receive(), { code: 'FST_WS_VALIDATION' })
      await ws.send(`then ${await ws.receive()}`)
    })
  })
  const peer = await peerOf(t, served)
  peer.socket.send('"a"')
  peer.socket.send('2')
  t.equal(await peer.next(), 'then 2')
  t.equal((await peer.closed).code, 1000)
})

t.test('the errorHandler gets a thrown error first, and may send and close', async (t) => {
  const seen: unknown[] = []
  const served = await serve(t, (app) => {
    app.websocket('/sends', async (ws) => {
      await ws.accept()
      throw new Error('first')
    })
    app.websocket('/closes', async (ws) => {
      await ws.accept()
      throw new Error('second')
    })
    app.websocket('/validates', { schema: { receive: { type: 'integer' } } }, async (ws) => {
      await ws.accept()
      await ws.receive()
    })
  }, {
    async errorHandler (error, ws, request) {
      seen.push([this.websockets.size, error.message, ws.state, request.url])
      await ws.send(`sorry: ${error.message}`)
      if (request.url !== '/sends') await ws.close(4000, 'closed by the error handler')
    }
  })
  const sends = await peerOf(t, served, '/sends')
  t.equal(await sends.next(), 'sorry: first')
  t.same(await sends.closed, { code: 1011, reason: '' })
  const closes = await peerOf(t, served, '/closes')
  t.equal(await closes.next(), 'sorry: second')
  t.same(await closes.closed, { code: 4000, reason: 'closed by the error handler' })
  const validates = await peerOf(t, served, '/validates')
  validates.socket.send('"a"')
  t.match(await validates.rest(), [/^sorry: /], 'if errorHandler closes the session, the client gets no message with the errors of the validation')
  t.equal((await validates.closed).code, 4000)
  t.match(seen, [[1, 'first', 'open', '/sends'], [1, 'second', 'open', '/closes'], [1, String, 'open', '/validates']])
  t.same(served.errors(), [], 'it takes the place of the log')
})

t.test('the errorHandler does not run before accept or after a refusal; Fastify handles these errors', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/before', async () => { throw new Error('before') })
    app.websocket('/refused', async (ws) => {
      await ws.deny(401, 'no')
      throw new Error('after the refusal')
    })
  }, { errorHandler () { t.fail('it is asked') } })
  t.match(await refusal(served.port, '/before'), { status: 500, body: /before/ })
  t.match(await refusal(served.port, '/refused'), { status: 401, body: 'no' })
  await allEnded(served.app)
  t.same(served.errors().map(({ reqId, err }) => [reqId, err.message]), [['req-1', 'before'], ['req-2', 'after the refusal']])
})

for (const [how, errorHandler] of Object.entries({
  throws: () => { throw new Error('from the errorHandler') },
  rejects: async () => { throw new Error('from the errorHandler') }
})) {
  t.test(`when the errorHandler ${how}, both errors are logged once and the connection is closed with 1011`, async (t) => {
    const served = await serve(t, (app) => {
      app.websocket('/', async (ws) => {
        await ws.accept()
        throw new Error('from the handler')
      })
    }, { errorHandler })
    t.same(await (await peerOf(t, served)).closed, { code: 1011, reason: '' })
    await allEnded(served.app)
    t.same(served.errors().map(({ level, reqId, err }) => [level, reqId, err.message]),
      [[ERROR, 'req-1', 'from the handler'], [ERROR, 'req-1', 'from the errorHandler']])
  })
}

t.test('an errorHandler that never settles has closeTimeout; then the error is logged', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      throw new Error('lost')
    })
  }, { errorHandler: () => new Promise(() => {}), closeTimeout: 50 })
  t.same(await (await peerOf(t, served)).closed, { code: 1011, reason: '' })
  t.match(served.errors(), [{ level: ERROR, err: { message: 'lost' }, msg: 'the errorHandler of fastify-async-websocket has not settled within 50 ms (closeTimeout)' }])
  t.equal(served.errors().length, 1)
})

t.test('a disconnect that leaves the handler is logged at debug only', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/:verb', async (ws, request) => {
      await ws.accept()
      const { verb } = request.params as any
      if (verb === 'receive') await ws.receive()
      else if (verb === 'iterate') await iterate(ws)
      else for (;;) await ws.send('x'.repeat(100_000))
    })
  }, { errorHandler () { t.fail('it is told') } })
  for (const verb of ['receive', 'iterate', 'send']) {
    const peer = await peerOf(t, served, `/${verb}`)
    peer.socket.terminate()
  }
  await until(() => served.errors().length === 3)
  t.ok(served.errors().every(({ level, err }) => level === DEBUG && err.code === 'FST_WS_DISCONNECT'))
})

t.test('the disconnect of a send after the session\'s own close is logged at debug only', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      ws.close(4001)
      await ws.send('late')
    })
  })
  const peer = await connectPeer(t, served.url)
  t.equal((await peer.closed).code, 4001)
  await allEnded(served.app)
  t.same(served.errors().map(({ level }) => level), [DEBUG])
})

t.test('iteration ends without an error after a normal closure, and throws after any other', async (t) => {
  const ends: unknown[] = []
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      try {
        await iterate(ws)
        ends.push('without an error')
      } catch (error) {
        ends.push((error as WebSocketDisconnect).closeCode)
      }
    })
  })
  for (const code of [1000, 1001, undefined, 1008, 4000]) {
    const peer = await peerOf(t, served)
    peer.socket.close(code)
    await peer.closed
    await until(() => served.app.websockets.size === 0)
  }
  t.same(ends, ['without an error', 'without an error', 'without an error', 1008, 4000])
})

t.test('with catchDisconnect: false every disconnect throws, and goes to the errorHandler', async (t) => {
  const seen: unknown[] = []
  const served = await serve(t, (app) => {
    app.websocket('/iterate', async (ws) => {
      await ws.accept()
      await iterate(ws)
    })
    app.websocket('/quiet', { websocket: { catchDisconnect: true } }, async (ws) => {
      await ws.accept()
      await iterate(ws)
    })
  }, { catchDisconnect: false, errorHandler: (error, ws) => { seen.push([error.closeCode, ws.state]) } })
  for (const path of ['/iterate', '/quiet']) {
    const peer = await peerOf(t, served, path)
    peer.socket.close(1000)
    await peer.closed
  }
  await allEnded(served.app)
  t.same(seen, [[1000, 'closed']])
})

t.test('with catchDisconnect: false and no errorHandler, a disconnect is logged', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.receive()
    })
  }, { catchDisconnect: false })
  const peer = await peerOf(t, served)
  peer.socket.close(4001)
  await peer.closed
  await allEnded(served.app)
  t.match(served.errors(), [{ level: INFO, err: { code: 'FST_WS_DISCONNECT', closeCode: 4001 } }])
})

t.test('an AbortError of the session\'s signal is logged at debug, like the disconnect', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/abortError', async (ws) => {
      await ws.accept()
      await setTimeout(60_000, null, { signal: ws.signal })
    })
    app.websocket('/reason', async (ws) => {
      await ws.accept()
      await once(ws.signal, 'abort')
      ws.signal.throwIfAborted()
    })
  })
  for (const path of ['/abortError', '/reason']) (await peerOf(t, served, path)).socket.close()
  await until(() => served.errors().length === 2)
  t.ok(served.errors().every(({ level }) => level === DEBUG))
})

t.test('an AbortError of another signal is an error', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await once(ws.signal, 'abort')
      await setTimeout(1, null, { signal: AbortSignal.abort() })
    })
  })
  ;(await peerOf(t, served)).socket.close()
  await until(() => served.errors().length === 1)
  t.match(served.errors()[0], { level: ERROR, err: { type: 'AbortError' } })
})

t.test('the disconnect of another session is an error of this session', async (t) => {
  const first = new Deferred<WebSocketSession>()
  const served = await serve(t, (app) => {
    app.websocket('/first', async (ws) => {
      await ws.accept()
      first.resolve(ws)
      await ws.closed
    })
    app.websocket('/second', async (ws) => {
      await ws.accept()
      await (await first.promise).receive()
    })
  })
  const [one, two] = [await peerOf(t, served, '/first'), await peerOf(t, served, '/second')]
  one.socket.close(4002)
  t.equal((await two.closed).code, 4002)
  t.match(served.errors(), [{ level: INFO, reqId: 'req-2', err: { code: 'FST_WS_DISCONNECT' } }])
})

t.test('an error after the client has left is logged once, and the errorHandler gets it', async (t) => {
  const seen: unknown[] = []
  const routes = (app: FastifyInstance): void => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.closed
      throw new Error('while cleaning up')
    })
  }
  const logs = await serve(t, routes)
  const handles = await serve(t, routes, { errorHandler: (error, ws) => { seen.push([error.message, ws.state]) } })
  for (const served of [logs, handles]) {
    const peer = await peerOf(t, served)
    peer.socket.close()
    await peer.closed
    await allEnded(served.app)
  }
  t.match(logs.errors(), [{ level: ERROR, err: { message: 'while cleaning up' } }])
  t.equal(logs.errors().length, 1)
  t.same(seen, [['while cleaning up', 'closed']])
})

t.test('the error of accept() after the client has left is logged at debug', async (t) => {
  const started = new Deferred<void>()
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      started.resolve()
      await ws.closed
      await ws.accept()
    })
  })
  const client = await sendHandshake(t, served.port, '/')
  await started.promise
  client.leave()
  await until(() => served.errors().length === 1)
  t.match(served.errors()[0], { level: DEBUG, reqId: 'req-1', err: { code: 'FST_WS_HANDSHAKE', message: 'the client left during the handshake' } })
})

t.test('another error after the client has left during the handshake is logged as an error', async (t) => {
  const started = new Deferred<void>()
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      started.resolve()
      await ws.closed
      throw new Error('lost its client')
    })
  })
  const client = await sendHandshake(t, served.port, '/')
  await started.promise
  client.leave()
  await until(() => served.errors().length === 1)
  t.match(served.errors()[0], { level: ERROR, reqId: 'req-1', err: { message: 'lost its client' } })
})

t.test('session handlers run in order, with decoded data, and with the app as this', async (t) => {
  const calls: unknown[] = []
  const served = await serve(t, (app) => {
    app.decorate('name', 'the app')
    app.websocket('/', {
      websocket: {
        valueType: 'json',
        async onConnect (ws, request) {
          calls.push(['onConnect', (this as any).name, ws.state, request.url])
          await ws.accept()
        },
        async onMessage (ws, data, request) {
          calls.push(['onMessage', (this as any).name, data, request.url])
          await ws.send(data)
        },
        onDisconnect (ws, info, request) {
          calls.push(['onDisconnect', (this as any).name, ws.state, info, request.url])
        }
      }
    })
  })
  const peer = await peerOf(t, served)
  peer.socket.send('{"a":1}')
  t.equal(await peer.next(), '{"a":1}')
  peer.socket.close(4000, 'bye')
  await peer.closed
  await allEnded(served.app)
  t.same(calls, [
    ['onConnect', 'the app', 'connecting', '/'],
    ['onMessage', 'the app', { a: 1 }, '/'],
    ['onDisconnect', 'the app', 'closed', { code: 4000, reason: 'bye', wasClean: true }, '/']
  ])
})

t.test('onMessage runs for one message at a time, even if it is slow', async (t) => {
  let running = 0
  const order: string[] = []
  const served = await serve(t, (app) => {
    app.websocket('/', {
      async onMessage (ws, data) {
        t.equal(++running, 1)
        await setTimeout(Math.random() * 5)
        order.push(data)
        running--
        if (order.length === 20) await ws.close()
      }
    })
  })
  const peer = await peerOf(t, served)
  const sent = Array.from({ length: 20 }, (_, i) => String(i))
  for (const message of sent) peer.socket.send(message)
  await peer.closed
  t.same(order, sent)
})

t.test('messages that came before the close are handled even when they can no longer be answered', async (t) => {
  const seen: string[] = []
  const ended = new Deferred<void>()
  const served = await serve(t, (app) => {
    app.websocket('/', {
      async onMessage (ws, data) {
        seen.push(data)
        await ws.closed
        await ws.ping()
      },
      onDisconnect (_ws, { code }) {
        seen.push(String(code))
        ended.resolve()
      }
    })
  })
  const peer = await peerOf(t, served)
  for (const message of ['1', '2', '3']) peer.socket.send(message)
  peer.socket.close(1000)
  await ended.promise
  t.same(seen, ['1', '2', '3', '1000'])
  t.match(served.errors(), [{ level: DEBUG, err: { type: 'WebSocketDisconnect' } }])
  t.equal(served.errors().length, 1)
})

t.test('messages that came before the close are handled before onDisconnect', async (t) => {
  const calls: string[] = []
  const served = await serve(t, (app) => {
    app.websocket('/', {
      async onMessage (_, data) {
        await setTimeout(2)
        calls.push(data)
      },
      onDisconnect () { calls.push('disconnected') }
    })
  })
  const peer = await peerOf(t, served)
  for (const message of 'abc') peer.socket.send(message)
  peer.socket.close()
  await until(() => calls.includes('disconnected'))
  t.same(calls, ['a', 'b', 'c', 'disconnected'])
})

t.test('without onConnect the connection is accepted with the subprotocol of the route, with and without autoAccept', async (t) => {
  const served = await serve(t, (app) => {
    for (const autoAccept of [true, false]) {
      app.websocket(`/${autoAccept}`, { websocket: { autoAccept, subprotocols: ['v1'], async onMessage (ws, data) { await ws.send(data) } } })
    }
  })
  for (const autoAccept of [true, false]) {
    const peer = await connectPeer(t, `${served.url}/${autoAccept}`, { subprotocols: ['v1'] })
    t.equal(peer.socket.protocol, 'v1')
    peer.socket.send('hi')
    t.equal(await peer.next(), 'hi')
  }
})

t.test('onConnect may refuse; then no other session handler runs', async (t) => {
  const served = await serve(t, (app) => {
    const rest = { onMessage () { t.fail('onMessage runs') }, onDisconnect () { t.fail('onDisconnect runs') } }
    app.websocket('/denies', { onConnect: (ws) => ws.deny(401, 'no'), ...rest })
    app.websocket('/closes', { onConnect: (ws) => ws.close(), ...rest })
    app.websocket('/throws', { onConnect () { throw Object.assign(new Error('not now'), { statusCode: 409 }) }, ...rest })
    app.websocket('/forgets', { onConnect () {}, ...rest })
  })
  t.match(await refusal(served.port, '/denies'), { status: 401, body: 'no' })
  t.match(await refusal(served.port, '/closes'), { status: 403 })
  t.match(await refusal(served.port, '/throws'), { status: 409, body: /not now/ })
  t.match(await refusal(served.port, '/forgets'), { status: 500, body: /without accept/ })
  await allEnded(served.app)
  t.equal(served.lines.filter(({ level }) => level === ERROR).length, 1)
})

t.test('onConnect need not await accept, which waits for onSend hooks', async (t) => {
  const served = await serve(t, (app) => {
    app.addHook('onSend', async () => { await setImmediate() })
    app.websocket('/', { onConnect (ws) { ws.accept() }, onMessage: (ws, data) => ws.send(data) })
  })
  const peer = await connectPeer(t, served.url)
  peer.socket.send('hi')
  t.equal(await peer.next(), 'hi')
})

const ENDS: Record<string, { code: number, end: (peer: Peer, app: FastifyInstance) => void, handlers?: object }> = {
  'the client closes': { code: 4000, end: (peer) => peer.socket.close(4000) },
  'the client vanishes': { code: 1006, end: (peer) => peer.socket.terminate() },
  'onMessage closes': { code: 4001, end: (peer) => peer.socket.send('x'), handlers: { onMessage: (ws: WebSocketSession) => ws.close(4001) } },
  'onMessage terminates': { code: 1006, end: (peer) => peer.socket.send('x'), handlers: { onMessage: (ws: WebSocketSession) => ws.terminate() } },
  'onMessage throws': { code: 1011, end: (peer) => peer.socket.send('x'), handlers: { onMessage () { throw new Error('thrown') } } },
  'onMessage rejects': { code: 1011, end: (peer) => peer.socket.send('x'), handlers: { async onMessage () { throw new Error('thrown') } } },
  'a message does not decode': { code: 1003, end: (peer) => peer.socket.send(Buffer.from('x')) },
  'onConnect throws after accept': {
    code: 1011,
    end () {},
    handlers: {
      async onConnect (ws: WebSocketSession) {
        await ws.accept()
        throw new Error('thrown')
      }
    }
  },
  'onConnect closes after accept': {
    code: 4002,
    end () {},
    handlers: {
      async onConnect (ws: WebSocketSession) {
        await ws.accept()
        await ws.close(4002)
      }
    }
  },
  'the app closes': { code: 1001, end: (_, app) => { app.close() } }
}

for (const [how, { code, end, handlers }] of Object.entries(ENDS)) {
  t.test(`onDisconnect runs exactly once when ${how}`, async (t) => {
    const calls: unknown[] = []
    const served = await serve(t, (app) => {
      app.websocket('/', { onMessage () {}, ...handlers, onDisconnect (ws, info) { calls.push([ws.state, info.code]) } })
    })
    const peer = await peerOf(t, served)
    end(peer, served.app)
    await peer.closed
    await allEnded(served.app)
    t.same(calls, [['closed', code]])
  })
}

for (const stuck of ['onConnect', 'onMessage']) {
  t.test(`onDisconnect runs once, closeTimeout after the end, if ${stuck} never settles, and a line is logged`, async (t) => {
    const calls: unknown[] = []
    const told = new Deferred<void>()
    const never = new Promise(() => {})
    const served = await serve(t, (app) => {
      app.websocket('/', {
        async onConnect (ws) {
          await ws.accept()
          if (stuck === 'onConnect') await never
        },
        onMessage: () => never,
        onDisconnect (ws, info) {
          calls.push([ws.state, info.code])
          told.resolve()
        }
      })
    }, { closeTimeout: 50, shutdown: { timeout: 200 } })
    const peer = await peerOf(t, served)
    peer.socket.send('x')
    peer.socket.close(4000)
    const begin = performance.now()
    await told.promise
    t.ok(performance.now() - begin >= 49)
    await allEnded(served.app)
    t.same(calls, [['closed', 4000]])
    const ofSession = served.lines.filter(({ level, ws }) => level >= WARN && ws !== undefined)
    t.match(ofSession, [{ level: WARN, reqId: 'req-1', msg: /not gone on within 50 ms \(closeTimeout\) .* onDisconnect runs without it/ }])
    t.equal(ofSession.length, 1)
  })
}

t.test('onDisconnect waits for an onMessage that makes progress, however long it takes', async (t) => {
  const calls: string[] = []
  const told = new Deferred<void>()
  const served = await serve(t, (app) => {
    app.websocket('/', {
      async onMessage (_, data) {
        await setTimeout(60)
        calls.push(data)
      },
      onDisconnect () {
        calls.push('disconnected')
        told.resolve()
      }
    })
  }, { closeTimeout: 100 })
  const peer = await peerOf(t, served)
  for (const message of 'abcde') peer.socket.send(message)
  peer.socket.close()
  await told.promise
  t.same(calls, [...'abcde', 'disconnected'])
  t.same(served.lines.filter(({ level }) => level >= WARN), [])
})

t.test('an onMessage that goes on late gets the messages before the end, and onDisconnect does not run again', async (t) => {
  const calls: string[] = []
  const slow = new Deferred<void>()
  const served = await serve(t, (app) => {
    app.websocket('/', {
      async onMessage (_, data) {
        await slow.promise
        calls.push(data)
      },
      onDisconnect () {
        calls.push('disconnected')
        slow.resolve()
      }
    })
  }, { closeTimeout: 50 })
  const peer = await peerOf(t, served)
  for (const message of 'ab') peer.socket.send(message)
  peer.socket.close()
  await until(() => calls.length === 3)
  await allEnded(served.app)
  t.same(calls, ['disconnected', 'a', 'b'])
})

t.test('an error of onDisconnect is logged once, thrown or rejected', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/throws', { onMessage () {}, onDisconnect () { throw new Error('from onDisconnect') } })
    app.websocket('/rejects', { onMessage () {}, async onDisconnect () { throw new Error('from onDisconnect') } })
  })
  for (const path of ['/throws', '/rejects']) (await peerOf(t, served, path)).socket.close()
  await until(() => served.app.websockets.size === 0)
  await allEnded(served.app)
  t.match(served.errors(), [1, 2].map((n) => ({ level: ERROR, reqId: `req-${n}`, err: { message: 'from onDisconnect' } })))
  t.equal(served.errors().length, 2)
})

t.test('a handler that throws the error of a second accept closes the connection with 1011', async (t) => {
  const served = await serve(t, (app) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      await ws.accept()
    })
  })
  t.equal((await (await peerOf(t, served)).closed).code, 1011)
  t.match(served.errors(), [{ level: ERROR, err: { type: WebSocketHandshakeError.name } }])
})

/** A logger that throws for sessions: when a session creates its child logger, or only when the session logs. */
function brokenLogger (when: string): { loggerInstance: FastifyBaseLogger, count (): number } {
  let thrown = 0
  const fail = (): never => {
    thrown++
    throw new Error('from the logger')
  }
  const logger = (log: () => void, child: (bindings: object) => unknown): FastifyBaseLogger =>
    ({ level: 'debug', fatal: log, error: log, warn: log, info: log, debug: log, trace: log, silent: log, child } as never)
  const broken = when === 'makes a child' ? fail : () => logger(fail, fail)
  const loggerInstance = logger(() => {}, (bindings) => 'ws' in bindings ? broken() : loggerInstance)
  return { loggerInstance, count: () => thrown }
}

const LOGGED: Record<string, { code: number, handlers: object, act: (socket: Peer['socket']) => void, options?: WebSocketPluginOptions }> = {
  'a handler has thrown': {
    code: 1011,
    handlers: { onMessage () { throw new Error('from the handler') } },
    act: (socket) => socket.send('x')
  },
  'a handler and the errorHandler have thrown': {
    code: 1011,
    handlers: { onMessage () { throw new Error('from the handler') } },
    act: (socket) => socket.send('x'),
    options: { errorHandler () { throw new Error('from the errorHandler') } }
  },
  'a disconnect has left a handler': {
    code: 4000,
    handlers: { onMessage () {} },
    act: (socket) => socket.close(4000)
  },
  'onDisconnect has thrown': {
    code: 1000,
    handlers: { onMessage () {}, onDisconnect () { throw new Error('from onDisconnect') } },
    act: (socket) => socket.close(1000)
  }
}

for (const when of ['makes a child', 'logs']) {
  for (const [what, { code, handlers, act, options }] of Object.entries(LOGGED)) {
    t.test(`a logger that throws when it ${when}, since ${what}, does not keep the connection and the app from ending`, async (t) => {
      const { loggerInstance, count } = brokenLogger(when)
      const app = await createApp(t, options, { loggerInstance })
      app.websocket('/', handlers as never)
      const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
      const [session] = app.websockets
      t.same(await unhandledRejections(async () => {
        act(peer.socket)
        t.equal((await peer.closed).code, code)
        await session.closed
        const begin = Date.now()
        await app.close()
        t.ok(Date.now() - begin < 5_000, 'it does not wait for the handler, which has ended')
      }), [])
      t.ok(count() > 0, 'the logger has thrown')
      t.equal(session.state, 'closed')
    })
  }
}

t.test('a logger that throws for an error after a refusal does not change the response', async (t) => {
  const { loggerInstance, count } = brokenLogger('logs')
  const app = await createApp(t, {}, { loggerInstance })
  app.websocket('/', async (ws) => {
    await ws.deny(401, 'no')
    throw new Error('after the refusal')
  })
  const port = await listen(app)
  t.same(await unhandledRejections(async () => {
    t.match(await refusal(port, '/'), { status: 401, body: 'no' })
    const begin = Date.now()
    await app.close()
    t.ok(Date.now() - begin < 5_000)
  }), [])
  t.ok(count() > 0, 'the logger has thrown')
})

t.test('onDisconnect runs once even if the handler throws, and then the logger', async (t) => {
  const { loggerInstance } = brokenLogger('logs')
  const app = await createApp(t, {}, { loggerInstance })
  let runs = 0
  app.websocket('/', {
    onMessage () { throw new Error('from the handler') },
    onDisconnect () { runs++ }
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('x')
  await peer.closed
  await app.close()
  t.equal(runs, 1)
})
