import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { clientFrame, CLOSE, closePayload, TEXT } from '../helpers/frames'
import { connectRequest, openSession, peerOf, responseTo } from '../helpers/http2'
import { HTTP2_SERVERS, TLS } from '../helpers/http2-servers'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { CloseInfo } from '../../types/message'
import type { WebSocketPluginOptions } from '../../types/options'

/* How connections over HTTP/2 end, and what is left of them: nothing. */

interface Ends {
  app: FastifyInstance
  session: ClientHttp2Session
  /** How each session has ended. */
  closed: CloseInfo[]
}

/** An app whose route `/` hears the client until the end, and whose route `/early` never decides. */
async function start (t: Test, options: WebSocketPluginOptions = {}, server: object = HTTP2_SERVERS['in the clear']): Promise<Ends> {
  const app = await createApp(t, options, server)
  const closed: CloseInfo[] = []
  const hear = async (ws: any): Promise<void> => { closed.push(await ws.closed) }
  app.websocket('/', async (ws) => {
    await ws.accept()
    await hear(ws)
  })
  app.websocket('/early', hear)
  const session = await openSession(t, `${'https' in server ? 'https' : 'http'}://127.0.0.1:${await listen(app)}`)
  return { app, session, closed }
}

/** Asserts that nothing is left of the connections, and that the app closes at once. */
async function nothingLeft (t: Test, app: FastifyInstance): Promise<void> {
  await until(() => app.websockets.size === 0)
  const begin = performance.now()
  await app.close()
  const took = performance.now() - begin
  t.ok(took < 1_900, `app.close() took ${took} ms`)
}

const LOST = { code: 1006, reason: '', wasClean: false }

const ENDS: Record<string, (stream: ClientHttp2Stream, session: ClientHttp2Session) => void> = {
  'END_STREAM without a close frame': (stream) => stream.end(),
  'GOAWAY, then the end of the connection': (_stream, session) => {
    session.goaway()
    session.destroy()
  },
  'a session that is destroyed': (_stream, session) => session.destroy(),
  'a connection that is cut': (_stream, session) => (session.socket.off('close', () => {}) as any).resetAndDestroy(),
  ...Object.fromEntries([0, 1, 2, 3, 5, 7, 8, 11, 13].map((code) => [`RST_STREAM with code ${code}`, (stream: ClientHttp2Stream) => stream.close(code)]))
}

for (const [name, end] of Object.entries(ENDS)) {
  t.test(`${name} is 1006 after accept and during the handshake, and leaves nothing`, async (t) => {
    t.same(await unhandledRejections(async () => {
      for (const path of ['/', '/early']) {
        const { app, session, closed } = await start(t)
        const stream = connectRequest(session, path)
        stream.resume()
        if (path === '/') await responseTo(stream)
        else await new Promise<void>((resolve) => { session.ping(() => resolve()) })
        end(stream, session)
        await until(() => closed.length === 1)
        t.same(closed, [LOST], path)
        await nothingLeft(t, app)
      }
    }), [])
  })
}

t.test('GOAWAY of a client does not end its open WebSockets, which close in order', async (t) => {
  const { app, session, closed } = await start(t)
  const peer = await peerOf(connectRequest(session, '/'))
  session.goaway()
  await peer.close(4001, 'bye')
  await peer.closed
  await until(() => closed.length === 1)
  t.same(closed, [{ code: 4001, reason: 'bye', wasClean: true }])
  await nothingLeft(t, app)
})

t.test('a client that leaves its side of a stream open, after a close or a refusal, is reset, and holds neither its session nor app.close()', async (t) => {
  const { app, session, closed } = await start(t)
  const stream = connectRequest(session, '/')
  await responseTo(stream)
  const refused = connectRequest(session, '/unknown')
  await responseTo(refused)
  stream.resume().write(clientFrame(CLOSE, closePayload(4002)))
  await until(() => closed.length === 1)
  t.same(closed, [{ code: 4002, reason: '', wasClean: true }])
  t.equal(stream.closed, false, 'the session is over before the stream')
  await Promise.all([once(refused.resume(), 'close'), once(stream, 'close')])
  t.same([stream.rstCode, refused.rstCode], [0, 0])
  await nothingLeft(t, app)
})

t.test('app.close() closes WebSockets with 1001 beside a half request, and drops the half request at shutdown.timeout', async (t) => {
  for (const server of Object.values(HTTP2_SERVERS)) {
    const app = await createApp(t, { shutdown: { timeout: 300 } }, server)
    app.websocket('/', async (ws) => { await (await ws.accept()).closed })
    app.post('/', async ({ body }) => body)
    const session = await openSession(t, `${'https' in server ? 'https' : 'http'}://127.0.0.1:${await listen(app)}`)
    const peer = await peerOf(connectRequest(session, '/'))
    const half = session.request({ ':method': 'POST', ':path': '/', 'content-type': 'text/plain', 'content-length': '4' }, { endStream: false }).on('error', () => {})
    half.write('ha')
    await new Promise<void>((resolve) => { session.ping(() => resolve()) })
    const begin = performance.now()
    await app.close()
    t.ok(performance.now() - begin < 2_000, `${performance.now() - begin} ms`)
    t.equal((await peer.closed).code, 1001)
  }
})

t.test('app.close() does not wait for a client that never closes its side of the connection', async (t) => {
  for (const server of [HTTP2_SERVERS['in the clear'], HTTP2_SERVERS['with TLS']]) {
    const app = await createApp(t, { shutdown: { timeout: 300 } }, server)
    app.get('/', async () => 'http')
    const port = await listen(app)
    const options = { port, host: '127.0.0.1', allowHalfOpen: true }
    const socket = 'https' in server ? connectTls({ ...options, ALPNProtocols: ['h2'], rejectUnauthorized: false }) : connectTcp(options)
    t.teardown(() => socket.destroy())
    await once(socket, 'https' in server ? 'secureConnect' : 'connect')
    socket.on('error', () => {}).resume()
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
    await once(socket, 'data')
    const begin = performance.now()
    await app.close()
    t.ok(performance.now() - begin < 2_000, `${performance.now() - begin} ms`)
  }
})

t.test('one stream that does not read, or whose messages nobody takes, slows no other stream', async (t) => {
  const app = await createApp(t, { sendHighWaterMark: 16 * 1024 }, { http2: true, https: TLS } as object)
  app.websocket('/flood', async (ws) => {
    await ws.accept()
    for (;;) await ws.send('x'.repeat(8 * 1024))
  })
  app.websocket('/deaf', async (ws) => { await (await ws.accept()).closed })
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const session = await openSession(t, `https://127.0.0.1:${await listen(app)}`)
  const flooded = connectRequest(session, '/flood').pause()
  await responseTo(flooded)
  const deaf = connectRequest(session, '/deaf')
  await responseTo(deaf)
  while (deaf.write(clientFrame(TEXT, 'x'.repeat(60_000)))) await new Promise(setImmediate)
  const echo = await peerOf(connectRequest(session, '/echo'))
  const begin = performance.now()
  for (let i = 0; i < 200; i++) {
    await echo.send(`${i}`)
    t.equal(await echo.next(), `${i}`)
  }
  t.ok(performance.now() - begin < 5_000)
})

t.test('1,000 streams on one connection, of which 100 do not read: bounded memory, and the rest at full speed', async (t) => {
  const STALLED = 100
  const ECHOES = 900
  const ROUNDS = 10
  const app = await createApp(t, { sendHighWaterMark: 16 * 1024 }, HTTP2_SERVERS['in the clear'])
  let flooded = 0
  app.websocket('/flood', async (ws) => {
    await ws.accept()
    for (;;) {
      await ws.send('x'.repeat(8 * 1024))
      flooded += 8 * 1024
    }
  })
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  const session = await openSession(t, `http://127.0.0.1:${await listen(app)}`, { peerMaxConcurrentStreams: STALLED + ECHOES, settings: { initialWindowSize: 64 * 1024 } })
  session.setMaxListeners(0)

  const begin = performance.now()
  const echoes = Array.from({ length: ECHOES }, () => connectRequest(session, '/echo'))
  await Promise.all(echoes.map(responseTo))
  t.comment(`${ECHOES} WebSockets opened in ${Math.round(performance.now() - begin)} ms`)

  /** The time of all rounds, of which each sends a message on each stream, in ms. */
  const echoAll = async (): Promise<number> => {
    const begin = performance.now()
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(echoes.map(async (stream) => {
        stream.write(clientFrame(TEXT, `${round}`))
        const [answer] = await once(stream, 'data')
        if (answer.subarray(2).toString() !== `${round}`) t.fail(`${String(answer)} in round ${round}`)
      }))
    }
    return performance.now() - begin
  }
  await echoAll() // V8 compiles
  const alone = await echoAll()
  const before = process.memoryUsage.rss()
  await Promise.all(Array.from({ length: STALLED }, async () => { await responseTo(connectRequest(session, '/flood').pause()) }))
  let seen
  do {
    seen = flooded
    await new Promise<void>((resolve) => { session.ping(() => resolve()) })
  } while (flooded > seen)
  const beside = await echoAll()
  const grown = process.memoryUsage.rss() - before
  t.comment(`${ROUNDS * ECHOES} echoes: ${Math.round(alone)} ms, beside ${STALLED} stalled streams ${Math.round(beside)} ms; ${Math.round(grown / 1024 / 1024)} MiB more`)
  t.ok(flooded > STALLED * 32 * 1024 && flooded < STALLED * 128 * 1024, `${flooded} bytes were taken from the handlers of the stalled streams`)
  t.ok(beside < alone * 2, 'stalled streams slow no other stream')
  t.ok(grown < 100 * 1024 * 1024)
  t.equal(app.websockets.size, STALLED + ECHOES)
  session.destroy()
  await nothingLeft(t, app)
})
