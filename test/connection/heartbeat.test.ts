import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { timers } from '../../lib/base/timers'
import { Heartbeat } from '../../lib/connection/heartbeat'
import { createApp, listen } from '../helpers/app'
import { FakeClock } from '../helpers/fake-clock'
import { freeze } from '../helpers/freeze'
import { collectLogs, INFO } from '../helpers/logs'
import { connectPeer } from '../helpers/peer'
import { clientFrame, PING, serverFrame, TEXT } from '../helpers/frames'
import { sendHandshake } from '../helpers/request-client'
import { ACCEPTED, bytesReadOf } from '../helpers/transport'
import { until } from '../helpers/until'
import type { StreamChannel } from '../../lib/connection/stream-channel'

type Session = Parameters<Parameters<Awaited<ReturnType<typeof createApp>>['websocket']>[1] & ((ws: any) => unknown)>[0]

/** The heartbeat for clients that are gone. */
const QUICK = { interval: 40, timeout: 400 }
/** The heartbeat for clients that are there. In the same process, or on a busy machine, they may be slow. */
const PATIENT = { interval: 40, timeout: 2_000 }

/** An app with one route, whose handler takes messages until the end. */
async function createRoute (t: Test, { heartbeat = QUICK, serverOptions = {}, ...options }: Record<string, any> = {}) {
  const app = await createApp(t, { heartbeat, ...options }, serverOptions)
  const ends: any[] = []
  const sessions: Session[] = []
  app.websocket('/', async (ws) => {
    sessions.push(ws)
    await ws.accept()
    ws.signal.addEventListener('abort', () => { ends.push(ws.signal.reason) })
    await ws.subscribe('news')
    for await (const message of ws) await ws.send(message)
  })
  return { app, port: await listen(app), ends, sessions }
}

/** A TCP relay to `port`. After `swallow` the relay reads from both sides and passes nothing on, not even an end. */
async function createRelay (t: Test, port: number) {
  let isSwallowing = false
  const sockets: Socket[] = []
  const relay = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    sockets.push(near, far)
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (chunk) => { if (!isSwallowing) to.write(chunk) })
      from.on('error', () => {})
    }
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    relay.close()
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return { port: (relay.address() as AddressInfo).port, swallow: () => { isSwallowing = true } }
}

t.test('a client whose network has gone is terminated: its handler sees 1006, its signal aborts, its topics are left, and one line says why', async (t) => {
  const { lines, serverOptions } = collectLogs('info')
  const { app, port, ends } = await createRoute(t, { serverOptions })
  const relay = await createRelay(t, port)
  const peer = await connectPeer(t, `ws://127.0.0.1:${relay.port}`)
  peer.socket.send('hello')
  t.equal(await peer.next(), 'hello')
  relay.swallow()
  const begin = performance.now()
  await until(() => ends.length === 1)
  t.ok(performance.now() - begin >= QUICK.timeout / 2)
  t.match(ends[0], { closeCode: 1006, wasClean: false, cause: { message: `nothing has arrived within ${QUICK.timeout} ms of a ping (heartbeat)` } })
  t.equal(app.websockets.subscribers('news').size, 0)
  t.equal(app.websockets.size, 0)
  t.match(lines.filter(({ ws }) => ws !== undefined), [{ level: INFO, msg: /nothing has arrived within 400 ms of a ping/ }])
})

t.test('a client whose network is gone is terminated also while the handler sends much to it', async (t) => {
  const clock = new FakeClock(t)
  const { app, port, ends, sessions } = await createRoute(t)
  const relay = await createRelay(t, port)
  await connectPeer(t, `ws://127.0.0.1:${relay.port}`)
  await until(() => sessions[0]?.topics.has('news'))
  relay.swallow()
  for (let n = 0; n < 50; n++) {
    await app.websockets.publish('news', 'x'.repeat(1000))
    await clock.pass(10)
  }
  await until(() => ends.length === 1)
  t.equal(ends[0].closeCode, 1006)
})

/** Lets time pass until each session has sent a ping of a heartbeat with an interval of 40 ms, and has received the pong. */
async function answeredPing (clock: FakeClock, sessions: Pick<Session, 'raw'>[]): Promise<void> {
  const pongs = sessions.map(({ raw }) => once(raw!, 'pong'))
  await clock.pass(40 + 10)
  await Promise.all(pongs)
}

/** A client in another process. It answers pings and does nothing else. */
async function spawnClient (t: Test, port: number): Promise<ChildProcess> {
  const script = `require('./peer').connectPeer({ teardown () {} }, 'ws://127.0.0.1:${port}').then(() => console.log('open'))`
  const tsNode = join(__dirname, '..', '..', 'node_modules', '.bin', 'ts-node-transpile-only')
  const child = spawn(process.execPath, [tsNode, '-e', script], { cwd: join(__dirname, '..', 'helpers'), stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

t.test('a client whose process has stopped is terminated', async (t) => {
  const { port, ends } = await createRoute(t, { heartbeat: { interval: 40, timeout: 500 } })
  const child = await spawnClient(t, port)
  await freeze(child)
  await until(() => ends.length === 1)
  t.equal(ends[0].closeCode, 1006)
})

t.test('a client that only answers pings stays connected, over TLS, within the process, and under permessage-deflate as well', async (t) => {
  const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
  const heartbeat = { interval: 40, timeout: 300 }
  const clock = new FakeClock(t)
  const secure = await createRoute(t, { heartbeat, serverOptions: { https: { key: fixture('key.pem'), cert: fixture('cert.pem') } } })
  const plain = await createRoute(t, { heartbeat, perMessageDeflate: true })
  const peers = [
    await connectPeer(t, `wss://127.0.0.1:${secure.port}`, { rejectUnauthorized: false }),
    await connectPeer(t, `ws://127.0.0.1:${plain.port}`)
  ]
  const injected = await plain.app.injectWebSocket('/')
  for (let n = 0; n < 10; n++) await answeredPing(clock, [...secure.sessions, ...plain.sessions])
  t.same([...secure.ends, ...plain.ends], [])
  for (const { socket } of peers) socket.send('still there')
  for (const peer of peers) t.equal(await peer.next(), 'still there')
  await injected.send('still there')
  t.equal(await injected.receive(), 'still there')
})

t.test('a client within the process that does not answer is terminated', async (t) => {
  const clock = new FakeClock(t)
  const { app, ends } = await createRoute(t)
  const injected = await app.injectWebSocket('/')
  injected.raw!.pause()
  await clock.pass(QUICK.interval / 2 + QUICK.timeout)
  t.same(ends, [])
  await clock.pass(QUICK.interval / 2 + 20)
  await until(() => ends.length === 1)
  t.equal(ends[0].closeCode, 1006)
  injected.terminate()
})

t.test('a client that sends no pong but the bytes of a message, slowly, stays connected', async (t) => {
  const clock = new FakeClock(t)
  const { port, ends, sessions } = await createRoute(t, { heartbeat: { interval: 40, timeout: 250 } })
  const client = await sendHandshake(t, port, '/')
  await client.answer
  const { _socket: stream } = sessions[0].raw as any
  for (const byte of clientFrame(TEXT, 'slowly, '.repeat(3))) {
    const before = bytesReadOf(stream)
    client.write(Buffer.from([byte]))
    await until(() => bytesReadOf(stream) > before)
    await clock.pass(200)
  }
  await client.until('slowly, slowly, slowly, ')
  t.same(ends, [])
  await clock.pass(350)
  await until(() => ends.length === 1)
})

t.test('pings go on while they are answered', async (t) => {
  const clock = new FakeClock(t)
  const { port, sessions } = await createRoute(t, { heartbeat: PATIENT })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  const pings: Buffer[] = []
  peer.socket.on('ping', (data) => pings.push(data))
  await until(() => sessions.length === 1)
  for (let n = 0; n < 5; n++) await answeredPing(clock, sessions)
  t.same(pings, Array(pings.length).fill(Buffer.from('0')))
})

t.test('a ping of the heartbeat does not disturb the pings of the session', async (t) => {
  const { port, sessions, ends } = await createRoute(t, { heartbeat: { interval: 20, timeout: 5_000 } })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}`)
  ;(peer.socket as any)._autoPong = false
  const roundTrip = sessions[0].ping()
  await once(peer.socket, 'ping')
  const [data] = await once(peer.socket, 'ping') // the heartbeat's
  peer.socket.pong(data) // the only answer
  t.ok(await roundTrip > 0)
  t.same(ends, [])
})

t.test('a handler that keeps the process busy for longer than interval and timeout does not make clients look dead', async (t) => {
  const { port, ends, sessions } = await createRoute(t, { heartbeat: { interval: 40, timeout: 300 } })
  await spawnClient(t, port) // the client answers meanwhile
  const { endpoint } = (sessions[0] as unknown as StreamChannel).connection!
  const { ping } = endpoint
  let count = 0
  endpoint.ping = function (...args: Parameters<typeof ping>) {
    ping.apply(this, args)
    endpoint.writer.flush()
    count++
    setImmediate().then(() => { // HTTP/2 has written the ping by then
      const end = performance.now() + 400
      while (performance.now() < end);
    })
  }
  await until(() => count === 2)
  t.same(ends, [])
})

t.test('a paused client, whose handler takes no message, does not look dead, and is pinged', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { heartbeat: PATIENT, receiveHighWaterMark: 100 })
  let raw: Session['raw'] = null
  let take = (): void => {}
  const goOn = new Promise<void>((resolve) => { take = resolve })
  app.websocket('/', async (ws) => {
    raw = (await ws.accept()).raw
    await goOn
    for await (const message of ws) await ws.send(message)
  })
  const peer = await connectPeer(t, `ws://127.0.0.1:${await listen(app)}`)
  peer.socket.send('x'.repeat(200))
  peer.socket.send('last')
  await until(() => raw?.isPaused === true)
  for (let n = 0; n < 60; n++) {
    const ping = once(peer.socket, 'ping')
    await clock.pass(50)
    await ping
  }
  take()
  t.equal(await peer.next(), 'x'.repeat(200))
  t.equal(await peer.next(), 'last')
  for (let n = 0; n < 3; n++) await answeredPing(clock, [{ raw }])
})

t.test('a ping finds out that a paused client has left', async (t) => {
  const app = await createApp(t, { heartbeat: PATIENT, receiveHighWaterMark: 100 })
  const ended = new Promise((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      resolve(await ws.closed)
    })
  })
  const client = await sendHandshake(t, await listen(app), '/')
  await client.answer
  client.write(Buffer.concat([clientFrame(TEXT, 'x'.repeat(120)), clientFrame(TEXT, 'x')]))
  await client.until('\x89') // a ping
  client.reset()
  t.match(await ended, { code: 1006 })
})

t.test('a connection that is closing is left to the closing handshake', async (t) => {
  const clock = new FakeClock(t)
  const { port, sessions, ends } = await createRoute(t, { closeTimeout: 100 })
  const client = await sendHandshake(t, port, '/') // the client answers no close frame
  await client.answer
  sessions[0].close(4001)
  await clock.pass(10_000)
  await until(() => ends.length === 1)
  t.match(ends[0], { closeCode: 1006, cause: undefined })
})

t.test('a client that ends its side without a closing handshake and does not take the waiting bytes is terminated', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { heartbeat: { interval: 500, timeout: 500 } })
  const ended = new Promise((resolve) => {
    app.websocket('/', async (ws) => {
      await ws.accept()
      while (ws.bufferedAmount === 0 && ws.state === 'open') {
        ws.send(Buffer.alloc(20_000)) // less than sendHighWaterMark, so that no sendTimeout runs
        await setImmediate()
      }
      t.equal(ws.state, 'open')
      client.stream.end()
      await until(() => (ws.raw as any)._socket.readableEnded)
      for (let n = 0; n < 3; n++) await clock.pass(500)
      resolve(await ws.closed)
    })
  })
  const client = await sendHandshake(t, await listen(app), '/')
  client.stream.pause()
  t.match(await ended, { code: 1006 })
})

t.test('heartbeat: false, a route with raw: true and injectWS have no heartbeat', async (t) => {
  const clock = new FakeClock(t)
  const app = await createApp(t, { heartbeat: { interval: 10, timeout: 10 } })
  app.websocket('/off', { websocket: { heartbeat: false } }, async (ws) => { await (await ws.accept()).closed })
  app.get('/raw', { websocket: { raw: true } }, () => {})
  app.websocket('/on', async (ws) => { await (await ws.accept()).closed })
  const port = await listen(app)
  const clients = [await sendHandshake(t, port, '/off'), await sendHandshake(t, port, '/raw')]
  for (const { answer } of clients) t.match(await answer, { status: ACCEPTED })
  const injected = await (app as any).injectWS('/on')
  t.equal(timers.size, 0)
  await clock.pass(100)
  await setImmediate()
  for (const client of clients) t.notOk(client.hasEnded)
  t.equal(injected.readyState, injected.OPEN)
  injected.terminate()
})

t.test('the timers are empty when the last connection has ended, however it ended', async (t) => {
  const { port, sessions, ends } = await createRoute(t, { heartbeat: {} })
  const peers = await Promise.all(Array.from({ length: 4 }, () => connectPeer(t, `ws://127.0.0.1:${port}`)))
  await until(() => sessions.length === 4)
  t.equal(timers.size, 4)
  peers[0].socket.close()
  peers[1].socket.terminate()
  sessions[2].close()
  sessions[3].terminate()
  await until(() => ends.length === 4)
  t.equal(timers.size, 0)
})

/** A connection that counts its pings. `pings` are their times. */
function createPulse (answers = true) {
  const pings: number[] = []
  const pulse = {
    state: 'open' as const,
    reads: 0,
    paused: false,
    lost: '',
    stream: { writableLength: 0, readableEnded: false, isPaused: () => pulse.paused },
    beat () {
      pings.push(timers.now)
      if (answers) pulse.reads++
    },
    lose (reason: string) { pulse.lost = reason }
  }
  return { pulse, pings }
}

t.test('the pings of connections that began together are spread over half of the interval, and stay spread', async (t) => {
  const interval = 500
  const clock = new FakeClock(t)
  const begin = clock.now
  const all = Array.from({ length: 1_000 }, () => createPulse())
  const heartbeats = all.map(({ pulse }) => new Heartbeat(pulse, pulse, { interval, timeout: 100 }))
  t.teardown(() => { for (const heartbeat of heartbeats) timers.remove(heartbeat) })
  await clock.pass(2 * interval + 20)
  for (const round of [0, 1]) {
    const times = all.map(({ pings }) => pings[round])
    const first = Math.min(...times)
    t.ok(first - begin >= (round + 1 / 2) * interval)
    t.ok(Math.max(...times) - begin <= (round + 1) * interval + 20)
    const shares = new Array<number>(Math.ceil((Math.max(...times) - first) / 50) + 1).fill(0)
    for (const time of times) shares[Math.floor((time - first) / 50)]++
    t.ok(Math.max(...shares) < 300, shares.join()) // as a rule a fifth of them
  }
})

t.test('pings keep to the interval, also after missed pings', async (t) => {
  const { pulse, pings } = createPulse()
  const heartbeat = new Heartbeat(pulse, pulse, { interval: 1_000, timeout: 100 })
  timers.remove(heartbeat)
  const first = heartbeat.due
  const looks: number[] = []
  for (const now of [first + 1, first + 102, first + 1_001, first + 5_500, first + 5_601]) {
    heartbeat.look(now)
    looks.push(heartbeat.due - first)
    timers.remove(heartbeat)
  }
  t.same(looks, [101, 1_000, 1_101, 5_600, 6_000])
  t.equal(pings.length, 3)
})

t.test('with a timeout longer than the interval, at most one ping is unanswered', async (t) => {
  const { pulse, pings } = createPulse(false)
  const heartbeat = new Heartbeat(pulse, pulse, { interval: 100, timeout: 250 })
  timers.remove(heartbeat)
  const first = heartbeat.due
  for (const [now, count] of [[1, 1], [101, 1], [201, 1]]) {
    heartbeat.look(first + now)
    timers.remove(heartbeat)
    t.equal(pings.length, count)
  }
  t.equal(heartbeat.due, first + 251)
  pulse.reads++
  heartbeat.look(first + 252)
  timers.remove(heartbeat)
  t.equal(pings.length, 1, 'the next one is due at the next interval')
  heartbeat.look(first + 301)
  timers.remove(heartbeat)
  t.equal(pings.length, 2)
  heartbeat.look(first + 552)
  t.equal(pulse.lost, 'nothing has arrived within 250 ms of a ping (heartbeat)')
  t.equal(timers.size, 0)
})

t.test('after a standstill of the process, clients get their timeout once more', async (t) => {
  const { pulse } = createPulse(false)
  const heartbeat = new Heartbeat(pulse, pulse, { interval: 1_000, timeout: 100 })
  timers.remove(heartbeat)
  const ping = heartbeat.due + 1
  heartbeat.look(ping)
  timers.remove(heartbeat)
  heartbeat.look(ping + 60_000)
  t.equal(pulse.lost, '')
  t.equal(heartbeat.due, ping + 60_100)
  timers.remove(heartbeat)
  heartbeat.look(ping + 60_101)
  t.not(pulse.lost, '')
})

t.test('a paused client that does not read gets no ping while bytes wait', async (t) => {
  const { pulse, pings } = createPulse(false)
  const heartbeat = new Heartbeat(pulse, pulse, { interval: 100, timeout: 50 })
  timers.remove(heartbeat)
  const first = heartbeat.due
  pulse.paused = true
  const look = (now: number): void => {
    heartbeat.look(first + now)
    timers.remove(heartbeat)
  }
  look(1)
  pulse.stream.writableLength = 2
  look(101)
  look(201)
  t.equal(pings.length, 1)
  pulse.stream.writableLength = 0
  look(301)
  t.equal(pings.length, 2)
  pulse.paused = false
  look(352)
  t.equal(pulse.lost, '', 'pings during the pause do not count')
  look(401)
  look(452)
  t.not(pulse.lost, '')
})

t.test('a client that is paused at the deadline is not dropped', async (t) => {
  const { pulse, pings } = createPulse(false)
  const heartbeat = new Heartbeat(pulse, pulse, { interval: 100, timeout: 50 })
  timers.remove(heartbeat)
  const first = heartbeat.due
  for (const now of [1, 52, 101]) {
    heartbeat.look(first + now)
    timers.remove(heartbeat)
    pulse.paused = true
  }
  t.equal(pulse.lost, '')
  t.equal(pings.length, 2)
})

t.test('a ping is one frame of three bytes', async (t) => {
  const { port } = await createRoute(t, { heartbeat: { interval: 20, timeout: 5_000 } })
  const client = await sendHandshake(t, port, '/')
  const received = await client.until(serverFrame(PING, '0').toString('latin1'))
  t.equal(received, '\x89\x010')
})
