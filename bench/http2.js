'use strict'

/*
 * WebSockets over HTTP/2 beside HTTP/1.1 over TLS, of this plugin, on one server in a process of its own: handshakes (one HTTP/2
 * connection beside a TLS connection for each), echo of 64 bytes with 16 in flight, echo of messages of 1 MiB. The rounds of both
 * take turns. Run it with `node bench/http2.js [rounds] [seconds]`.
 */

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const http2 = require('node:http2')
const { join } = require('node:path')
const tls = require('node:tls')

const MIB = 1024 * 1024
const WINDOW = 4 * MIB
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

const pem = (name) => readFileSync(join(__dirname, '..', 'test', 'fixtures', `${name}.pem`))

async function serve () {
  const fastify = require('fastify')
  const app = fastify({ http2: true, https: { key: pem('key'), cert: pem('cert'), allowHTTP1: true, settings: { initialWindowSize: WINDOW } } })
  await app.register(require('../dist/lib/index.js'), { maxPayload: 2 * MIB, heartbeat: false })
  app.server.on('session', (session) => session.setLocalWindowSize(WINDOW))
  app.websocket('/', { websocket: { valueType: 'bytes' } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  process.send(app.server.address().port)
  process.on('disconnect', () => process.exit())
}

/** A binary frame of a client, with a mask of zeros. */
function frame (length) {
  const header = length < 126 ? Buffer.from([0x82, 0x80 | length, 0, 0, 0, 0]) : Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255, 0, 0, 0, 0])
  return Buffer.concat([header, Buffer.alloc(length)])
}

/** Opens a WebSocket over a TLS connection of its own. Resolves with its stream. */
async function openHttp1 (port) {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
  socket.setNoDelay()
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`)
  const [head] = await once(socket, 'data')
  if (!head.toString().startsWith('HTTP/1.1 101')) throw new Error(head.toString())
  return socket
}

async function openSession (port) {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, settings: { initialWindowSize: WINDOW } })
  await once(session, 'remoteSettings')
  session.setLocalWindowSize(WINDOW)
  return session
}

/** Opens a WebSocket as a stream of `session`. Resolves with the stream. */
async function openHttp2 (session) {
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': 13 }, { endStream: false })
  const [headers] = await once(stream, 'response')
  if (headers[':status'] !== 200) throw new Error(`${headers[':status']}`)
  return stream
}

const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 232])

/** Closes a WebSocket with 1000. Resets would not do: Node's server takes 33 a second of a client, after a burst of 1,000. */
async function close (stream) {
  const closed = once(stream, 'close')
  stream.resume().write(CLOSE)
  stream.on('end', () => stream.end())
  await closed
}

/** The handshakes a second, each with the end of its connection, one after the other. */
async function handshakes (open, seconds) {
  const end = performance.now() + seconds * 1000
  let count = 0
  const begin = performance.now()
  while (performance.now() < end) {
    await close(await open())
    count++
  }
  return count / (performance.now() - begin) * 1000
}

/** The echoes a second of messages of `length` bytes, `inFlight` at a time. */
async function echoes (stream, length, inFlight, seconds) {
  const message = frame(length)
  const answer = message.length - 4
  let bytes = 0
  let count = 0
  const end = performance.now() + seconds * 1000
  const begin = performance.now()
  await new Promise((resolve) => {
    const onData = (chunk) => {
      bytes += chunk.length
      let next = 0
      for (; bytes >= answer; bytes -= answer) next++
      count += next
      if (performance.now() > end) {
        stream.removeListener('data', onData)
        resolve()
      } else if (next > 0) stream.write(next === 1 ? message : Buffer.concat(Array(next).fill(message)))
    }
    stream.on('data', onData)
    stream.write(Buffer.concat(Array(inFlight).fill(message)))
  })
  const rate = count / (performance.now() - begin) * 1000
  await close(stream)
  return rate
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]

async function main (rounds = 7, seconds = 1) {
  const server = fork(__filename, ['serve'])
  const [port] = await once(server, 'message')
  const session = await openSession(port)
  const open = { 'HTTP/1.1': () => openHttp1(port), 'HTTP/2': () => openHttp2(session) }
  const rows = {
    'handshakes a second, HTTP/2 on one connection': (open) => handshakes(open, seconds),
    'echo of 64 B with 16 in flight, a second': async (open) => await echoes(await open(), 64, 16, seconds),
    'echo of 1 MiB, a second': async (open) => await echoes(await open(), MIB, 1, seconds)
  }
  for (const [name, run] of Object.entries(rows)) {
    const rates = { 'HTTP/1.1': [], 'HTTP/2': [] }
    for (let round = 0; round < rounds; round++) {
      for (const kind of Object.keys(rates)) rates[kind].push(await run(open[kind]))
    }
    const [one, two] = Object.values(rates).map(median)
    console.log(`${name}: HTTP/1.1 ${one.toFixed(0)}, HTTP/2 ${two.toFixed(0)}, ratio ${(two / one).toFixed(2)}`)
  }
  session.destroy()
  server.disconnect()
}

if (process.argv[2] === 'serve') serve()
else main(...process.argv.slice(2).map(Number))
