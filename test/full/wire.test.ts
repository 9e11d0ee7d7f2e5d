import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'
import { createApp, listen } from '../helpers/app'
import { connectPeer } from '../helpers/peer'
import { BINARY, clientFrame, CLOSE, closePayload, CONTINUATION, PING, TEXT } from '../helpers/frames'
import { sendHandshake, type RequestClient } from '../helpers/request-client'
import { bytesReadOf } from '../helpers/transport'
import { until } from '../helpers/until'

const key = readFileSync(join(__dirname, '../fixtures/key.pem'))
const cert = readFileSync(join(__dirname, '../fixtures/cert.pem'))

const MIB = 1024 * 1024

type Session = WebSocketSession<any, any, any, any, any>
type Handler = (ws: Session) => unknown

/** The stream under a session: a TCP socket, or a stream of HTTP/2. */
function streamOf (ws: Session): Duplex {
  return (ws.raw as any)._socket
}

/** Starts an app with one session route. Returns the app and its port. */
async function serve (t: Test, handler: Handler, options?: WebSocketPluginOptions, serverOptions?: object): Promise<{ app: FastifyInstance, port: number }> {
  const app = await createApp(t, options, serverOptions)
  app.websocket('/', async (ws) => await handler(ws))
  return { app, port: await listen(app) }
}

/** Opens a session that lasts until its connection ends. Returns the session and its client, which sends and receives bytes. */
async function connectSession (t: Test, options?: WebSocketPluginOptions): Promise<{ session: Session, client: RequestClient }> {
  let accept!: (ws: Session) => void
  const accepted = new Promise<Session>((resolve) => { accept = resolve })
  const { port } = await serve(t, async (ws) => {
    accept(await ws.accept())
    await ws.closed
  }, options)
  const client = await sendHandshake(t, port, '/')
  const session = await accepted
  await client.answer
  return { session, client }
}

/** All messages that the session still gets, and last the code of its end. */
async function drain (ws: Session): Promise<unknown[]> {
  const messages: unknown[] = []
  for (;;) {
    try {
      messages.push(await ws.receive('any'))
    } catch (error) {
      return [...messages, (error as { closeCode: number }).closeCode]
    }
  }
}

t.test('messages', (t) => {
  t.test('the handler receives frames that came in one packet with the upgrade request', async (t) => {
    const { port } = await serve(t, async (ws) => {
      await setImmediate()
      await ws.accept()
      await ws.send(`${await ws.receive()}, then ${await ws.receive()}`)
    })
    const client = await sendHandshake(t, port, '/', { early: Buffer.concat([clientFrame(TEXT, 'first'), clientFrame(TEXT, 'second')]) })
    await client.until('first, then second')
    client.leave()
  })

  t.test('the handler receives all bytes that came before the handshake was complete, however many', async (t) => {
    const count = 50
    let session!: Session
    let accept!: () => void
    const accepting = new Promise<void>((resolve) => { accept = resolve })
    const { port } = await serve(t, async (ws) => {
      session = ws
      await accepting
      await ws.accept()
      for (let n = 0; n < count; n++) await ws.expect(String(n).padEnd(60_000))
      await ws.send('all is here')
      await ws.closed
    })
    const client = await sendHandshake(t, port, '/')
    for (let n = 0; n < count; n++) client.write(clientFrame(TEXT, String(n).padEnd(60_000)))
    const streamUnder = ({ socket, stream = socket }: any): Duplex => stream
    await until(() => session !== undefined && streamUnder(session.request.raw).isPaused())
    const read = bytesReadOf(streamUnder(session.request.raw))
    t.ok(read < MIB, `${read} bytes were read`)
    accept()
    await client.until('all is here')
    client.leave()
  })

  t.test('a message may be split at every byte', async (t) => {
    const { session, client } = await connectSession(t)
    const bytes = Buffer.concat([
      clientFrame(TEXT, 'grüße €'),
      clientFrame(TEXT, Buffer.from('€').subarray(0, 1), false),
      clientFrame(PING, 'ping'),
      clientFrame(CONTINUATION, Buffer.from('€').subarray(1, 2), false),
      clientFrame(CONTINUATION, Buffer.from('€').subarray(2)),
      clientFrame(BINARY, Buffer.alloc(130, 1)),
      clientFrame(TEXT, '')
    ])
    const stream = streamOf(session)
    for (let split = 1; split < bytes.length; split++) {
      const read = bytesReadOf(stream)
      client.write(bytes.subarray(0, split))
      await until(() => bytesReadOf(stream) >= read + split)
      client.write(bytes.subarray(split))
      const messages = [await session.receive('any'), await session.receive('any'), await session.receive('any'), await session.receive('any')]
      t.same(messages, ['grüße €', '€', Buffer.alloc(130, 1), ''], `after byte ${split}`)
    }
  })

  t.test('the handler receives many messages of one packet one by one', async (t) => {
    const { session, client } = await connectSession(t)
    client.write(Buffer.concat(Array.from({ length: 1000 }, (_, n) => clientFrame(TEXT, String(n)))))
    for (let n = 0; n < 1000; n++) {
      if (await session.receive('integer') !== n) t.fail(`message ${n} is out of order`)
    }
  })

  t.test('the handler receives messages, a close frame and the end of the connection in order if they came in one packet', async (t) => {
    const { session, client } = await connectSession(t)
    client.stream.end(Buffer.concat([clientFrame(TEXT, '1'), clientFrame(TEXT, '2'), clientFrame(CLOSE, closePayload(4001, 'bye'))]))
    t.same(await session.closed, { code: 4001, reason: 'bye', wasClean: true })
    t.same(await drain(session), ['1', '2', 4001])
    t.match(await client.ended, closePayload(4001, 'bye').toString('latin1'), 'the close frame is answered')
  })

  t.test('the handler receives messages and the end of the connection in order if they came in one packet', async (t) => {
    const { session, client } = await connectSession(t)
    client.stream.end(Buffer.concat([clientFrame(TEXT, '1'), clientFrame(TEXT, '2'), clientFrame(TEXT, 'half').subarray(0, 8)]))
    t.same(await session.closed, { code: 1006, reason: '', wasClean: false })
    t.same(await drain(session), ['1', '2', 1006])
  })

  t.test('the handler receives messages that fill the queue, and the close frame behind them, in order', async (t) => {
    const { session, client } = await connectSession(t, { receiveHighWaterMark: 1 })
    for (let n = 0; n < 100; n++) client.write(clientFrame(TEXT, String(n).padEnd(10_000)))
    client.stream.end(clientFrame(CLOSE, closePayload(4001)))
    await until(() => session.raw!.isPaused)
    t.same(await drain(session), [...Array.from({ length: 100 }, (_, n) => String(n).padEnd(10_000)), 4001])
  })

  t.test('messages sent before the handler returned leave before the close frame', async (t) => {
    const { port } = await serve(t, async (ws) => {
      await ws.accept()
      ws.send('a')
    })
    const client = await sendHandshake(t, port, '/')
    await client.until('\x81\x01a\x88\x02\x03\xe8')
    client.write(clientFrame(CLOSE, closePayload(1000)))
    t.equal(await client.ended, '\x81\x01a\x88\x02\x03\xe8')
  })

  t.test('frames of one turn of the event loop leave in one write', async (t) => {
    const { session, client } = await connectSession(t)
    const writes: number[] = []
    const stream = streamOf(session)
    for (const name of ['_write', '_writev'] as const) {
      const write = stream[name] as Function
      Object.assign(stream, {
        [name] (data: unknown, ...args: unknown[]) {
          writes.push(Array.isArray(data) ? data.length : 1)
          return write.call(this, data, ...args)
        }
      })
    }
    for (let n = 0; n < 5; n++) session.send('a')
    await null
    for (let n = 0; n < 5; n++) await session.send('b')
    session.ping()
    await client.until('\x81\x01b'.repeat(5) + '\x89')
    t.equal(writes.length, 1, `${writes.length} writes of ${String(writes)}`)
  })

  t.end()
})

t.test('the end of a connection', (t) => {
  t.test('a client that ends its side without a close frame counts as gone', async (t) => {
    const { session, client } = await connectSession(t)
    const receiving = session.receive()
    session.send('still on its way')
    client.stream.end()
    await t.rejects(receiving, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    t.match(await client.ended, /still on its way$/)
  })

  t.test('a client that resets the connection counts as gone', async (t) => {
    const { session, client } = await connectSession(t)
    const receiving = session.receive()
    client.reset()
    await t.rejects(receiving, { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    t.equal(session.signal.aborted, true)
  })

  t.test('a pending send ends when the client resets the connection', async (t) => {
    const { session, client } = await connectSession(t)
    client.stream.pause()
    const sending = (async () => { for (;;) await session.send(Buffer.alloc(MIB)) })()
    await until(() => session.bufferedAmount > 0)
    client.reset()
    await t.rejects(sending, { name: 'WebSocketDisconnect', closeCode: 1006 })
  })

  t.test('the plugin drops a client that closes but never ends the connection after closeTimeout', async (t) => {
    const { session, client } = await connectSession(t, { closeTimeout: 50 })
    client.stream.allowHalfOpen = true
    client.write(clientFrame(CLOSE, closePayload(4001, 'bye')))
    t.same(await session.closed, { code: 4001, reason: 'bye', wasClean: true })
    await client.until(closePayload(4001, 'bye').toString('latin1'))
  })

  t.test('the plugin drops a client that answers a close but never ends the connection after closeTimeout', async (t) => {
    const { session, client } = await connectSession(t, { closeTimeout: 500 })
    client.stream.allowHalfOpen = true
    const closing = session.close(4001)
    await client.until(closePayload(4001).toString('latin1'))
    client.write(clientFrame(CLOSE, closePayload(4001)))
    await closing
    t.same(await session.closed, { code: 4001, reason: '', wasClean: true })
  })

  t.test('the plugin drops a client that does not answer a close after closeTimeout', async (t) => {
    const { session, client } = await connectSession(t, { closeTimeout: 50 })
    await session.close(4001)
    t.same(await session.closed, { code: 1006, reason: '', wasClean: false })
    t.match(await client.ended, closePayload(4001).toString('latin1'))
  })

  t.test('a frame that violates the protocol ends the connection with 1002', async (t) => {
    const { session, client } = await connectSession(t)
    client.write(Buffer.concat([clientFrame(TEXT, 'sound'), Buffer.from([0x81, 1, 97])])) // a frame without a mask
    t.same(await drain(session), ['sound', 1006])
    t.match(await client.ended, /\x88\x02\x03\xea$/) // eslint-disable-line no-control-regex -- the bytes of frames
  })

  t.end()
})

t.test('flow control', (t) => {
  t.test('while the handler receives nothing, a client that floods is held back, and no message is lost', async (t) => {
    const { session, client } = await connectSession(t)
    const frame = (n: number): Buffer => clientFrame(TEXT, String(n).padEnd(60_000))
    const count = 600
    for (let n = 0; n < count; n++) client.write(frame(n))
    // The kernel takes no more bytes when the server has paused its socket and bytes still wait at the client.
    await until(() => session.raw!.isPaused)
    const read = bytesReadOf(streamOf(session))
    t.ok(read < MIB, `${read} bytes were read`)
    t.ok(client.stream.writableLength > 0, `${client.stream.writableLength} bytes wait at the client`)
    for (let n = 0; n < count; n++) {
      const message = await session.receive()
      if (message.length !== 60_000 || parseInt(message) !== n) t.fail(`message ${n} is not what was sent`)
    }
    t.equal(client.stream.writableLength, 0)
  })

  t.test('while the handler receives nothing, a client that floods with small messages is held back', async (t) => {
    const { session, client } = await connectSession(t)
    const chunk = Buffer.concat(Array.from({ length: 10_000 }, () => clientFrame(TEXT, '1')))
    for (let n = 0; n < 300; n++) client.write(chunk)
    await until(() => session.raw!.isPaused)
    const bytesRead = bytesReadOf(streamOf(session))
    t.ok(bytesRead < MIB / 2, `${bytesRead} bytes were read`)
    t.ok(client.stream.writableLength > 0)
  })

  t.test('while the client reads nothing, a loop that awaits send waits', async (t) => {
    const { session, client } = await connectSession(t)
    client.stream.pause()
    let peak = 0
    let sent = 0
    const count = 200
    const sending = (async () => {
      for (; sent < count; sent++) {
        const sending = session.send(Buffer.alloc(60_000, 'a'))
        peak = Math.max(peak, session.bufferedAmount)
        await sending
      }
    })()
    await until(() => session.bufferedAmount > 0)
    client.stream.resume()
    await sending
    t.ok(peak < 3 * 64 * 1024, `${peak} bytes waited at most`)
    await session.send('the end')
    await client.until('the end')
  })

  t.test('the plugin drops a client that reads nothing for sendTimeout', async (t) => {
    const { session, client } = await connectSession(t, { sendTimeout: 100 })
    client.stream.pause()
    let sent = 0
    await t.rejects(async () => { for (;; sent++) await session.send(Buffer.alloc(60_000)) },
      { name: 'WebSocketDisconnect', closeCode: 1006, wasClean: false })
    t.ok(sent < 1000, `${sent} messages of 60 kB went out`)
    t.equal(session.signal.aborted, true)
  })

  t.end()
})

for (const [name, serverOptions] of [['TCP', {}], ['TLS', { https: { key, cert } }]] as const) {
  t.test(`the plugin keeps a client that takes longer than sendTimeout to read one large message, over ${name}`, async (t) => {
    const sendTimeout = 300
    const large = Buffer.alloc(24 * MIB, 'a')
    let sending: Promise<number> | undefined
    const { port } = await serve(t, async (ws) => {
      await ws.accept()
      const start = Date.now()
      sending = ws.send(large).then(() => Date.now() - start)
      await sending
    }, { sendTimeout }, serverOptions)
    const protocol = name === 'TLS' ? 'wss' : 'ws'
    const peer = await connectPeer(t, `${protocol}://localhost:${port}/`, { ca: cert, maxPayload: large.length, family: 4 })
    const { stream } = peer
    let before = 0
    stream.on('data', () => {
      if (bytesReadOf(stream) - before < MIB) return
      before = bytesReadOf(stream)
      stream.pause()
      setTimeout(sendTimeout / 8).then(() => stream.resume())
    })
    t.ok(large.equals(await peer.next() as Buffer))
    const time = await sending!
    t.ok(time > sendTimeout, `it took ${time} ms`)
    t.equal((await peer.closed).code, 1000)
  })
}

t.test('permessage-deflate compresses in both directions', async (t) => {
  let read = 0
  const { port } = await serve(t, async (ws) => {
    await ws.accept()
    for await (const message of ws.messages('any')) {
      read = bytesReadOf(streamOf(ws))
      await ws.send(message)
    }
  }, { perMessageDeflate: { threshold: 0 } })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } })
  t.equal(peer.socket.extensions, 'permessage-deflate')
  const large = 'fastify '.repeat(MIB / 8)
  for (const message of [large, Buffer.from(large), 'a', '']) {
    peer.socket.send(message)
    t.same(await peer.next(), message)
  }
  t.ok(read < 20_000, `${read} bytes came in`)
  const bytesRead = bytesReadOf(peer.stream)
  t.ok(bytesRead < 20_000, `${bytesRead} bytes came out`)
})

t.test('compressed and uncompressed messages and the close frame stay in order', async (t) => {
  const { port } = await serve(t, async (ws) => {
    await ws.accept()
    for (let n = 0; n < 100; n++) ws.send(`${n} ${'a'.repeat(n % 3 === 0 ? 5000 : 1)}`)
  }, { perMessageDeflate: { threshold: 1000 } })
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/`)
  t.same((await peer.rest()).map((message) => parseInt(message as string)), Array.from({ length: 100 }, (_, n) => n))
  t.equal((await peer.closed).code, 1000)
})

t.test('sessions work over TLS', async (t) => {
  const { port } = await serve(t, async (ws) => {
    await ws.accept()
    await ws.send(ws.url.protocol)
    for await (const message of ws.messages('any')) await ws.send(message)
  }, {}, { https: { key, cert } })
  const peer = await connectPeer(t, `wss://localhost:${port}/`, { ca: cert, family: 4 })
  t.equal(await peer.next(), 'wss:')
  const large = Buffer.alloc(MIB, 'fastify')
  peer.socket.send(large)
  t.ok(large.equals(await peer.next() as Buffer))
  peer.socket.close(4001, 'bye')
  t.same(await peer.closed, { code: 4001, reason: 'bye' })
})

t.test('hundreds of connections come and go', async (t) => {
  const { app, port } = await serve(t, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 100 }, async (_, n) => {
      const peer = await connectPeer(t, `ws://127.0.0.1:${port}/`)
      await peer.send(String(n))
      if (await peer.next() !== String(n)) t.fail(`client ${n} got the answer of another client`)
      await peer.close()
      await peer.closed
    }))
  }
  await until(() => app.websockets.size === 0)
  t.pass('no session is left')
})
