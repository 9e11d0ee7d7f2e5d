import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { promisify } from 'node:util'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { http1Only } from './transport'
import { until } from './until'
import type { FastifyInstance } from 'fastify'

/** A client that sends bytes, for requests that no client library would send. */
export class ByteClient<S extends Duplex> {
  readonly stream: S
  /** Resolves with all received bytes, as latin1, when the connection has ended. */
  readonly ended: Promise<string>
  hasEnded = false
  #received = ''
  #waiting: (() => void)[] = []

  constructor (stream: S) {
    this.stream = stream
    stream.setEncoding('latin1').on('data', (chunk) => {
      this.#received += chunk
      this.#wake()
    })
    stream.on('error', () => {}) // 'close' follows
    this.ended = new Promise((resolve) => {
      stream.once('close', () => {
        this.hasEnded = true
        this.#wake()
        resolve(this.#received)
      })
    })
  }

  /** Resolves with all received bytes, as latin1, as soon as they contain `text`. Rejects if the connection ends before. */
  async until (text: string): Promise<string> {
    return await this.#until(text)
  }

  async #until (text: string): Promise<string> {
    while (!this.#received.includes(text)) {
      if (this.hasEnded) throw new Error(`the connection has ended without ${JSON.stringify(text)}: ${JSON.stringify(this.#received.slice(0, 500))}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.#received
  }

  /** Like `until`, but takes the bytes up to `text` out of the received ones, and resolves with them. */
  async take (text: string): Promise<string> {
    const end = (await this.#until(text)).indexOf(text) + text.length
    const taken = this.#received.slice(0, end)
    this.#received = this.#received.slice(end)
    return taken
  }

  write (data: string | Buffer): this {
    this.stream.write(data)
    return this
  }

  #wake (): void {
    for (const goOn of this.#waiting.splice(0)) goOn()
  }
}

export type TcpClient = ByteClient<Socket>

/** Connects a socket to `port` of 127.0.0.1. The socket is destroyed at the end of `t`. */
export async function openTcp (t: Test, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Connects a client that sends bytes to `port` of 127.0.0.1. */
export async function connectTcp (t: Test, port: number): Promise<TcpClient> {
  return new ByteClient(await openTcp(t, port))
}

/** Both ends of a TCP connection. They are destroyed at the end of `t`. */
export async function connectTcpPair (t: Test): Promise<{ client: Socket, stream: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  const [stream] = await once(server, 'connection') as [Socket]
  t.teardown(() => stream.destroy())
  return { client, stream }
}

/** Changes of the headers of a valid handshake: `null` leaves a header out, an array repeats it. */
export type RequestHeaders = Record<string, string | string[] | null>

export interface RequestOptions {
  method?: string
  version?: string
  headers?: RequestHeaders
}

/** The host that requests name, unless a test says which. */
export const HOST = 'example.com'

/** The bytes of an upgrade request. */
export function upgradeRequest (target: string, { method = 'GET', version = '1.1', headers = {} }: RequestOptions = {}): string {
  http1Only('the bytes of an upgrade request')
  const all: RequestHeaders = {
    host: HOST,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => value === null ? [] : [value].flat().map((v) => `${name}: ${v}`))
  return [`${method} ${target} HTTP/${version}`, ...lines, '', ''].join('\r\n')
}

/** The response that completes the handshake of `request`. */
export function upgradeResponse (request: string, headers = ''): string {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)![1]
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${headers}\r\n`
}

/** Starts a TCP server on 127.0.0.1. It calls `answer` when a connection has sent the headers of its request. Returns the port. */
export async function serveTcp (t: Test, answer: (socket: Socket, request: string) => void): Promise<number> {
  http1Only('a server that answers an upgrade request')
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    let request = ''
    socket.on('data', (chunk) => {
      const complete = request.includes('\r\n\r\n')
      request += chunk.toString('latin1')
      if (!complete && request.includes('\r\n\r\n')) answer(socket, request)
    })
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Sends an upgrade request. Resolves with all bytes that the server sends until it ends the connection, as latin1. */
export async function exchange (t: Test, port: number, target: string, options?: RequestOptions): Promise<string> {
  const client = await connectTcp(t, port)
  return await client.write(upgradeRequest(target, options)).ended
}

/** Waits until `app` has no connection, and asserts that. */
export async function assertNoConnections (t: Test, app: FastifyInstance): Promise<void> {
  const count = promisify(app.server.getConnections.bind(app.server))
  await until(async () => await count() === 0)
  t.pass('no connection is left')
}

const TEXT = 1
const BINARY = 2

/** A message of a client in one frame: a text frame for a string, a binary frame for a Buffer. */
export function frame (data: string | Buffer): Buffer {
  const opcode = typeof data === 'string' ? TEXT : BINARY
  const { Sender } = WebSocket as any // the types of ws lack it
  return Buffer.concat(Sender.frame(Buffer.from(data), { fin: true, rsv1: false, opcode, mask: true, readOnly: false }))
}
