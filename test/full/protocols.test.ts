import { once } from 'node:events'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } from 'json-rpc-2.0'
import { RPCClient } from 'ocpp-rpc'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { listen } from '../helpers/app'
import { examples } from '../helpers/example'
import { Peer } from '../helpers/peer'
import { until } from '../helpers/until'
import type { WebSocketClient, WebSocketSession } from '../../types/session'

/* Runs the programs of docs/protocols.md with the built package, against libraries of other authors. */

const { websocket, connect } = require('fastify-async-websocket')
const { bridge } = require(join(examples, 'bridge.js'))
const { CallError, Calls, jsonRpc, ocpp } = require(join(examples, 'calls.js'))

type Handler = (ws: WebSocketSession<any>) => unknown
type Methods = Record<string, (params: any) => Promise<unknown>>

async function serve (t: Test, handler: Handler, options: object = {}): Promise<{ app: FastifyInstance, url: string }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  app.websocket('/*', options as {}, handler)
  return { app, url: `ws://127.0.0.1:${await listen(app)}` }
}

t.test('calls', async (t) => {
  /** Creates both sides of a connection, each with its own methods. */
  async function sides (t: Test, protocol: typeof jsonRpc, methods: Methods, clientMethods: Methods = {}): Promise<{ server: typeof Calls, client: typeof Calls, ws: WebSocketClient<any>, served: Promise<unknown> }> {
    let server
    const { app } = await serve(t, async (ws) => {
      await ws.accept()
      server = new Calls(ws, protocol, methods)
      await server.serve()
    }, { schema: { receive: protocol.schema }, websocket: { valueType: 'json' } })
    const ws = await app.injectWebSocket('/', { valueType: 'json' })
    const client = new Calls(ws, protocol, clientMethods)
    return { server: server!, client, ws, served: client.serve().catch((error: Error) => error) }
  }

  for (const [name, protocol] of [['JSON-RPC', jsonRpc], ['OCPP', ocpp]]) {
    t.test(`${name}: a method may call the other side before it returns, and answers may come in any order`, async (t) => {
      const both = await sides(t, protocol, {
        ask: async ({ n }) => ({ twice: await both.server.call('double', { n }) }),
        now: async () => ({ late: false })
      }, {
        async double ({ n }) {
          await both.client.call('now') // a method of the client may call the server, too
          return { n: 2 * n }
        }
      })
      const [asked, now] = await Promise.all([both.client.call('ask', { n: 21 }), both.client.call('now')])
      t.same(asked, { twice: { n: 42 } })
      t.same(now, { late: false })
    })

    t.test(`${name}: the answer has the details of a CallError, and of no other error`, async (t) => {
      const { client } = await sides(t, protocol, {
        async refuse () { throw new CallError('E1', 'not today') },
        async fail () { throw new Error('the password is swordfish') }
      })
      await t.rejects(client.call('refuse'), { code: 'E1', message: 'not today' })
      await t.rejects(client.call('fail'), { code: protocol.failed, message: 'failed' })
    })

    t.test(`${name}: a call of an unknown method is an error, also with the name of a property of Object`, async (t) => {
      const { client } = await sides(t, protocol, {})
      for (const method of ['nothing', 'toString', '__proto__', 'constructor']) await t.rejects(client.call(method), { code: protocol.unknown }, method)
    })
  }

  t.test('a call without an answer rejects after its timeout, and a late answer is ignored', async (t) => {
    let answer = (): void => {}
    const { client } = await sides(t, jsonRpc, {
      slow: () => new Promise((resolve) => { answer = () => resolve('late') }),
      quick: async () => 'at once'
    })
    await t.rejects(client.call('slow', {}, 20), { message: 'slow: no answer within 20 ms' })
    answer()
    t.equal(await client.call('quick'), 'at once')
  })

  t.test('after the end of the connection, pending and later calls reject', async (t) => {
    const { client, ws, served } = await sides(t, jsonRpc, { never: () => new Promise(() => {}) })
    const call = client.call('never')
    await ws.close()
    await t.rejects(call, { message: 'the connection has ended' })
    await t.rejects(client.call('never'), { name: 'WebSocketDisconnect' })
    await served
  })

  t.test('more calls at once than the limit end the connection with 1008', async (t) => {
    const { client, ws } = await sides(t, jsonRpc, { never: () => new Promise(() => {}) })
    const calls = Array.from({ length: 101 }, () => client.call('never').catch((error: Error) => error.message))
    t.match(await ws.closed, { code: 1008, reason: 'too many calls at once' })
    t.same(new Set(await Promise.all(calls)), new Set(['the connection has ended']))
  })

  for (const [protocol, message] of [[jsonRpc, []], [jsonRpc, { id: 1 }], [jsonRpc, null], [ocpp, {}], [ocpp, [2]], [ocpp, 'call']]) {
    t.test(`${protocol === ocpp ? 'OCPP' : 'JSON-RPC'}: ${JSON.stringify(message)} ends the connection with 1008`, async (t) => {
      const { ws } = await sides(t, protocol, {})
      await ws.send(message)
      t.equal((await ws.closed).code, 1008)
    })
  }
})

t.test('Calls works with the library json-rpc-2.0, in both directions', async (t) => {
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    const client = new Calls(ws, jsonRpc, {
      greet: async ({ name }: { name: string }) => `${await client.call('salutation', { name })} ${name}`,
      async refuse () { throw new CallError(7, 'no') }
    })
    await client.serve()
  }, { schema: { receive: jsonRpc.schema }, websocket: { valueType: 'json' } })

  const socket = new WebSocket(url)
  t.teardown(() => socket.terminate())
  const peer = new JSONRPCServerAndClient(new JSONRPCServer(), new JSONRPCClient((request) => socket.send(JSON.stringify(request))))
  peer.addMethod('salutation', ({ name }) => name === 'Ada' ? 'Dear' : 'Hello')
  socket.on('message', (data) => peer.receiveAndSend(JSON.parse(String(data))))
  await once(socket, 'open')

  t.equal(await peer.request('greet', { name: 'Ada' }), 'Dear Ada')
  await t.rejects(async () => await peer.request('refuse', {}), { code: 7, message: 'no' })
  await t.rejects(async () => await peer.request('nothing', {}), { code: -32601 })
})

t.test('Calls works with a station of the library ocpp-rpc over ocpp1.6, in both directions', async (t) => {
  let station: typeof Calls
  const { url } = await serve(t, async (ws) => {
    await ws.accept()
    station = new Calls(ws, ocpp, { BootNotification: async () => ({ status: 'Accepted', currentTime: new Date().toISOString(), interval: 300 }) })
    await station.serve()
  }, { schema: { receive: ocpp.schema }, websocket: { valueType: 'json', subprotocols: ['ocpp1.6'] } })

  const peer = new RPCClient({ endpoint: url, identity: 'CP-1', protocols: ['ocpp1.6'], strictMode: true, reconnect: false } as never)
  t.teardown(() => peer.close({ force: true } as never))
  peer.handle('Reset', (async ({ params }: { params: { type: string } }) => ({ status: params.type === 'Soft' ? 'Accepted' : 'Rejected' })) as never)
  await peer.connect()

  t.match(await peer.call('BootNotification', { chargePointVendor: 'ACME', chargePointModel: 'One' } as never), { status: 'Accepted' })
  t.same(await station!.call('Reset', { type: 'Soft' }), { status: 'Accepted' })
  await t.rejects(peer.call('Heartbeat', {} as never), { rpcErrorCode: 'NotImplemented' } as never)
  await t.rejects(station!.call('ClearCache', {}), { code: 'NotImplemented' })
})

t.test('a bridge', async (t) => {
  /** Connects a client to an app that bridges to the route `feed` of another app. */
  async function bridged (t: Test, feed: Handler, options: object = {}): Promise<Peer> {
    const upstream = await serve(t, feed)
    const { url } = await serve(t, async (ws) => {
      const connection = await connect(upstream.url, options)
      try {
        await ws.accept()
        await bridge(ws, connection)
      } finally {
        await connection.close()
      }
    })
    const socket = new WebSocket(url)
    t.teardown(() => socket.terminate())
    const peer = new Peer(socket)
    await once(socket, 'open')
    return peer
  }

  t.test('a bridge passes on the messages of both sides in order, text as text and bytes as bytes', async (t) => {
    const peer = await bridged(t, async (ws) => {
      await ws.accept()
      for await (const message of ws.messages('any')) await ws.send(message)
    })
    const said = Array.from({ length: 100 }, (_, n) => n % 2 === 0 ? String(n) : Buffer.from([n]))
    for (const message of said) peer.socket.send(message)
    for (const message of said) t.same(await peer.next(), message)
  })

  const ENDS: [string, (ws: WebSocket) => void, { ofUpstream: number, ofClient: number, reason?: string }][] = [
    ['a code and a reason', (ws) => ws.close(4001, 'so long'), { ofUpstream: 4001, ofClient: 4001, reason: 'so long' }],
    ['1000', (ws) => ws.close(1000), { ofUpstream: 1000, ofClient: 1000 }],
    ['1001', (ws) => ws.close(1001), { ofUpstream: 1001, ofClient: 1001 }],
    ['1005, a close without a code', (ws) => ws.close(), { ofUpstream: 1005, ofClient: 1005 }],
    ['1006, no close at all', (ws) => ws.terminate(), { ofUpstream: 1014, ofClient: 1001 }]
  ]

  for (const [name, end, { ofUpstream, ofClient, reason = '' }] of ENDS) {
    t.test(`a bridge passes on the end of the upstream: ${name}`, async (t) => {
      const peer = await bridged(t, async (ws) => {
        await ws.accept()
        await ws.send('the last')
        await ws.ping() // the message has arrived
        end(ws.raw as never)
        await ws.closed
      })
      t.same(await peer.rest(), ['the last'])
      t.same(await peer.closed, { code: ofUpstream, reason })
    })

    t.test(`a bridge passes on the end of the client: ${name}`, async (t) => {
      const ended = new Promise((resolve) => {
        bridged(t, async (ws) => {
          await ws.accept()
          resolve({ said: await ws.receive(), ...await ws.closed })
        }).then((peer) => {
          peer.socket.send('the last', () => end(peer.socket))
        })
      })
      t.match(await ended, { said: 'the last', code: ofClient, reason })
    })
  }

  t.test('a bridge reads no faster from one side than the other side takes', async (t) => {
    const total = 1_000
    let sent = 0
    let sentAt = Infinity
    const peer = await bridged(t, async (ws) => {
      await ws.accept()
      for (; sent < total; sent++) {
        await ws.send(Buffer.alloc(65_536, sent % 256))
        sentAt = performance.now()
      }
    })
    peer.socket.pause()
    await until(() => performance.now() - sentAt > 200)
    t.ok(sent < total, 'the upstream waits')
    peer.socket.resume()
    const received = await peer.rest()
    t.equal(received.length, total)
    t.ok(received.every((message, n) => message[0] === n % 256))
  })
})
