import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import WebSocket, { WebSocketServer } from 'ws'
import { acceptKey } from '../../lib/protocol/accept-key'
import { attach } from '../../lib/protocol/attach'
import { Compression } from '../../lib/protocol/compression'
import { Endpoint, type EndpointOptions } from '../../lib/protocol/endpoint'
import { acceptOffer, offerOf, readResponse, type Agreement, type DeflateOptions } from '../../lib/protocol/extension'
import type { Message } from '../../lib/codec/decode'
import type { Violation } from '../../lib/protocol/violation'

/** One end of a connection after the opening handshake: a TCP or TLS socket. At the other end is a socket of `ws`. */
export interface StreamPair {
  stream: Socket
  client: WebSocket
  agreement: Agreement | null
}

export interface StreamPairOptions {
  /** Whether the connection uses TLS. */
  secure?: boolean
  /** The options of this end. */
  perMessageDeflate?: DeflateOptions
  /** The options of `ws`. */
  ws?: WebSocket.ClientOptions & WebSocket.ServerOptions
}

function fixture (name: string): Buffer {
  return readFileSync(join(__dirname, '..', 'fixtures', name))
}

/** Connects a client of `ws` to the server's end of a connection. Both are destroyed at the end of `t`. */
export async function connectStream (t: Test, { secure = false, perMessageDeflate, ws }: StreamPairOptions = {}): Promise<StreamPair> {
  const listener = secure ? createSecureServer({ key: fixture('key.pem'), cert: fixture('cert.pem') }) : createServer()
  t.teardown(() => listener.close())
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const client = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}`, { rejectUnauthorized: false, ...ws })
  t.teardown(() => client.terminate())
  const [{ headers }, stream] = await once(listener, 'upgrade') as [{ headers: Record<string, string> }, Socket]
  t.teardown(() => stream.destroy())
  const accepted = perMessageDeflate === undefined ? null : acceptOffer(headers['sec-websocket-extensions'], perMessageDeflate)
  const extension = accepted === null ? '' : `Sec-WebSocket-Extensions: ${accepted.response}\r\n`
  stream.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptKey(headers['sec-websocket-key'])}\r\n${extension}\r\n`)
  await once(client, 'open')
  return { stream, client, agreement: accepted?.agreement ?? null }
}

/** Connects the client's end of a connection to a server's socket of `ws`, which is returned as `client`. Both are destroyed at the end of `t`. */
export async function connectClientStream (t: Test, { perMessageDeflate, ws }: StreamPairOptions = {}): Promise<StreamPair> {
  const listener = createServer().listen(0, '127.0.0.1')
  const server = new WebSocketServer({ server: listener, perMessageDeflate: perMessageDeflate !== undefined, ...ws })
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...perMessageDeflate !== undefined && { 'sec-websocket-extensions': offerOf(perMessageDeflate) }
  }
  const opening = request({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1', headers }).end()
  const [[client], [response, stream]] = await Promise.all([once(server, 'connection'), once(opening, 'upgrade')])
  t.teardown(() => {
    client.terminate()
    stream.destroy()
  })
  const agreement = perMessageDeflate === undefined ? null : readResponse(response.headers['sec-websocket-extensions'], perMessageDeflate)
  return { stream, client, agreement }
}

/** The compression that both sides have agreed on. */
export function compressionOf ({ agreement }: Pick<StreamPair, 'agreement'>, options: DeflateOptions = {}, isServer = true): Compression | null {
  return agreement === null ? null : new Compression(agreement, isServer, options, MAX_PAYLOAD)
}

export const MAX_PAYLOAD = 100 * 1024 * 1024

/** An endpoint, and what it tells its owner. */
export interface Owned {
  endpoint: Endpoint
  messages: Message[]
  /** The pings and pongs, as their opcode and their content. */
  controls: [opcode: number, data: string][]
  violations: Violation[]
  /** How often the connection has ended. */
  ends: number
  closed: Promise<{ code: number, reason: string }>
}

/** Creates an endpoint on `stream`. */
export function ownEndpoint (stream: Duplex, options: Partial<EndpointOptions> = {}): Owned {
  let resolve: (end: { code: number, reason: string }) => void
  const owned: Omit<Owned, 'endpoint'> = { messages: [], controls: [], violations: [], ends: 0, closed: new Promise((_resolve) => { resolve = _resolve }) }
  const endpoint = new Endpoint(stream, { isServer: true, maxPayload: MAX_PAYLOAD, closeTimeout: 5_000, compression: null, ...options }, {
    onControl: (opcode, data) => { owned.controls.push([opcode, data.toString()]) },
    onViolation: (violation) => { owned.violations.push(violation) },
    onClose (code, reason) {
      owned.ends++
      resolve({ code, reason: reason.toString() })
    }
  })
  endpoint.parser.recipient = { push: (message) => { owned.messages.push(message) } }
  attach(endpoint)
  return Object.assign(owned, { endpoint })
}

/** Connects a client of `ws` to an endpoint. */
export async function createEndpoint (t: Test, options: Partial<EndpointOptions> & StreamPairOptions = {}): Promise<StreamPair & Owned> {
  const pair = await connectStream(t, options)
  return { ...pair, ...ownEndpoint(pair.stream, { compression: compressionOf(pair, options.perMessageDeflate), ...options }) }
}

/** The network socket of a socket of `ws`. */
export function socketOf (client: WebSocket): Socket {
  return (client as unknown as { _socket: Socket })._socket
}

/** Counts the writes to a socket, each of one chunk or of many. */
export function countWrites (stream: Duplex): () => number {
  let writes = 0
  for (const name of ['_write', '_writev'] as const) {
    const original = stream[name] as (...args: unknown[]) => void
    stream[name] = function (this: unknown, ...args: unknown[]) {
      writes++
      original.apply(this, args)
    }
  }
  return () => writes
}
